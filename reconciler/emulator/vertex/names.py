"""Names of resources, and the rules for labels.

Answers name a project by its number, whatever the request called it, as the real service does. No
directory of projects is kept: the number is made of the id.
"""

import hashlib
import re
import secrets
from collections.abc import Mapping
from typing import TypedDict

from reconciler.emulator.call import Call
from reconciler.emulator.errors import ApiError, invalid

_MOST_LABELS = 64
_LONGEST_LABEL = 63


def project_number(project: str) -> str:
    """Return the number of a project, from its id or number."""
    if re.fullmatch(r"[0-9]+", project):
        return project
    digest = hashlib.blake2b(project.encode(), digest_size=8).digest()
    return str(10**11 + int.from_bytes(digest) % (9 * 10**11))


def new_id() -> str:
    """Return a number that the service would choose: 19 digits, within 63 bits."""
    return str(10**18 + secrets.randbelow(8 * 10**18))


class Place(TypedDict):
    """Where a resource is: the number of its project, and the location."""

    project: str
    location: str


def place(call: Call) -> Place:
    """Return project and location of a call."""
    return {"project": project_number(call.path["project"]), "location": call.path["location"]}


def full_name(project: str, location: str, rest: str) -> str:
    """Return the name of a resource."""
    return f"projects/{project}/locations/{location}/{rest}"


def check_labels(labels: Mapping[str, str]) -> None:
    """Raise a 400 for labels that Google Cloud does not take."""
    if len(labels) > _MOST_LABELS:
        raise invalid(f"There are {len(labels)} labels; at most {_MOST_LABELS} are allowed.", field="labels")
    for key, value in labels.items():
        if not key or not (key[0].isalpha() and _fits(key)):
            raise _bad_label("key", key)
        if not _fits(value):
            raise _bad_label("value", value)


def check_display_name(name: str, field: str) -> None:
    """Raise a 400 for a display name that is too long."""
    if len(name) > 128:
        text = f"{field} is too long: {len(name)} characters, at most 128 are allowed."
        raise invalid(text, field=field)


def _fits(text: str) -> bool:
    short = len(text) <= _LONGEST_LABEL
    return short and all(c in "_-" or (c.isalnum() and c == c.lower()) for c in text)


def _bad_label(what: str, text: str) -> ApiError:
    return invalid(
        f"Invalid label {what} '{text[:80]}': at most {_LONGEST_LABEL} characters, only lowercase "
        "letters, digits, underscores and dashes; a key begins with a letter.",
        field="labels",
    )
