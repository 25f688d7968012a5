"""Names of resources.

Answers name a project by its number, whatever the request called it, as the real service does. There is no
directory of projects, so the number is made from the id.
"""

import hashlib
import re
import secrets
from typing import NamedTuple

from reconciler.emulator.call import Call


class Location(NamedTuple):
    """A location of a project, which is given by its number."""

    project: str
    location: str

    def write_name(self, rest: str) -> str:
        """Return the full name of a resource in it, of which *rest* is the last part."""
        return f"projects/{self.project}/locations/{self.location}/{rest}"


def read_location(call: Call) -> Location:
    """Return the location in the path of a call."""
    return Location(_make_project_number(call.path["project"]), call.path["location"])


def make_id() -> str:
    """Return a number as the service chooses one: 19 digits, within 63 bits."""
    return str(10**18 + secrets.randbelow(8 * 10**18))


def _make_project_number(project: str) -> str:
    """Return the number of a project from its id or number."""
    if re.fullmatch(r"[0-9]+", project):
        return project
    digest = hashlib.blake2b(project.encode(), digest_size=8).digest()
    return str(10**11 + int.from_bytes(digest) % (9 * 10**11))
