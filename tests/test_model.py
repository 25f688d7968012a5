"""The values that all others pass on: addresses, grants, places and scores."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.model.checks import Score
from reconciler.model.desired import Desired
from reconciler.model.names import NAME_LIMIT, Address
from reconciler.model.permission import Permission
from reconciler.model.stack import Stack
from tests import worlds

words = st.text(st.characters(exclude_characters="/"), min_size=1)


@given(words, words)
def test_an_address_reads_back(kind: str, name: str) -> None:
    """parse(str(address)) is the address."""
    address = Address(kind, name)
    assert Address.parse(str(address)) == address


@pytest.mark.parametrize("text", ["", "bot", "/bot", "TunedModel/", "TunedModel/a/b", "/"])
def test_anything_else_is_no_address(text: str) -> None:
    """A text that is not KIND/NAME raises a ValueError that repeats it."""
    with pytest.raises(ValueError, match="not an address"):
        Address.parse(text)


def test_addresses_sort_by_kind_then_name() -> None:
    """Plans and states are sorted this way, so the order is part of the format."""
    addresses = [Address("TuningJob", "a"), Address("TunedModel", "b"), Address("TunedModel", "a")]
    assert [str(address) for address in sorted(addresses)] == ["TunedModel/a", "TunedModel/b", "TuningJob/a"]


@pytest.mark.parametrize(
    ("name", "variable"),
    [("number-generator", "TUNEDMODEL_NUMBER_GENERATOR"), ("a1", "TUNEDMODEL_A1"), ("x.y", "TUNEDMODEL_X_Y")],
)
def test_an_address_as_a_variable(name: str, variable: str) -> None:
    """The variable is upper case, with an underscore for every character that a shell refuses."""
    assert worlds.address(name).variable == variable


def test_a_name_leaves_room_for_its_digest() -> None:
    """31 characters, a dash and eight more fill the service's limit of 40."""
    assert NAME_LIMIT + 1 + 8 == 40


def test_a_grantee_is_known_whatever_the_case_of_its_address() -> None:
    """Mail addresses are compared as the service does; the role is no part of who it is."""
    permission = Permission("USER", "Ann@Example.com", "READER")
    assert permission.grantee == Permission("USER", "ann@example.com", "OWNER").grantee
    assert permission.grantee != Permission("GROUP", "ann@example.com", "READER").grantee
    assert str(permission) == "user:Ann@Example.com READER"
    assert str(Permission("EVERYONE", "", "READER")) == "everyone READER"


def test_a_manifest_says_where_it_is() -> None:
    """A manifest's place is file:line, or its address if there is no file."""
    assert worlds.want("bot", line=7).place == "manifests/bot.yaml:7"
    assert worlds.want("bot", file="").place == "TunedModel/bot"


def test_where_keys_stand_is_no_part_of_what_is_wanted() -> None:
    """Manifests that differ only in places are equal, and repr shows no place."""
    manifest = worlds.want("bot")
    moved = worlds.want("bot", places={"base_model": (3, 5)})
    assert moved == manifest
    assert repr(moved) == repr(manifest)


def test_nouns_cannot_be_changed() -> None:
    """A plan's inputs cannot change after it was made."""
    manifest: Desired = worlds.want("bot")
    with pytest.raises(AttributeError):
        manifest.id = "other"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("stack", "place"),
    [
        (Stack(), ""),
        (Stack(file="m.yaml"), "m.yaml"),
        (Stack(file="m.yaml", line=3), "m.yaml:3"),
        (Stack(file="m.yaml", line=3, places={"spec.state": (7, 5)}), "m.yaml:7:5"),
    ],
)
def test_a_field_of_the_stack_has_a_place(stack: Stack, place: str) -> None:
    """A Stack's field has its own place, or the document's if its own is unknown."""
    assert stack.place("spec.state") == place


def test_a_score_is_told_apart_by_what_it_says() -> None:
    """Equal scores are one in a set. Keys of a newer version count neither there nor for a permission."""
    scores = {Score("prompts", "d", 1, 2), Score("prompts", "d", 1, 2, {"more": "1"})}
    assert len(scores) == 1
    assert Score("prompts", "d", 1, 2) != Score("prompts", "d", 2, 2)
    reader = Permission("USER", "a@b.example", "READER")
    assert len({reader, Permission("USER", "a@b.example", "READER", {"more": "1"})}) == 1
