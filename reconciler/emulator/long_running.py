"""The JSON of a long-running operation, with which methods of both APIs answer."""

from collections.abc import Mapping
from typing import Any


def show_operation(
    name: str,
    metadata: Mapping[str, Any],
    *,
    error: Mapping[str, Any] | None = None,
    response: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return a google.longrunning.Operation. It is done if it has an *error* or a *response*.

    The service leaves `done` out until then, and so does this.
    """
    operation: dict[str, Any] = {"name": name, "metadata": metadata}
    if error:
        return {**operation, "done": True, "error": error}
    return {**operation, "done": True, "response": response} if response else operation
