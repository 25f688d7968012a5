"""How far large uploads are, shown by whatever shows the run: a line now and then, or a bar on a terminal.

A call tells it from its own thread, while nothing is known yet that would be an event.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from reconciler.events import Uploading

Show = Callable[[Uploading], None]


class Uploads:
    """Hands on what it is told to the present display; without one, a line for every tenth, on stderr."""

    def __init__(self) -> None:
        self._tenths: dict[str, int] = {}
        self._show: Show = self._quietly

    def __call__(self, progress: Uploading) -> None:
        """Show it."""
        self._show(progress)

    @contextmanager
    def shown_by(self, show: Show) -> Iterator[None]:
        """Show it there meanwhile."""
        self._show = show
        try:
            yield
        finally:
            self._show = self._quietly

    def _quietly(self, progress: Uploading) -> None:
        from reconciler.cli.console import print_message
        from reconciler.render.words import describe_upload

        tenth = 10 * progress.sent // progress.size
        if tenth != self._tenths.get(progress.shown):
            self._tenths[progress.shown] = tenth
            print_message(describe_upload(progress))


UPLOADS = Uploads()
"""Of this process, which has one run and one screen."""
