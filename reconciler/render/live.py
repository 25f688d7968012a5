"""Progress on a terminal: a line for each model in training, redrawn in place. The line of its end stays.

Only this module imports rich, when a display begins. It is also the only renderer that writes, because a live
display must. Rule: rich gets Text and never markup, so `[red]` in a display name stays text.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self, TextIO, assert_never

from msgspec import Struct, field

from reconciler.events import (
    Billed,
    Completed,
    Detached,
    Event,
    Failed,
    Progress,
    Skipped,
    Started,
    Uploading,
    Verb,
)
from reconciler.formats import count_noun, format_duration
from reconciler.model.names import Address
from reconciler.render.terminal import count_cells, cut, escape, pad
from reconciler.render.text.events import describe_stage, render_event
from reconciler.render.values import format_loss
from reconciler.render.words import describe_upload

if TYPE_CHECKING:
    from rich.live import Live
    from rich.text import Text

_BAR = 20
_NARROW_BAR = 10
_NARROW = 80
_LEAST_NAME = 20
_AROUND = 4
"""Lines that are no models: the last two lines of the display, and two lines of earlier output."""

_HANGING = 4
"""Spaces before the second and later lines of a long line."""

_PRIORITY = ("percent", "left", "loss", "step", "elapsed", "epoch")
"""The figures, from the one that a narrow terminal keeps longest to the one that it drops first."""
_SHOWN = ("percent", "step", "epoch", "loss", "elapsed", "left")
"""From left to right."""


class _Row(Struct):
    """A model at work. `seen` is the clock at its last event. Its elapsed time counts on from there."""

    address: Address
    stage: str
    seen: float
    progress: Progress | None = None


class LiveProgress(Struct, kw_only=True):
    """Shows events as they come, while its context is open.

    Attributes:
        stream: the terminal, stderr or stdout.
        width: cells a line.
        clock: seconds that only grow. Elapsed times go on between two polls.
        height: lines of the terminal. If None, rich finds it.
        colour: whether colours may be used. The cursor is moved in any case.
        unicode: False draws the bars with ASCII.
        is_automatic: whether a thread redraws four times a second. If False, only `refresh` draws.
    """

    stream: TextIO
    width: int
    clock: Callable[[], float]
    height: int | None = None
    colour: bool = True
    unicode: bool = True
    is_automatic: bool = True
    _rows: dict[Address, _Row] = field(default_factory=dict)
    _uploads: dict[str, Uploading] = field(default_factory=dict)
    _trained: int = field(default=0)
    _copied: int = field(default=0)
    _failed: int = field(default=0)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _live: Live | None = field(default=None)

    def __enter__(self) -> Self:
        self._live = _build_live(self, self._draw)
        self.height = self._live.console.height
        self._live.start(refresh=False)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def handle(self, event: Event) -> None:
        """Change the line of the event's model, or print a line that stays."""
        with self._lock:
            stays = self._apply(event)
        if stays and (line := render_event(event, colour=self.colour)):
            self.print(line)

    def print(self, line: str) -> None:
        """Print a line above the display, where it stays. Keeps its colours and breaks it at spaces."""
        from rich.text import Text

        if self._live is None:
            return
        text = Text.from_ansi(line)
        lines = text.divide(_find_breaks(text.plain, self.width))
        for part in lines:
            part.rstrip()
        self._live.console.print(Text("\n" + " " * _HANGING).join(lines), soft_wrap=True)

    def refresh(self) -> None:
        """Draw now."""
        if self._live is not None:
            self._live.refresh()

    def _apply(self, event: Event) -> bool:
        """Change the rows and counts for an event. Returns whether its line is printed and stays."""
        match event:
            case Started():
                stage = describe_stage(event.operation)
                self._rows[event.address] = _Row(event.address, stage, self.clock())
                return False
            case Progress():
                row = self._rows.setdefault(event.address, _Row(event.address, "training", 0.0))
                row.progress, row.seen = event, self.clock()
                return False
            case Uploading():
                self._uploads.pop(event.shown, None)
                if event.sent < event.size:  # an upload that is done leaves the display
                    self._uploads[event.shown] = event
                return False
            case Completed() | Failed() | Skipped():
                self._rows.pop(event.address, None)
                if isinstance(event, Completed):
                    self._trained += event.operation in {Verb.CREATE, Verb.REPLACE, Verb.WAIT}
                    self._copied += event.operation is Verb.COPY
                self._failed += isinstance(event, Failed)
                return True
            case Billed():
                return True
            case Detached():
                self._rows.clear()
                return True
            case _:
                assert_never(event)

    def _draw(self) -> Text:
        from rich.text import Text

        with self._lock:
            rows = list(self._rows.values())
            counted = {"trained": self._trained, "copied": self._copied, "failed": self._failed}
            uploads = list(self._uploads.values())
        picture = Text(no_wrap=True, overflow="crop")
        for upload in uploads:
            self._draw_bar(picture, upload.sent * self._bar // upload.size)
            picture.append(f" {cut(describe_upload(upload), self.width - self._bar - 1)}\n")
        if not rows:
            return picture
        now = self.clock()
        room = max((self.height or 24) - _AROUND - len(uploads), 1)
        shown, hidden = rows[:room], len(rows) - room
        for line in self._draw_rows(shown, now):
            picture.append_text(line)
            picture.append("\n")
        if hidden > 0:
            picture.append(f"… and {hidden:,} more\n", style="dim")
        foot = count_noun(len(rows), "model") + " at work"
        foot += "".join(f", {count:,} {word}" for word, count in counted.items() if count)
        foot += ". Ctrl-C stops only the wait."
        picture.append(cut(foot, self.width), style="dim")
        return picture

    @property
    def _bar(self) -> int:
        """The cells of a bar."""
        return _BAR if self.width >= _NARROW else _NARROW_BAR

    def _draw_bar(self, line: Text, filled: int) -> None:
        full, empty = "█░" if self.unicode else "#."
        line.append(full * filled, style="green")
        line.append(empty * (self._bar - filled), style="dim")

    def _draw_rows(self, rows: Sequence[_Row], now: float) -> list[Text]:
        from rich.text import Text

        table = [_format_figures(row, now) for row in rows]
        # if all models have the same kind, leave it out: a narrow terminal needs the room
        is_same_kind = len({row.address.kind for row in rows}) == 1
        names = [escape(row.address.name if is_same_kind else str(row.address)) for row in rows]
        widest = {figure: max(count_cells(figures[figure]) for figures in table) for figure in _SHOWN}
        longest = max(map(count_cells, names))
        room = self.width - 1 - self._bar - min(longest, _LEAST_NAME)
        kept = set()
        for figure in _PRIORITY:
            if widest[figure] and widest[figure] + 2 <= room:
                room -= widest[figure] + 2
                kept.add(figure)
        name_room = min(longest, _LEAST_NAME) + max(room, 0)
        column = min(longest, name_room)
        lines = []
        for row, name, figures in zip(rows, names, table, strict=True):
            line = Text(no_wrap=True)
            line.append(pad(cut(name, column), column) + " ")
            if row.progress is None:
                line.append(cut(row.stage, self.width - column - 1), style="cyan")
            else:
                percent = row.progress.percent
                if percent is None:  # an empty bar would say that nothing has happened
                    stage = cut(describe_stage(row.progress.operation), self._bar)
                    line.append(pad(stage, self._bar), style="cyan")
                else:
                    filled = round(percent * self._bar / 100)
                    self._draw_bar(line, min(max(filled, 0), self._bar))
                for figure in (figure for figure in _SHOWN if figure in kept):
                    line.append(f"  {figures[figure]:>{widest[figure]}}")
            line.rstrip()
            lines.append(line)
        return lines


class LiveLines(Struct, kw_only=True):
    """Shows lines that change, while its context is open. Then it takes them away.

    Attributes:
        draw: given how many lines there is room for, returns the lines. They may be coloured.
        stream, width, height, colour, is_automatic: see `LiveProgress`.
    """

    stream: TextIO
    width: int
    draw: Callable[[int], Sequence[str]]
    height: int | None = None
    colour: bool = True
    is_automatic: bool = True
    _live: Live | None = field(default=None)

    def __enter__(self) -> Self:
        self._live = _build_live(self, self._draw)
        self.height = self._live.console.height
        self._live.start(refresh=False)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def refresh(self) -> None:
        """Draw now."""
        if self._live is not None:
            self._live.refresh()

    def _draw(self) -> Text:
        from rich.text import Text

        lines = self.draw(max((self.height or 24) - 1, 1))
        return Text("\n", overflow="fold", no_wrap=False).join(Text.from_ansi(line) for line in lines)


def _build_live(display: LiveProgress | LiveLines, draw: Callable[[], Text]) -> Live:
    """Build rich's display of what `draw` returns."""
    from rich.console import Console
    from rich.live import Live

    console = Console(
        file=display.stream,
        force_terminal=True,
        width=display.width,
        height=display.height,
        color_system="standard" if display.colour else None,
        highlight=False,
        markup=False,
        emoji=False,
        soft_wrap=True,
    )
    return Live(
        console=console,
        get_renderable=draw,
        auto_refresh=display.is_automatic,
        refresh_per_second=4,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
        vertical_overflow="crop",
    )


def _find_breaks(text: str, width: int) -> list[int]:
    """Find the spaces at which to break a long line. A longer word stays whole, so that it can be copied."""
    offsets: list[int] = []
    used = 0
    for word in re.finditer(r"\S+\s*", text):
        room = width - (_HANGING if offsets else 0)
        if used and used + count_cells(word[0].rstrip()) > room:
            offsets.append(word.start())
            used = 0
        used += count_cells(word[0])
    return offsets


def _format_figures(row: _Row, now: float) -> dict[str, str]:
    progress = row.progress
    if progress is None:
        return dict.fromkeys(_SHOWN, "")
    since = max(now - row.seen, 0.0)
    total = f"/{progress.total_steps:,}" if progress.total_steps else ""
    remaining = progress.remaining
    return {
        "percent": "" if progress.percent is None else f"{progress.percent:.0f}%",
        "step": "" if progress.step is None else f"step {progress.step:,}{total}",
        "epoch": "" if progress.epoch is None else f"epoch {progress.epoch:,}",
        "loss": "" if progress.mean_loss is None else f"loss {format_loss(progress.mean_loss)}",
        "elapsed": format_duration(progress.elapsed + since),
        "left": "" if remaining is None else f"{format_duration(max(remaining - since, 0.0))} left",
    }
