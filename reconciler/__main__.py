"""`python -m reconciler` and the `reconciler` script: how the process is run, and nothing of what it does.

Rule: Python searches for cycles of objects rarely, because thousands of models live until a command ends and
form none. Searching took a tenth of a short command, and a sixth of a long plan. When the command has ended,
the process ends at once. Python would free module after module first, which took a twentieth of a short plan,
although the memory goes back to the machine as a whole.
"""

import atexit
import gc
import os
from typing import NoReturn

_NEW_OBJECTS = 500_000
"""A search begins after this many more objects than were freed: some 50 MB. Python's default is 700.

The emulator's server leaves some 7 objects in cycles with each request.
"""


def main() -> NoReturn:
    """Run the command of the command line, and end the process with its code."""
    gc.set_threshold(_NEW_OBJECTS)
    from reconciler.cli import app

    try:
        app.main()  # writes all output
    except SystemExit as ended:
        if not isinstance(ended.code, int):
            raise
        try:
            atexit._run_exitfuncs()  # noqa: SLF001 (what libraries have registered; there is no public name)
        finally:
            os._exit(ended.code)


if __name__ == "__main__":
    main()
