"""Update masks: which fields a patch changes."""

from collections.abc import Sequence

from reconciler.emulator.errors import ArgumentError
from reconciler.emulator.protojson import Message, to_camel, to_snake


def read_mask(
    mask: str, message: Message, mutable: Sequence[str], *, ignored: Sequence[str] = (), prefix: str = ""
) -> list[str]:
    """Return the fields that a mask names, in lowerCamelCase.

    Args:
        mask: paths in either spelling, with commas between them; `*` means all fields that can be changed.
        message: the fields that exist.
        mutable: those that can be changed, in lowerCamelCase.
        ignored: those that may be named but are not changed, since only the service sets them.
        prefix: what a path may begin with.

    Raises:
        ApiError: 400, for a path that does not exist or cannot be changed.
    """
    names: list[str] = []
    for path in (to_snake(path.strip()).removeprefix(prefix) for path in mask.split(",") if path.strip()):
        top = path.partition(".")[0]
        if path == "*":
            names += mutable
        elif top not in message:
            raise ArgumentError(f"Invalid field mask: unknown path {path[:80]}.", field="update_mask")
        elif to_camel(path) in mutable:
            names.append(to_camel(path))
        elif to_camel(top) not in ignored:
            raise ArgumentError(f"Field {path[:80]} cannot be updated.", field="update_mask")
    return names
