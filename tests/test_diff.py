"""Field by field: which values differ, and which are only written in another way."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler import diff
from reconciler.difference import FieldChange, PermissionChange
from reconciler.identity import encode_canonical, to_comparable, to_float32
from reconciler.kind import Kind
from reconciler.model.names import Attributes, Value
from reconciler.model.permission import Permission
from reconciler.providers.gemini.fields import BASE_MODEL, HYPERPARAMETERS, TUNED_MODEL
from reconciler.providers.vertex.fields import MODEL_COPY, SERVICE_ACCOUNT, TUNING_JOB
from tests import worlds
from tests.limits import examples

FIELDS = TUNED_MODEL.fields
EPOCHS = f"{HYPERPARAMETERS}.epoch_count"
RATE = f"{HYPERPARAMETERS}.learning_rate"

values: dict[str, st.SearchStrategy[Value]] = {
    "display_name": st.text(max_size=3),
    "description": st.sampled_from(["", "a", "[red]", "é"]),
    "temperature": st.floats(0, 2),
    "top_k": st.integers(1, 3),
    "reader_project_numbers": st.lists(st.integers(0, 3), max_size=3).map(tuple),
}
mutable = st.fixed_dictionaries({}, optional=values)


@settings(max_examples=examples(200))
@given(mutable, mutable)
def test_every_declared_difference_is_found_and_no_other(live: Attributes, declared: Attributes) -> None:
    """A path is changed exactly if its own two values differ, whatever the other fields are."""
    found = {change.path: change for change in diff.compare_mutable(live, declared, FIELDS)}
    empty: Attributes = {"display_name": "", "description": "", "reader_project_numbers": ()}
    absent = object()
    different = {
        path
        for path, value in declared.items()
        if to_comparable(FIELDS[path], value)
        != (to_comparable(FIELDS[path], live[path]) if path in live else empty.get(path, absent))
    }
    assert found.keys() == different
    for path, change in found.items():
        assert change == FieldChange(path, live.get(path), declared[path])
    assert list(found) == sorted(found)


@given(mutable)
def test_nothing_differs_from_itself(declared: Attributes) -> None:
    """A manifest that was just applied has no difference, even with floats as the service prints them."""
    live = {
        path: to_float32(value) if isinstance(value, float) else value for path, value in declared.items()
    }
    assert diff.compare_mutable(live, declared, FIELDS) == ()


def test_equal_numbers_of_two_types_are_no_difference_beside_another() -> None:
    """40 and 40.0 are equal alone, and stay so when another field differs."""
    live: Attributes = {"top_k": 40.0, "description": "old"}
    declared: Attributes = {"top_k": 40, "description": "new"}
    assert diff.compare_mutable(live, declared, FIELDS) == (FieldChange("description", "old", "new"),)


def test_only_what_is_not_written_alike_may_differ() -> None:
    """A value of another type is not written alike, though Python calls the two equal."""
    sent: Attributes = {EPOCHS: 5, "display_name": "bot", "top_k": 1}
    declared: Attributes = {"display_name": "bot", "top_k": True, EPOCHS: 5.0, "temperature": 0.5}
    assert diff.list_unlike(sent, declared) == ["top_k", EPOCHS, "temperature"]


def test_what_is_not_declared_is_the_servers_own() -> None:
    """Defaults that the service filled in are no difference."""
    assert diff.compare_mutable({"top_p": 0.95, "top_k": 64}, {}, FIELDS) == ()
    assert diff.compare_immutable({}, {EPOCHS: 5}, {}, FIELDS) == ()


def test_ignored_paths_are_left_alone() -> None:
    """lifecycle.ignore_changes names paths, not values."""
    live: Attributes = {"description": "a", "temperature": 1.0}
    declared: Attributes = {"description": "b", "temperature": 0.5}
    found = diff.compare_mutable(live, declared, FIELDS, ignore=["description"])
    assert [change.path for change in found] == ["temperature"]


def test_fields_that_cannot_be_updated_are_no_update() -> None:
    """Immutable fields are no update: immutable_changes reports them."""
    assert diff.compare_mutable({EPOCHS: 5}, {EPOCHS: 6}, FIELDS) == ()
    found = diff.compare_immutable({EPOCHS: 5}, {EPOCHS: 5}, {EPOCHS: 6}, FIELDS)
    assert found == (FieldChange(EPOCHS, 5, 6, forces_replacement=True),)


@pytest.mark.parametrize(
    ("sent", "live", "declared", "changed"),
    [
        (5, 5, 5, False),
        (5, 6, 5, False),  # the service writes the value in another form
        (None, 5, 5, False),  # the manifest writes a default out
        (None, None, 5, True),
        (5, 5, 6, True),
        (5, None, 6, True),
        (5, None, 5, False),  # the service does not show the value
    ],
)
def test_an_immutable_field_has_changed_when_neither_sent_nor_live_is_what_is_declared(
    sent: int | None, live: int | None, declared: int, *, changed: bool
) -> None:
    """A changed spelling of the service, or a default written out, does not retrain."""
    was = {} if sent is None else {EPOCHS: sent}
    shown = {} if live is None else {EPOCHS: live}
    assert bool(diff.compare_immutable(was, shown, {EPOCHS: declared}, FIELDS)) is changed


def test_without_a_live_model_what_was_sent_decides() -> None:
    """A candidate whose create is pending is compared with its record."""
    assert diff.compare_immutable({EPOCHS: 5}, None, {EPOCHS: 5}, FIELDS) == ()
    (change,) = diff.compare_immutable({EPOCHS: 5}, None, {EPOCHS: 6}, FIELDS)
    assert (change.before, change.after) == (5, 6)


@pytest.mark.parametrize(
    ("path", "left", "right", "equal"),
    [
        ("temperature", 0.7, 0.699999988079071, True),
        ("temperature", 1, 1.0, True),
        (RATE, 1e-7, 4e-7, False),
        (RATE, 0.001, 0.0010000001639127731, False),
        ("reader_project_numbers", (2, 1, 1), (1, 2), True),
        ("reader_project_numbers", (1,), (1, 2), False),
        ("top_k", 40, 41, False),
        ("display_name", "a", "a ", False),
        (BASE_MODEL, "models/a", "models/A", False),
        (BASE_MODEL, "models/a", "a", True),
        (BASE_MODEL, "models/a", "publishers/google/models/a", True),
        (BASE_MODEL, "models/a", "projects/p/locations/us-central1/publishers/google/models/a", True),
        (BASE_MODEL, "models/a", "models/models/a", False),
    ],
)
def test_sameness_is_the_services(path: str, left: Value, right: Value, *, equal: bool) -> None:
    """Floats are compared as float32, project numbers as sets, and text exactly. None equals only None."""
    assert diff.is_same(FIELDS[path], left, right) is equal
    assert diff.is_same(FIELDS[path], right, left) is equal
    assert not diff.is_same(FIELDS[path], left, None)
    assert diff.is_same(FIELDS[path], None, None)


@pytest.mark.parametrize(
    ("kind", "path", "empty"),
    [
        (TUNED_MODEL, "description", ""),
        (TUNED_MODEL, "display_name", ""),
        (TUNED_MODEL, "reader_project_numbers", ()),
        (TUNING_JOB, "description", ""),
        (TUNING_JOB, "labels", ()),
        (TUNING_JOB, "service_account", ""),
        (TUNING_JOB, "encryption_spec.kms_key_name", ""),
        (TUNING_JOB, "pre_tuned_model.checkpoint_id", ""),
        (TUNING_JOB, "supervised_tuning_spec.export_last_checkpoint_only", False),
        (TUNING_JOB, "preference_optimization_spec.export_last_checkpoint_only", False),
    ],
)
def test_what_is_empty_equals_what_is_absent(kind: Kind, path: str, empty: Value) -> None:
    """Empty values equal absent ones, declared or live, because proto3 leaves them out."""
    field = kind.fields[path]
    assert diff.is_same(field, empty, None)
    assert diff.is_same(field, None, empty)


@pytest.mark.parametrize(
    "path", ["temperature", "top_p", "top_k", RATE, f"{HYPERPARAMETERS}.learning_rate_multiplier", EPOCHS]
)
def test_zero_is_a_value_where_a_field_has_presence_or_the_service_chooses(path: str) -> None:
    """0 differs from absent where the service would fill in its own number."""
    assert not diff.is_same(FIELDS[path], 0, None)


def test_a_declared_empty_clears_what_is_live() -> None:
    """A declared empty value clears a live one."""
    declared: Attributes = {"description": "", "reader_project_numbers": ()}
    assert diff.compare_mutable({"description": "x"}, declared, FIELDS) == (
        FieldChange("description", "x", ""),
    )


def test_a_documented_default_is_compared_with_what_is_live_and_not_with_what_was_not_sent() -> None:
    """An imported job has only its last checkpoint without declaring it, so `false` is another job."""
    path = "supervised_tuning_spec.export_last_checkpoint_only"
    fields = TUNING_JOB.fields
    assert diff.compare_immutable({}, {}, {path: False}, fields) == ()
    assert diff.compare_immutable({path: False}, {}, {path: False}, fields) == ()
    (change,) = diff.compare_immutable({}, {path: True}, {path: False}, fields)
    assert (change.before, change.after) == (True, False)
    assert len(diff.compare_immutable({}, {}, {path: True}, fields)) == 1


EVALUATION = TUNING_JOB.fields["supervised_tuning_spec.evaluation_config"]


@pytest.mark.parametrize(
    ("left", "right", "equal"),
    [
        ({"metrics": [], "autoraterConfig": {}}, {}, True),
        ({"autoraterConfig": {"autoraterModel": ""}}, {}, True),
        ({"outputConfig": {"gcsDestination": {"outputUriPrefix": "gs://a"}}, "x": False}, None, False),
        ({"metrics": [{"bleuSpec": {"useEffectiveOrder": False}}]}, {"metrics": [{"bleuSpec": {}}]}, True),
        ({"metrics": [{"exactMatchSpec": {}}]}, {"metrics": [{}]}, False),
        ({"generationConfig": {"temperature": 0}}, {}, False),
        (
            {"generationConfig": {"temperature": 0.1}},
            {"generationConfig": {"temperature": 0.10000000149}},
            True,
        ),
        ({"generationConfig": {"topK": 40}}, {"generationConfig": {"topK": 40.0}}, True),
        ({"metrics": [{"metadata": {"a": False}}]}, {"metrics": [{"metadata": {}}]}, False),
        ({"thinkingConfig": {"thinkingBudget": 0}}, {}, False),
    ],
)
def test_what_is_nested_in_an_evaluation_is_compared_by_what_it_means(
    left: object, right: object, *, equal: bool
) -> None:
    """In an evaluation, empty and false equal absent unless they have a meaning. Numbers are float32."""
    text = None if right is None else encode_canonical(right).decode()
    assert diff.is_same(EVALUATION, encode_canonical(left).decode(), text) is equal


def test_a_project_of_a_parents_name_counts_by_neither_id_nor_number() -> None:
    """The service answers with numbers where people write ids."""
    field = TUNING_JOB.fields["pre_tuned_model.tuned_model_name"]
    assert diff.is_same(field, "projects/acme/locations/l/models/1@1", "projects/42/locations/l/models/1@1")
    assert not diff.is_same(
        field, "projects/acme/locations/l/models/1@1", "projects/42/locations/l/models/2@1"
    )


def test_grants_are_compared_by_who_and_role() -> None:
    """Grants are sorted by grantee.

    A role changes, a grant is added, another is revoked; case does not matter.
    """
    before = (worlds.READER, Permission("USER", "old@example.com", "READER"))
    after = (
        Permission("GROUP", "ML@example.com", "WRITER"),
        Permission("USER", "new@example.com", "READER"),
    )
    assert diff.compare_permissions(before, after) == (
        PermissionChange(worlds.READER, after[0]),
        PermissionChange(None, after[1]),
        PermissionChange(before[1], None),
    )
    assert diff.compare_permissions(before, tuple(reversed(before))) == ()


LOCATION, PROJECT = "metadata.location", "metadata.project"


@pytest.mark.parametrize(
    ("sent", "live", "declared", "moved"),
    [
        ({PROJECT: "acme"}, {PROJECT: ("42",)}, "acme", False),
        ({PROJECT: "acme"}, {PROJECT: ("42",)}, "42", False),
        ({}, {PROJECT: ("42", "acme")}, "acme", False),
        ({}, {PROJECT: ("42",)}, "acme", False),  # 42 may be the number of acme
        ({}, None, "acme", False),  # an older version recorded no place
        ({PROJECT: "acme"}, None, "acme", False),
        ({PROJECT: "acme"}, {PROJECT: ("42",)}, "other", True),
        ({PROJECT: "acme"}, {PROJECT: ("42",)}, "43", True),
        ({}, {PROJECT: ("42", "acme")}, "other", True),
        ({}, {PROJECT: ("42",)}, "43", True),
        ({PROJECT: "acme"}, None, "other", True),
    ],
)
def test_a_project_is_one_by_its_id_and_by_its_number(
    sent: Attributes, live: Attributes | None, declared: str, *, moved: bool
) -> None:
    """A project's id and number mean the same place. Only a place known to be different is a move."""
    found = diff.compare_immutable(sent, live, {PROJECT: declared}, TUNING_JOB.fields)
    assert bool(found) is moved


