"""A loss curve as inline SVG: no script, no font, no colour of its own but two CSS classes."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from itertools import pairwise

from reconciler.model import Snapshot
from reconciler.render.terminal import escape
from reconciler.render.values import format_loss

_WIDTH, _HEIGHT = 640, 200
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 12, 12, 26
_POINTS = 300
"""More would not be seen, and 10,000 models make a page."""


def draw_loss_curve(snapshots: Sequence[Snapshot], *, title: str) -> str:
    """Draw the mean loss over the steps, epochs as faint lines. "" for fewer than two snapshots.

    Args:
        snapshots: in any order; a loss that is no number is left out.
        title: read out instead of the picture.
    """
    points = sorted((one for one in snapshots if math.isfinite(one.mean_loss)), key=lambda one: one.step)
    if len(points) < 2:
        return ""
    highest = max(*(one.mean_loss for one in points), 1e-9)
    first, last = points[0].step, max(points[-1].step, points[0].step + 1)

    def x(step: int) -> str:
        return f"{_LEFT + (step - first) / (last - first) * (_WIDTH - _LEFT - _RIGHT):.1f}"

    def y(mean: float) -> str:
        return f"{_TOP + (1 - max(mean, 0.0) / highest) * (_HEIGHT - _TOP - _BOTTOM):.1f}"

    label = html.escape(escape(title))
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
        f'<polyline points="{" ".join(f"{x(one.step)},{y(one.mean_loss)}" for one in _thin(points))}"/>',
        f'<text x="{_LEFT}" y="{_HEIGHT - 8}">step {first:,}</text>',
        f'<text x="{_WIDTH - _RIGHT}" y="{_HEIGHT - 8}" text-anchor="end">{points[-1].step:,}</text>',
        "</svg>",
    ]
    return "".join(parts)


def _thin(points: Sequence[Snapshot]) -> Sequence[Snapshot]:
    if len(points) <= _POINTS:
        return points
    stride = (len(points) - 1) / (_POINTS - 1)
    return [points[round(index * stride)] for index in range(_POINTS)]


def _list_epochs(points: Sequence[Snapshot]) -> list[int]:
    """List the steps at which a new epoch is first seen, at most twenty of them."""
    begins = [after.step for before, after in pairwise(points) if after.epoch > before.epoch]
    return begins[:: max(math.ceil(len(begins) / 20), 1)]
