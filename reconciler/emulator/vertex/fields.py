"""Fields that models, endpoints and jobs share: display names, labels, etags, and how patch changes them."""

import re
from collections.abc import Collection, Mapping
from typing import Any

from reconciler.emulator.call import Call
from reconciler.emulator.errors import ApiError, ArgumentError
from reconciler.emulator.protojson import Message, read_mask
from reconciler.emulator.vertex.records import Product

_KEY = r"projects/[^/]+/locations/(?P<location>[^/]+)/keyRings/[^/]+/cryptoKeys/[^/]+"
_MOST_LABELS = 64
_LONGEST_LABEL = 63
_LONGEST_NAME = 128


def read_patch_mask(
    call: Call, message: Mapping[str, Any], kind: Message, mutable: tuple[str, ...]
) -> list[str]:
    """Return the names of the fields that a patch changes, of those that are *mutable*.

    The documents call the mask required, but google-genai sends none and works. So no mask means the fields
    that are in the body, as Google's API rules (AIP-134) say. *message* is the body, of the type *kind*.
    """
    mask = call.parameters.get("update_mask", "")
    return read_mask(mask, kind, mutable) if mask else [key for key in message if key in mutable]


def patch_fields(product: Product, names: Collection[str], message: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of *product* after a patch of those in *names*; each is replaced as a whole."""
    changed = {key: value for key, value in product.fields.items() if key not in names}
    changed |= {name: message[name] for name in names if message.get(name)}
    check_display_name(changed.get("displayName", ""), "display_name", is_required=True)
    check_labels(changed.get("labels", {}))
    return changed


def check_etag(message: Mapping[str, Any], etag: str) -> None:
    """Raise a 409 if the caller has seen another version than the present one."""
    if message.get("etag", etag) != etag:
        text = "The etag does not match the one of the resource: it was changed meanwhile."
        raise ApiError(409, text, "ABORTED")


def check_key(spec: Mapping[str, Any], location: str, field: str) -> None:
    """Raise a 400 for an encryptionSpec whose key is none, or is in another location."""
    match = re.fullmatch(_KEY, spec.get("kmsKeyName", ""))
    if match is None or match["location"] != location:
        text = f"The key must be projects/*/locations/*/keyRings/*/cryptoKeys/*, in the region {location}."
        raise ArgumentError(text, field=field)


def check_display_name(name: str, field: str, *, is_required: bool = False) -> None:
    """Raise a 400 for a display name that is missing or too long."""
    if is_required and not name:
        raise ArgumentError(f"{field} is required.", field=field)
    if len(name) > _LONGEST_NAME:
        text = f"{field} is too long: {len(name)} characters, at most {_LONGEST_NAME} are allowed."
        raise ArgumentError(text, field=field)


def check_labels(labels: Mapping[str, str]) -> None:
    """Raise a 400 for labels that Google Cloud does not take."""
    if len(labels) > _MOST_LABELS:
        text = f"There are {len(labels)} labels; at most {_MOST_LABELS} are allowed."
        raise ArgumentError(text, field="labels")
    for what, text in [("key", key) for key in labels] + [("value", value) for value in labels.values()]:
        letters = re.sub("[_-]", "", text)
        is_spelled_well = letters == letters.lower() and (letters or "0").isalnum()
        if len(text) > _LONGEST_LABEL or not is_spelled_well or (what == "key" and not text[:1].isalpha()):
            raise ArgumentError(
                f"Invalid label {what} '{text[:80]}': at most {_LONGEST_LABEL} characters, only lowercase "
                "letters, digits, underscores and dashes; a key begins with a letter.",
                field="labels",
            )
