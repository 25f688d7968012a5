"""Ids follow the formula, checked by golden values and by a second implementation (tests.formula)."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from reconciler.identity import (
    FORMULA,
    GENERATIONS,
    digest_generations,
    encode_canonical,
    encode_example,
    is_generation_of,
    list_hyperparameters,
    make_id,
    to_comparable,
    to_float32,
    to_float32_hex,
)
from reconciler.kind import Field, FieldType, Kind
from reconciler.model.data import DataSet, Example
from reconciler.model.desired import Desired
from reconciler.model.names import Address, Attributes
from reconciler.providers.gemini.fields import HYPERPARAMETERS, TUNED_MODEL
from reconciler.providers.vertex.fields import TUNING_JOB
from tests import formula, worlds
from tests.fakes import digest_examples

ATTRIBUTES: Attributes = {
    "base_model": "models/gemini-1.5-flash-001-tuning",
    "display_name": "not part of the identity",
    f"{HYPERPARAMETERS}.batch_size": 2,
    f"{HYPERPARAMETERS}.epoch_count": 5,
    f"{HYPERPARAMETERS}.learning_rate": 0.001,
}
SOURCE = "models/gemini-1.5-flash-001-tuning"
DATA = formula.data_digest([("1", "2"), ("LXIII", "LXIV"), ("zwölf ", "dreizehn\n")])

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


def digest_model(
    desired: Desired, *, stack: str, workspace: str, generation: int, source: str, fields: Mapping[str, Field]
) -> str:
    """The identity of one generation, by the code under test."""
    several = digest_generations(
        desired, stack=stack, workspace=workspace, generations=[generation], source=source, fields=fields
    )
    return next(several)[1]


def digest_of(desired: Desired, *, stack: str = "", generation: int = 0, source: str = SOURCE) -> str:
    """The identity by the code under test."""
    return digest_model(
        desired,
        stack=stack,
        workspace="default",
        generation=generation,
        source=source,
        fields=TUNED_MODEL.fields,
    )


def desired(attributes: Attributes = ATTRIBUTES, data: str = DATA) -> Desired:
    """A manifest with one data set of this digest."""
    return Desired(worlds.address("number-generator"), attributes, (DataSet(data, 3, 30),))


def former(desired: Desired, *, stack: str = "", source: str = SOURCE, kind: Kind = TUNED_MODEL) -> list[str]:
    """Every digest that formula 1 may have given to the first generation."""
    names = {"stack": stack, "workspace": "default", "source": source}
    found = digest_generations(desired, **names, generations=[0], fields=kind.fields, formula=1)
    return [digest for _, digest in found]


def test_the_formulas_are_pinned() -> None:
    """The formula gives the golden ids, because a change would train every model again."""
    assert FORMULA == 2
    assert GENERATIONS == 16
    assert DATA == "01a2942b898dc208f437216b3f388a3b5c3b141e8fdfb203844c0c1a1878b212"
    assert digest_of(desired()) == "cdc0a5884f4cd4e9592a99ed04953b5147a9f280ad1407ddc9f3d61c80a30b22"
    assert make_id("number-generator", digest_of(desired())) == "number-generator-zxaklccp"
    assert make_id("number-generator", digest_of(desired(), generation=1)) == "number-generator-rnvtggej"
    assert (
        make_id("number-generator", digest_of(desired(), stack="search-k3x9")) == "number-generator-mlx4dom2"
    )


def test_formula_1_is_pinned() -> None:
    """Formula 1 gives its golden ids, because old models are looked up by them."""
    first, *_ = former(desired())
    assert first == "85b7a19817e3f54cf2f71806ba2165b0e3ef46e8f58337d5b5b59721be23bf72"
    assert make_id("number-generator", first) == "number-generator-qw32dgax"
    names = {"stack": "", "workspace": "default", "source": SOURCE}
    found = digest_generations(desired(), **names, generations=[0, 1], fields=TUNED_MODEL.fields, formula=1)
    assert make_id("number-generator", dict(reversed(list(found)[:2]))[1]) == "number-generator-uki7svmu"
    (named, *_) = former(desired(), stack="search-k3x9")
    assert make_id("number-generator", named) == "number-generator-5dvufuka"


JOB_SPEC = "supervised_tuning_spec"
LAST_ONLY = f"{JOB_SPEC}.export_last_checkpoint_only"


@pytest.mark.parametrize("declared", [{}, {LAST_ONLY: False}])
@pytest.mark.parametrize("base", ["gemini-x", "models/gemini-x", "publishers/google/models/gemini-x"])
def test_formula_1_is_looked_up_in_every_spelling(base: str, declared: Attributes) -> None:
    """Both names of a base model are tried, and a default with and without its value."""
    epochs = f"{JOB_SPEC}.hyper_parameters.epoch_count"
    job = Desired(
        Address("TuningJob", "bot"), {"base_model": base, epochs: 3, **declared}, (DataSet(DATA, 3, 30),)
    )
    found = set(former(job, source=base, kind=TUNING_JOB))
    for source in ("gemini-x", "publishers/google/models/gemini-x"):
        for written in ({}, {"exportLastCheckpointOnly": False}):
            numbers = {"epochCount": 3, **written}
            assert formula.identity_digest_1(source=source, data=DATA, hyperparameters=numbers) in found
    new = {
        digest_model(
            replace(job, attributes={**job.attributes, "base_model": name}),
            stack="",
            workspace="default",
            generation=0,
            source=name,
            fields=TUNING_JOB.fields,
        )
        for name in (
            "gemini-x",
            "models/gemini-x",
            "projects/p/locations/l/publishers/google/models/gemini-x",
        )
    }
    assert new == {
        formula.identity_digest(source="models/gemini-x", data=DATA, hyperparameters={"epochCount": 3})
    }


def test_a_checkpoint_is_a_part_of_its_own() -> None:
    """A named checkpoint makes another model, and an empty one is left out."""
    parent = "parent-abcdefgh"

    def digest(checkpoint: Attributes) -> str:
        job = Desired(
            Address("TuningJob", "bot"),
            {"pre_tuned_model.tuned_model_name": "TuningJob/parent", **checkpoint},
            (DataSet(DATA, 3, 30),),
        )
        return digest_model(
            job, stack="", workspace="default", generation=0, source=parent, fields=TUNING_JOB.fields
        )

    path = "pre_tuned_model.checkpoint_id"
    assert digest({path: "2"}) == formula.identity_digest(source=parent, data=DATA, checkpoint="2")
    assert digest({path: ""}) == digest({}) == formula.identity_digest(source=parent, data=DATA)


@given(
    stack=texts,
    generation=st.integers(0, 15),
    source=st.sampled_from([SOURCE, "tunedModels/parent-abcdefgh"]),
    epochs=st.none() | st.integers(1, 2**31 - 1),
    rate=st.none() | st.floats(2**-30, 1.0),
    pairs=st.lists(st.tuples(texts, texts), max_size=3),
)
def test_two_implementations_agree(
    *,
    stack: str,
    generation: int,
    source: str,
    epochs: int | None,
    rate: float | None,
    pairs: list[tuple[str, str]],
) -> None:
    """The code agrees with design 2.4 for any stack, source, hyperparameters and data."""
    attributes: dict[str, int | float] = {}
    tuned: dict[str, int | float] = {}
    if epochs is not None:
        attributes[f"{HYPERPARAMETERS}.epoch_count"] = tuned["epochCount"] = epochs
    if rate is not None:
        attributes[f"{HYPERPARAMETERS}.learning_rate_multiplier"] = tuned["learningRateMultiplier"] = rate
    data = formula.data_digest(pairs)
    assert digest_examples(Example(text, output) for text, output in pairs) == data
    origin = "base_model" if source == SOURCE else "tuned_model_source.tuned_model"
    digest = digest_of(
        desired({origin: source, **attributes}, data), stack=stack, generation=generation, source=source
    )
    assert digest == formula.identity_digest(
        source=source, data=data, hyperparameters=tuned, generation=generation, stack=stack
    )
    assert make_id("bot", digest) == formula.identity("bot", digest)


@given(st.from_regex(r"[a-z]([a-z0-9-]{0,29}[a-z0-9])?", fullmatch=True), st.binary(min_size=32, max_size=32))
def test_an_id_fits_the_service(name: str, digest: bytes) -> None:
    """A name of 31 characters makes an id that the service accepts and that we recognise."""
    id = make_id(name, digest.hex())
    assert re.fullmatch(r"[a-z]([a-z0-9-]{0,38}[a-z0-9])?", id)
    assert is_generation_of(name, id)


def test_generations_are_different_models() -> None:
    """Sixteen generations have sixteen different ids."""
    ids = {make_id("bot", digest_of(desired(), generation=number)) for number in range(GENERATIONS)}
    assert len(ids) == GENERATIONS


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("display_name", "another"),
        ("temperature", 0.3),
        ("reader_project_numbers", (1, 2)),
    ],
)
def test_what_can_be_updated_is_no_part_of_the_identity(path: str, value: str | float | tuple[int]) -> None:
    """A renamed or updated model keeps its id."""
    assert digest_of(desired({**ATTRIBUTES, path: value})) == digest_of(desired())


def test_a_float_is_its_float32_bits_however_it_is_written() -> None:
    """0.001, 1e-3 and the service's double are one number, and the next float32 is another."""
    assert {to_float32_hex(number) for number in (0.001, 1e-3, 0.0010000000474974513)} == {"3a83126f"}
    assert to_float32_hex(0.0010000001639127731) == "3a831270"
    assert to_float32(0.7) == 0.699999988079071
    assert to_float32(to_float32(0.1)) == to_float32(0.1)


