"""Ids: the formula, held by golden values and by a second implementation (tests.formula)."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.identity import (
    FORMULA,
    GENERATIONS,
    canonical,
    examples_digest,
    float32,
    float32_hex,
    hyperparameters,
    is_generation_of,
    model_digest,
    model_id,
)
from reconciler.model import Attributes, DataSet, Desired, Example
from reconciler.providers.gemini.fields import HYPERPARAMETERS, TUNED_MODEL
from tests import formula, worlds

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


def digest_of(desired: Desired, *, stack: str = "", generation: int = 0, source: str = SOURCE) -> str:
    """The identity by the code under test."""
    return model_digest(
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


def test_the_formula_is_pinned() -> None:
    """These values are in people's services: a change of them trains every model again."""
    assert FORMULA == 1
    assert GENERATIONS == 16
    assert DATA == "01a2942b898dc208f437216b3f388a3b5c3b141e8fdfb203844c0c1a1878b212"
    assert digest_of(desired()) == "85b7a19817e3f54cf2f71806ba2165b0e3ef46e8f58337d5b5b59721be23bf72"
    assert model_id("number-generator", digest_of(desired())) == "number-generator-qw32dgax"
    assert model_id("number-generator", digest_of(desired(), generation=1)) == "number-generator-uki7svmu"
    assert (
        model_id("number-generator", digest_of(desired(), stack="search-k3x9")) == "number-generator-5dvufuka"
    )


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
    """The code computes what design 2.4 says, for any stack, source, hyperparameters and data."""
    attributes: dict[str, int | float] = {}
    tuned: dict[str, int | float] = {}
    if epochs is not None:
        attributes[f"{HYPERPARAMETERS}.epoch_count"] = tuned["epochCount"] = epochs
    if rate is not None:
        attributes[f"{HYPERPARAMETERS}.learning_rate_multiplier"] = tuned["learningRateMultiplier"] = rate
    data = formula.data_digest(pairs)
    assert examples_digest(Example(text, output) for text, output in pairs) == data
    digest = digest_of(
        desired({"base_model": SOURCE, **attributes}, data), stack=stack, generation=generation, source=source
    )
    assert digest == formula.identity_digest(
        source=source, data=data, hyperparameters=tuned, generation=generation, stack=stack
    )
    assert model_id("bot", digest) == formula.identity("bot", digest)


@given(st.from_regex(r"[a-z]([a-z0-9-]{0,29}[a-z0-9])?", fullmatch=True), st.binary(min_size=32, max_size=32))
def test_an_id_fits_the_service(name: str, digest: bytes) -> None:
    """A name of 31 characters still makes an id that the service takes, and that is known as its own."""
    id = model_id(name, digest.hex())
    assert re.fullmatch(r"[a-z]([a-z0-9-]{0,38}[a-z0-9])?", id)
    assert is_generation_of(name, id)


def test_generations_are_different_models() -> None:
    """Sixteen generations have sixteen ids."""
    ids = {model_id("bot", digest_of(desired(), generation=number)) for number in range(GENERATIONS)}
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
    """A model that is renamed or reset keeps its id."""
    assert digest_of(desired({**ATTRIBUTES, path: value})) == digest_of(desired())


def test_a_float_is_its_float32_bits_however_it_is_written() -> None:
    """0.001, 1e-3 and the double that the service prints are one number; the next float32 is another."""
    assert {float32_hex(number) for number in (0.001, 1e-3, 0.0010000000474974513)} == {"3a83126f"}
    assert float32_hex(0.0010000001639127731) == "3a831270"
    assert float32(0.7) == 0.699999988079071
    assert float32(float32(0.1)) == float32(0.1)


def test_an_integer_for_a_float_field_is_a_float() -> None:
    """`learning_rate: 1` and `learning_rate: 1.0` train the same model."""
    rate = f"{HYPERPARAMETERS}.learning_rate"
    assert hyperparameters({rate: 1}, TUNED_MODEL.fields) == hyperparameters({rate: 1.0}, TUNED_MODEL.fields)
    assert hyperparameters({rate: 1}, TUNED_MODEL.fields) == {"learningRate": "3f800000"}


def test_several_data_sets_are_known_by_their_fields() -> None:
    """A kind with validation data has another identity when only that changes."""
    one = desired()
    both = Desired(one.address, one.attributes, (*one.data, DataSet(DATA, 1, 1, field="validation_data")))
    assert digest_of(both) != digest_of(one)


def test_the_order_of_examples_counts_and_nothing_is_trimmed() -> None:
    """Training sees order and spaces, so the digest does."""
    a, b = Example("1", "2"), Example("3", "4")
    digests = [
        examples_digest(several)
        for several in ([a, b], [b, a], [a], [Example("1 ", "2")], [Example("2", "1")])
    ]
    assert len(set(digests)) == len(digests)


@given(st.dictionaries(texts, st.integers() | texts | st.none(), max_size=4))
def test_canonical_form_ignores_the_order_of_keys(value: dict[str, object]) -> None:
    """Two dictionaries that are equal have one form, without a space outside of strings."""
    turned = dict(reversed(list(value.items())))
    assert canonical(turned) == canonical(value) == formula.compact(value).encode()


def test_canonical_form_survives_half_a_surrogate() -> None:
    """A service's JSON may hold one; a plan must not fail on it."""
    assert canonical("\ud800") == b'"\xed\xa0\x80"'


@pytest.mark.parametrize(
    ("name", "id", "is_one"),
    [
        ("bot", "bot-k3j5h2l7", True),
        ("bot", "bot-k3j5h2l1", False),  # 1, 0, 8 and 9 are not in base32
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
    """NAME-DIGEST8 of exactly this name, in lower-case base32."""
    assert is_generation_of(name, id) is is_one
