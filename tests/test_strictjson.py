"""The one door to JSON of others: what is refused, and that it never takes long nor ends otherwise."""

from __future__ import annotations

import ast
import contextlib
import json
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TypedDict

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import reconciler
from reconciler import bounds
from reconciler.errors import NotJSONError
from reconciler.strictjson import dumps, loads, loads_answer
from tests.limits import NET, examples, repeats

CALM = settings(deadline=None, max_examples=examples(200))

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(codec="utf-8")),
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner)
)


@CALM
@given(values)
def test_json_within_the_bounds_is_read_by_both_doors(value: object) -> None:
    """Any JSON within the bounds comes back unchanged."""
    data = json.dumps(value).encode()
    assert loads(data, most=bounds.STATE) == value
    assert loads_answer(data) == value


@CALM
@given(st.binary() | st.text('[]{}",:0123456789eE+-. \\udUNaInfty').map(str.encode))
def test_any_bytes_are_a_value_or_our_error(data: bytes) -> None:
    """Nothing else is raised for any bytes."""
    for most in (bounds.STATE, None):
        with contextlib.suppress(NotJSONError):
            loads_answer(data) if most is None else loads(data, most=most)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "empty"),
        (b" \n", "white space"),
        (b"[1", "cut off"),
        (b"\xff", "not UTF-8"),
        (b"[" * 100_000, "too deep"),
        (b"[" * 101 + b"]" * 101, "too deep"),
        (b'{"a":' * 101 + b"1" + b"}" * 101, "too deep"),
        (b'{"a":1,"a":2}', 'duplicate key "a"'),
        (b"NaN", "NaN is not a number"),
        (b"[-Infinity]", "not a number"),
        (b"1e999", "too large"),
        (b"9" * 5000, "too large"),
        (str(2**63).encode(), "too large"),
        (rb'"\ud800"', "half a character"),
    ],
)
def test_what_is_not_json_as_we_write_it_is_refused(data: bytes, problem: str) -> None:
    """Each refusal has its reason, even where Python's parser would accept the text or fail otherwise."""
    with pytest.raises(NotJSONError, match=problem):
        loads(data, most=bounds.STATE)


@CALM
@given(
    st.from_regex(r"-?(0|[1-9][0-9]{0,25})([.][0-9]{1,3})?([eE][+-]?[0-9]{1,4})?", fullmatch=True),
    st.sampled_from(
        ["{}", " {}", "[{}]", "[1,{}]", "[\n{}\n]", '{{"a":{}}}', '{{"a": {}, "b": "1e999"}}', "\ufeff{}"]
    ),
)
@example("1e999", "\ufeff{}")
@example("-0.5E+0400", '{{"a":{}}}')
@example("9223372036854775808", "[1,{}]")
def test_a_number_that_is_too_large_is_found_wherever_it_stands(number: str, around: str) -> None:
    """A number is refused exactly if it is an integer beyond int64, or beyond a double."""
    is_whole = number.lstrip("-").isdigit()
    is_fine = int(number) in bounds.INT64 if is_whole else math.isfinite(float(number))
    try:
        loads(around.format(number).encode(), most=bounds.STATE)
    except NotJSONError:
        assert not is_fine
    else:
        assert is_fine


def test_a_hundred_levels_are_read_and_brackets_in_texts_are_no_levels() -> None:
    """One level more is refused."""
    deep = b"[" * bounds.DEPTH + b"]" * bounds.DEPTH
    assert loads(deep, most=bounds.STATE)
    text = "[" * 5000
    assert loads(json.dumps([text]).encode(), most=bounds.STATE) == [text]


def test_more_bytes_than_the_bound_are_refused() -> None:
    """The size is checked before anything is parsed."""
    with pytest.raises(NotJSONError, match="larger than 1 MB"):
        loads(b" " * (bounds.MB + 1), most=bounds.MB)


def test_one_odd_number_in_an_answer_concerns_its_field_alone() -> None:
    """The rest of the answer is read. The reader of the field decides about the number."""
    found = loads_answer(
        b'{"a": NaN, "b": 1e999, "c": ' + b"9" * 5000 + b', "d": 9223372036854775807, "e": 5}'
    )
    assert math.isnan(found["a"])
    assert (found["b"], found["c"]) == (math.inf, math.inf)
    assert (found["d"], found["e"]) == (2**63 - 1, 5)


class Part(TypedDict, total=False):
    """What somebody reads of an answer."""

    name: str
    state: str


@pytest.mark.parametrize("data", [b'{"name": "a", "skipped": "\xff"}', b'{"name": "a", "st\xe4te": "OK"}'])
def test_a_part_that_nobody_reads_is_utf8_too(data: bytes) -> None:
    """Otherwise a damaged key would be a part that the service does not show."""
    part = msgspec.json.Decoder(Part)
    with pytest.raises(NotJSONError, match=r"byte \d+ is not UTF-8"):
        loads_answer(data, decode=part.decode)
    assert loads_answer('{"name": "a", "skipped": "ä"}'.encode(), decode=part.decode) == {"name": "a"}