def test_an_integer_for_a_float_field_is_a_float() -> None:
    """`learning_rate: 1` and `learning_rate: 1.0` train the same model."""
    rate = f"{HYPERPARAMETERS}.learning_rate"
    assert list_hyperparameters({rate: 1}, TUNED_MODEL.fields) == list_hyperparameters(
        {rate: 1.0}, TUNED_MODEL.fields
    )
    assert list_hyperparameters({rate: 1}, TUNED_MODEL.fields) == {"learningRate": "3f800000"}


def test_several_data_sets_are_known_by_their_fields() -> None:
    """A kind with validation data has another identity when only that changes."""
    manifest = desired()
    both = Desired(
        manifest.address, manifest.attributes, (*manifest.data, DataSet(DATA, 1, 1, field="validation_data"))
    )
    assert digest_of(both) != digest_of(manifest)


def test_the_order_of_examples_counts_and_nothing_is_trimmed() -> None:
    """Order and spaces change the digest, because training sees them."""
    a, b = Example("1", "2"), Example("3", "4")
    digests = [
        digest_examples(several)
        for several in ([a, b], [b, a], [a], [Example("1 ", "2")], [Example("2", "1")])
    ]
    assert len(set(digests)) == len(digests)


@given(st.dictionaries(texts, st.integers() | texts | st.none(), max_size=4))
def test_canonical_form_ignores_the_order_of_keys(value: dict[str, object]) -> None:
    """Equal dictionaries have one canonical form, without spaces outside of strings."""
    turned = dict(reversed(list(value.items())))
    assert encode_canonical(turned) == encode_canonical(value) == formula.compact(value).encode()


