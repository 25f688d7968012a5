"""A loss curve in characters: eighth blocks, or # for ASCII."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from reconciler.model.live import Snapshot
from reconciler.render.values import format_loss

_BLOCKS = " ▁▂▃▄▅▆▇█"
_HEIGHT = 8
_LEAST = 12


def draw_loss_chart(snapshots: Sequence[Snapshot], *, width: int, unicode: bool = True) -> Iterator[str]:
    """Draw the mean loss over the steps. Draw nothing for fewer than two snapshots.

    Args:
        snapshots: in any order.
        width: the most cells of a line, axis included. 0 means 80.
        unicode: False draws with ASCII.
    """
    points = sorted(snapshots, key=lambda point: point.step)
    if len(points) < 2:
        return
    highest = max(point.mean_loss for point in points)
    labels = (format_loss(highest), format_loss(highest / 2), "0")
    margin = max(len(label) for label in labels)
    columns = max(min((width or 80) - margin - 5, len(points) * 4, 60), _LEAST)
    heights = [value / highest if highest > 0 else 0.0 for value in _compute_column_losses(points, columns)]
    axis, corner, line = ("│", "└", "─") if unicode else ("|", "+", "-")
    for row in range(_HEIGHT, 0, -1):
        label = {_HEIGHT: labels[0], _HEIGHT // 2: labels[1], 1: labels[2]}.get(row, "")
        bar = "".join(_draw_block(height * _HEIGHT - (row - 1), unicode=unicode) for height in heights)
        yield f"  {label:>{margin}} {axis}{bar}".rstrip()
    yield f"  {'':>{margin}} {corner}{line * columns}"
    first, last = f"step {points[0].step:,}", f"{points[-1].step:,}"
    room = max(columns - len(first), len(last) + 2)  # a short curve of late steps is narrower than its labels
    yield f"  {'':>{margin}}  {first}{last:>{room}}"


def _draw_block(filled: float, *, unicode: bool) -> str:
    eighths = round(min(max(filled, 0.0), 1.0) * 8)
    if unicode:
        return _BLOCKS[eighths]
    return "#" if eighths >= 4 else " "


def _compute_column_losses(points: Sequence[Snapshot], columns: int) -> list[float]:
    """Compute the loss at each column: the mean of its points, or a value between the columns beside it."""
    first, last = points[0].step, points[-1].step
    span = max(last - first, 1)
    buckets: list[list[float]] = [[] for _ in range(columns)]
    for point in points:
        buckets[min((point.step - first) * columns // span, columns - 1)].append(point.mean_loss)
    known = [(index, sum(values) / len(values)) for index, values in enumerate(buckets) if values]
    sampled: list[float] = []
    for (left, before), (right, after) in pairwise(known):
        sampled += [before + (after - before) * index / (right - left) for index in range(right - left)]
    return sampled + [known[-1][1]] * (columns - len(sampled))