def test_half_a_character_in_an_answer_is_no_character() -> None:
    """It could not be written anywhere, so it is replaced at once. Whole pairs stay."""
    assert loads_answer(rb'{"\ud800": "a\ud83d\ude00\udc00"}') == {"�": "a😀�"}


@pytest.mark.parametrize(
    "data",
    [
        b"[" * 5_000_000,
        b"9" * 5_000_000,
        *repeats(
            b"[" + b"[]," * 1_000_000 + b"[]]",
            b'"' + b"[" * 5_000_000 + b'"',
            (b"[" * 99 + b"]" * 99 + b",") * 20_000,
        ),
    ],
)
def test_nonsense_of_megabytes_is_over_soon(data: bytes) -> None:
    """Deep nesting and long numbers take no longer than reading does."""
    began = time.process_time()
    for most in (bounds.STATE, None):
        with contextlib.suppress(NotJSONError):
            loads_answer(data) if most is None else loads(data, most=most)
    assert time.process_time() - began < NET


def test_what_is_written_for_others_is_json_for_all_of_them() -> None:
    """It is ASCII without half characters. NaN is refused, because somebody should have dealt with it."""
    assert dumps({"a": ["é", "b\udcff", ("😀",)]}) == '{"a":["\\u00e9","b\\ufffd",["\\ud83d\\ude00"]]}'
    assert json.loads(dumps({"\ud800": 1}, indent=2)) == {"\ufffd": 1}
    with pytest.raises(ValueError, match="not JSON compliant"):
        dumps({"a": float("nan")})


_KEYS = st.sampled_from(['"a"', '"b"', '"c\\":"', '""'])
_SPACES = st.sampled_from(["", "", " ", "\n\t"])
_LARGE = ("9223372036854775808", "-9223372036854775809")
_ITEMS = st.sampled_from(['"a\\":1"', '"\\u003a"', '"\\"a\\""', "9223372036854775807", "1e9", *_LARGE])


@st.composite
def _objects(draw: st.DrawFn, depth: int = 2) -> str:
    """Draw the text of an object whose keys may be there twice, with white space anywhere."""
    inner = _ITEMS | _objects(depth - 1) if depth else _ITEMS
    entries = draw(st.lists(st.tuples(_KEYS, _SPACES, _SPACES, inner, _SPACES), max_size=4))
    return (
        "{" + ",".join(f"{key}{left}:{right}{item}{after}" for key, left, right, item, after in entries) + "}"
    )


@CALM
@given(_objects())
@example('{"a":"\\u003A","b":1,"b":2}')
def test_a_key_that_is_there_twice_is_found_however_it_is_written(text: str) -> None:
    """It is refused, and so is an integer beyond int64. Anything else is what the standard json reads."""
    seen: list[bool] = []

    def look(pairs: list[tuple[str, object]]) -> dict[str, object]:
        seen.append(len(dict(pairs)) < len(pairs))
        return dict(pairs)

    expected = json.loads(text, object_pairs_hook=look)
    if any(seen) or any(number in text for number in _LARGE):
        with pytest.raises(NotJSONError):
            loads(text.encode(), most=bounds.STATE)
    else:
        assert loads(text.encode(), most=bounds.STATE) == expected


PACKAGE = Path(reconciler.__file__).parent
SOURCES = sorted(str(path.relative_to(PACKAGE)) for path in PACKAGE.rglob("*.py"))
OWN_WRITING = {
    "codec/__init__.py",
    "datasets/survey.py",
    "providers/google/errors.py",
    "providers/vertex/codec.py",
    "state/backends/bucket.py",
    "strictjson.py",
}
"""Modules that read JSON of their own, or a piece of a request that we sent."""


def _json_calls(path: Path) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            yield ast.unparse(node.func), node


@pytest.mark.parametrize("name", SOURCES)
def test_json_has_one_door_in_and_no_nan_out(name: str) -> None:
    """Every encoder refuses NaN. Outside the emulator, every reader of foreign JSON uses the door."""
    if name.startswith("emulator/"):
        return
    for function, call in _json_calls(PACKAGE / name):
        if function in {"json.dumps", "json.dump", "json.JSONEncoder"}:
            assert any(
                word.arg == "allow_nan" and ast.unparse(word.value) == "False" for word in call.keywords
            ), f"{name}:{call.lineno}"
        if function in {"json.loads", "json.load"} or (function.endswith(".json") and not call.args):
            assert name in OWN_WRITING, f"{name}:{call.lineno}"