def test_canonical_form_survives_half_a_surrogate() -> None:
    """A lone surrogate in a service's JSON does not make a plan fail."""
    assert encode_canonical("\ud800") == b'"\xed\xa0\x80"'


@pytest.mark.parametrize(
    ("name", "id", "is_one"),
    [
        ("bot", "bot-k3j5h2l7", True),
        ("bot", "bot-k3j5h2l1", False),  # base32 has no 0, 1, 8 or 9
        ("bot", "bot-k3j5h2l", False),
        ("bot", "bot-K3J5H2L7", False),
        ("bot", "botk3j5h2l7", False),
        ("bot", "robot-k3j5h2l7", False),
        ("bot", "bot-v1-k3j5h2l7", False),
        ("bot-v1", "bot-v1-k3j5h2l7", True),
        ("bot", "bot", False),
    ],
)
def test_a_generation_is_known_by_its_form(name: str, id: str, *, is_one: bool) -> None:
    """An id of ours is exactly NAME-DIGEST8 in lower-case base32."""
    assert is_generation_of(name, id) is is_one


def test_an_example_that_is_no_pair_has_its_own_line() -> None:
    """Turns and instructions are one canonical object. Half a character stays as it is."""
    assert encode_example(Example("", "", line='{"contents":["\ud800"]}')) == b'{"contents":["\xed\xa0\x80"]}'
    assert encode_example(Example("a", "b")) == b'{"output":"b","textInput":"a"}'


def test_json_of_an_edited_state_is_compared_as_it_stands() -> None:
    """Invalid JSON in an edited state differs from every value and stops nothing."""
    field = TUNING_JOB.fields["supervised_tuning_spec.evaluation_config"]
    assert field.type is FieldType.JSON
    assert to_comparable(field, "{no json") == "{no json"
    assert to_comparable(field, '{"b": 1, "a": "x"}') == '{"a":"x","b":1}'