@pytest.mark.parametrize(
    ("sent", "live", "declared", "moved"),
    [
        ({}, {LOCATION: "us-central1"}, "us-central1", False),
        ({}, None, "us-central1", False),
        ({LOCATION: "us-central1"}, {LOCATION: "us-central1"}, "europe-west4", True),
        ({}, {LOCATION: "us-central1"}, "europe-west4", True),
    ],
)
def test_another_location_is_a_move(
    sent: Attributes, live: Attributes | None, declared: str, *, moved: bool
) -> None:
    """Another location replaces a job. An unknown location does not."""
    found = diff.compare_immutable(sent, live, {LOCATION: declared}, TUNING_JOB.fields)
    assert bool(found) is moved


@pytest.mark.parametrize("sent", [{}, {SERVICE_ACCOUNT: "a@example.com"}], ids=["found again", "recorded"])
def test_how_a_copy_is_made_is_no_difference(sent: Attributes) -> None:
    """The account that reads the source leaves no trace in the copy. Another one makes no new copy."""
    declared = {SERVICE_ACCOUNT: "b@example.com"}
    nowhere: Attributes = {}
    for live in (None, nowhere):
        assert diff.compare_immutable(sent, live, declared, MODEL_COPY.fields) == ()
    assert diff.compare_mutable({}, declared, MODEL_COPY.fields) == ()
