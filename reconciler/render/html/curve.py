"""A loss curve as inline SVG. It has no script, no font and no colours: CSS classes style it."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from itertools import pairwise

from reconciler.model.live import Snapshot
from reconciler.render.terminal import escape
from reconciler.render.values import format_loss

_WIDTH, _HEIGHT = 640, 200
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 12, 12, 26
_POINTS = 300
"""Nobody could see more points, and a page may have 10,000 curves."""


def draw_loss_curve(snapshots: Sequence[Snapshot], *, title: str) -> str:
    """Draw the mean loss over the steps, with a faint line for each epoch. "" for fewer than two snapshots.

    Args:
        snapshots: in any order. A loss that is not finite is left out.
        title: what a screen reader reads out.
    """
    finite = (point for point in snapshots if math.isfinite(point.mean_loss))
    points = sorted(finite, key=lambda point: point.step)
    if len(points) < 2:
        return ""
    highest = max(*(point.mean_loss for point in points), 1e-9)
    first, last = points[0].step, max(points[-1].step, points[0].step + 1)

    def x(step: int) -> str:
        return f"{_LEFT + (step - first) / (last - first) * (_WIDTH - _LEFT - _RIGHT):.1f}"

    def y(mean: float) -> str:
        return f"{_TOP + (1 - max(mean, 0.0) / highest) * (_HEIGHT - _TOP - _BOTTOM):.1f}"

    label = html.escape(escape(title))
    corners = " ".join(f"{x(point.step)},{y(point.mean_loss)}" for point in _select_points(points))
    parts = [
        f'<svg class="curve" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{label}">',
        *(
            f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y(level)}" y2="{y(level)}"/>'
            f'<text x="{_LEFT - 6}" y="{y(level)}" dy="4" text-anchor="end">{format_loss(level)}</text>'
            for level in (0.0, highest / 2, highest)
        ),
        *(
            f'<line class="epoch" x1="{x(step)}" x2="{x(step)}" y1="{_TOP}" y2="{_HEIGHT - _BOTTOM}"/>'
            for step in _list_epochs(points)
        ),
        f'<polyline points="{corners}"/>',
        f'<text x="{_LEFT}" y="{_HEIGHT - 8}">step {first:,}</text>',
        f'<text x="{_WIDTH - _RIGHT}" y="{_HEIGHT - 8}" text-anchor="end">{points[-1].step:,}</text>',
        "</svg>",
    ]
    return "".join(parts)


def _select_points(points: Sequence[Snapshot]) -> Sequence[Snapshot]:
    if len(points) <= _POINTS:
        return points
    stride = (len(points) - 1) / (_POINTS - 1)
    return [points[round(index * stride)] for index in range(_POINTS)]


def _list_epochs(points: Sequence[Snapshot]) -> list[int]:
    """List the first step of each new epoch. List at most twenty steps."""
    begins = [after.step for before, after in pairwise(points) if after.epoch > before.epoch]
    return begins[:: max(math.ceil(len(begins) / 20), 1)]
