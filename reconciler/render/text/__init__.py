"""For people in a terminal or a pipe: lines of text, with or without colour.

`width` is in cells; 0 never cuts nor wraps. Colours are Terraform's: green comes, yellow changes, red
goes or failed.
"""

from reconciler.render.text.errors import render_errors
from reconciler.render.text.events import render_event
from reconciler.render.text.plan import render_drift, render_plan
from reconciler.render.text.records import render_record, render_state

__all__ = [
    "render_drift",
    "render_errors",
    "render_event",
    "render_plan",
    "render_record",
    "render_state",
]
