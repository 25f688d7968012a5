"""What patch may change, for models and endpoints.

The documents call the mask required; google-genai sends none and works, so none means the fields
that are there, as Google's API rules (AIP-134) say.
"""

from collections.abc import Mapping
from typing import Any

from reconciler.emulator.errors import ApiError, invalid
from reconciler.emulator.protojson import Message, camel, snake
from reconciler.emulator.vertex.names import check_display_name, check_labels


def apply_mask(
    mask: str,
    asked: Mapping[str, Any],
    fields: Mapping[str, Any],
    message: Message,
    mutable: tuple[str, ...],
) -> dict[str, Any]:
    """Return *fields* with the masked ones of *asked* in their place, checked.

    Raises:
        ApiError: 400 for a path that does not exist or cannot be changed, or a bad value.
    """
    paths = [snake(path.strip()) for path in mask.split(",") if path.strip()]
    if not mask:
        paths = [snake(key) for key in asked if key in mutable]
    if "*" in paths:
        paths = [snake(key) for key in mutable]
    changed = dict(fields)
    for path in paths:
        if path.partition(".")[0] not in message:
            raise invalid(f"Invalid field mask: unknown path {path[:80]}.", field="update_mask")
        name = camel(path)
        if name not in mutable:
            raise invalid(f"Field {path[:80]} cannot be updated.", field="update_mask")
        changed.pop(name, None)
        if asked.get(name):
            changed[name] = asked[name]
    if not changed.get("displayName"):
        raise invalid("display_name is required.", field="display_name")
    check_display_name(changed["displayName"], "display_name")
    check_labels(changed.get("labels", {}))
    return changed


def check_etag(asked: Mapping[str, Any], etag: str) -> None:
    """Raise a 409 when the caller has seen another version than the present one."""
    if asked.get("etag", etag) != etag:
        text = "The etag does not match the one of the resource: it was changed meanwhile."
        raise ApiError(409, text, "ABORTED")
