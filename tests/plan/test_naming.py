"""Which model a person means by a name."""

from __future__ import annotations

import pytest

from reconciler.plan.naming import is_name_of

NAME = "projects/p/locations/l/tuningJobs/7"


@pytest.mark.parametrize(
    ("said", "is_one"),
    [
        ("bot-1", True),
        ("7", True),
        ("8", False),
        (NAME, True),
        ("projects/12/locations/l/tuningJobs/7", True),
        ("projects/12/locations/l/tuningJobs/8", False),
        ("projects/q/locations/l/tuningJobs/7", False),  # two different project ids mean two projects
    ],
)
def test_a_name_is_an_id_its_end_or_all_of_it(said: str, *, is_one: bool) -> None:
    """A project has an id and a number, so a name with one may be a name with the other."""
    assert is_name_of(said, "bot-1", NAME) is is_one
