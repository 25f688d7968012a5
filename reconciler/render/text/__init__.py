"""For people in a terminal or a pipe: lines of text, with or without colour.

`width` is in cells; 0 never cuts nor wraps. Colours are Terraform's: green comes, yellow changes, red
goes or failed.
"""

from reconciler.render.text.errors import error_lines
from reconciler.render.text.events import event_line
from reconciler.render.text.plan import drift_lines, plan_lines
from reconciler.render.text.records import show_lines, state_lines

__all__ = [
    "drift_lines",
    "error_lines",
    "event_line",
    "plan_lines",
    "show_lines",
    "state_lines",
]
