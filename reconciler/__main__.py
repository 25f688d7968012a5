"""`python -m reconciler` and the `reconciler` script: how the process is run, and nothing of what it does.

Rule: Python's collector searches for cycles of objects rarely, because our values form none, and never at the
end, because the memory goes back to the machine as a whole. Searching took a tenth of a short command.
"""

import gc
from typing import NoReturn

_NEW_OBJECTS = 50_000
"""A search begins after this many more objects than were freed: some 5 MB. Python's default is 700."""


def main() -> NoReturn:
    """Run the command of the command line, and exit with its code."""
    gc.set_threshold(_NEW_OBJECTS)
    from reconciler.cli import app

    try:
        app.main()
    finally:
        gc.freeze()


if __name__ == "__main__":
    main()
