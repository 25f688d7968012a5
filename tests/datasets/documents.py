"""Data files to measure: those of tests/ and manifests/, and documents made of good and of odd lines.

`python -m tests.datasets.documents` rewrites tests/golden/datasets/measured.txt. Each line has a file, a
form, its digest, its counts, and a hash of its survey and of every message with its place.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterator
from pathlib import Path

from reconciler.datasets.chat import PREFERENCE, SUPERVISED
from reconciler.datasets.measure import FORMS, measure, survey
from reconciler.datasets.rows import Measured
from reconciler.datasets.text import Stream, open_parts
from reconciler.errors import Diagnostic, ManifestError
from reconciler.model.data import PLAIN, Layout
from reconciler.problems import Problems

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests/golden/datasets/measured.txt"
FOLDERS = ("tests/cases", "manifests")
DOCUMENTS = 40
NAMED = Layout("text_input", "output")
"""Columns that have our own names. If they are declared, other columns are ignored."""

TEXTS = [
    "a",
    "é",
    "六",
    "😀",
    '"',
    "\\",
    "\\\\",
    '\\"',
    "\n",
    "\r\n",
    "\t",
    "\x7f",
    "\u2028",
    "\x00",
    "yes",
    "no",
    "/",
]


def write_pair(asked: object, answer: object, *, key: str = "text_input", is_ascii: bool = False) -> bytes:
    """Write a pair as a line without its end."""
    return json.dumps({key: asked, "output": answer}, ensure_ascii=is_ascii).encode(errors="surrogatepass")


def write_chat(*texts: object, system: str = "", key: str = "systemInstruction", roles: str = "um") -> bytes:
    """Write turns as a line of Gemini's chat form."""
    names = {"u": "user", "m": "model", "f": "function", "x": "assistant"}
    turns = [
        {"role": names[roles[at % len(roles)]], "parts": [{"text": text}]} for at, text in enumerate(texts)
    ]
    chat = {"contents": turns, **({key: {"parts": [{"text": system}]}} if system else {})}
    return json.dumps(chat, ensure_ascii=False).encode(errors="surrogatepass")


def write_messages(*texts: object, system: str = "", roles: str = "ua") -> bytes:
    """Write messages as a line of OpenAI's chat form."""
    names = {"u": "user", "a": "assistant", "s": "system", "d": "developer", "t": "tool"}
    first = [{"role": "system", "content": system}] if system else []
    said = [{"role": names[roles[at % len(roles)]], "content": text} for at, text in enumerate(texts)]
    return json.dumps({"messages": [*first, *said]}, ensure_ascii=False).encode(errors="surrogatepass")


_ANSWER = '{"role": "model", "parts": [{"text": "b"}]}'
_TURNS = (
    '"contents": [{"role": "user", "parts": [{"text": "a"}]}, {"role": "model", "parts": [{"text": "b"}]}]'
)

_RULES = '"systemInstruction": {"parts": [{"text": "s"}]}'


def _follow(turn: str, answer: str = _ANSWER) -> bytes:
    return f'{{"contents": [{turn}, {answer}]}}'.encode()


def _say(first: str, second: str, rest: str = "") -> bytes:
    return f'{{"messages": [{{"role": "user", {first}}}, {{"role": "assistant", {second}}}]{rest}}}'.encode()


GOOD = (
    *(write_pair(text, "b") for text in TEXTS),
    *(write_pair("a", text, key="textInput", is_ascii=True) for text in TEXTS),
    *(write_chat(text, "b", system="s") for text in TEXTS[:12]),
    *(write_chat("a", text) for text in TEXTS),
    *(write_messages(text, "b", system="s") for text in TEXTS[:12]),
    *(write_messages("a", text) for text in TEXTS),
    write_chat("a", "b", "c", "d"),
    write_chat("a", "b", system="s", key="system_instruction"),
    write_chat("", "b"),
    write_messages("a", "b", "c", "d"),
    write_messages("a", "b", roles="da"),
    write_messages("a", "x", "b", roles="uaa"),
    b'{"output" : "b" ,\t"text_input":"a"}  ',
    rb'{"text_\u0069nput": "a", "output": "\ud83d\ude00\/"}',
    _follow('{"parts": [{"text": "a"}]}'),
    _follow(
        '{"parts": [{"text": "a"}], "role": "user", "more": 1}', '{"role": "model", "parts": [{"text": ""}]}'
    ),
    _follow('{"role": "user", "parts": [{"text": "a"}, {"text": "c"}]}'),
    _follow('{"role": "user", "parts": [{"fileData": {"fileUri": "gs://b/o"}}]}'),
    f'{{{_TURNS}, "generationConfig": {{"temperature": 1e22, "topK": 1e0, "seed": {"9" * 30}}}}}'.encode(),
    f'{{{_TURNS}, "labels": {{"b": "1", "a": "2"}}}}'.encode(),
    f'{{{_TURNS}, "systemInstruction": {{"role": "system", "parts": [{{"text": "s"}}]}}}}'.encode(),
    _say('"content": [{"type": "text", "text": "a"}]', '"content": "b", "weight": 1'),
    _say('"content": "a"', '"content": "b", "refusal": null', ', "tools": []'),
    f'{{{_TURNS[:-47]}], "completions": [{{"score": 1, "completion": {{"parts": [{{"text": "b"}}]}}}}, '
    '{"score": 0.50, "completion": {"role": "model", "parts": [{"text": "c"}]}}]}'.encode(),
)
"""Lines that one of the forms accepts."""

ODD = (
    *(
        b"",
        b"   ",
        b"\r",
        "\u00a0".encode(),
        "\x85".encode(),
        b"\x1c",
        b"null",
        b"[]",
        b"{}",
        b'"a"',
        b"1",
        b"NaN",
    ),
    b'{"text_input": "a", "output": "b", "text_input": "a"}',
    b'{"output": "b", "text_input": "a", "textInput": "a"}',
    b'{"text_input": "a\\\\", "output": "b", "text_input": "a\\\\", "output": "c"}',
    b'{"text_input": "a", "output": NaN}',
    b'{"text_input": "a", "output": Infinity}',
    b'{"text_input": "a", "output": 1e999}',
    b'{"text_input": "a", "output": ' + b"9" * 5000 + b"}",
    b'{"text_input": "a", "output": 123456789012345678901234567890}',
    b'{"text_input": "a", "output": null}',
    b'{"text_input": "a", "output": ["b"]}',
    b'{"text_input": "a", "output": ""}',
    b'{"text_input": "", "output": "b"}',
    b'{"text_input": "a", "output": "b", "more": {"a": 1, "a": 2}}',
    b'{"text_input": "a", "output": "b", "id": 7}',
    b'{"text_input": "a", "output": "b",}',
    b'{"text_input": "a", "output": "b"},',
    b'{"text_input": "a", "output": "b"}{"text_input": "a", "output": "b"}',
    b'{"text_input": "a", "output": "b"} {"text_input": "a", "output": "b"}',
    b'{"text_input": "a",',
    b'"output": "b"}',
    b'{"text_input": "a"',
    b"{",
    b"}",
    b"[",
    b'{"text_input": "a", "output": "b"',
    b"{'text_input': 'a', 'output': 'b'}",
    b'{"text_input": "\t", "output": "b"}',
    b'{"text_input": "\\x", "output": "b"}',
    b'{"text_input": "\\ud800", "output": "b"}',
    b'{"text_input": "\\udc00\\ud800", "output": "b"}',
    b'{"text_input": "\\ud83d\\u0041", "output": "b"}',
    b'\xef\xbb\xbf{"text_input": "a", "output": "b"}',
    b'{"text_input": "a", "output": "b"}\x00',
    b'{"text_input": "\x00", "output": "b"}',
    b'{"text_input": "\xff", "output": "b"}',
    b'{"text_input": "\xc3\xa9\xc3", "output": "b"}',
    b'{"text_input": "\xed\xa0\x80", "output": "b"}',
    b'{"text_input": "a", "output": "b"}\x0c',
    b'{"text_input": "a", "output": "b"}\r \r',
    b'{"text_input": ' + b"[" * 2000 + b"]" * 2000 + b', "output": "b"}',
    write_pair("a" * 40_001, "b"),
    write_pair("a", "b" * 5_001),
    write_chat("a", "b", roles="xm"),
    write_chat("a", "b", roles="mu"),
    write_chat("a", None),
    write_chat("a"),
    write_chat(),
    write_chat("\ud800", "b", system="s"),
    _follow('{"role": "user", "parts": []}'),
    _follow('{"role": "user", "role": "user", "parts": [{"text": "a"}]}'),
    _follow('{"role": "user", "parts": [{"text": "a", "text": "a"}]}'),
    f'{{{_TURNS}, "systemInstruction": null}}'.encode(),
    f"{{{_TURNS}, {_RULES}, {_RULES.replace('I', '_i')}}}".encode(),
    f'{{{_TURNS}, "contents": []}}'.encode(),
    f'{{{_TURNS}, "sytemInstruction": {{}}}}'.encode(),
    f'{{{_TURNS}, "generationConfig": {{"temperature": 1e999}}}}'.encode(),
    f'{{{_TURNS}, "labels": {"[" * 120}{"]" * 120}}}'.encode(),
    f'{{{_TURNS}, "text_input": "a"}}'.encode(),
    write_messages("a", "b", roles="as"),
    write_messages("a", "b", "c", roles="usa"),
    write_messages("a", "b", roles="aa"),
    write_messages("a", "b", roles="ta"),
    write_messages("a", ""),
    write_messages("a", None),
    write_messages("a"),
    write_messages(),
    _say('"content": "a", "content": "a"', '"content": "b"'),
    _say('"content": "a"', '"content": "b", "weight": 0'),
    _say('"content": "a"', '"content": "b"', ', "tools": [{}]'),
    b'{"instruction": "a", "input": "", "output": "b"}',
)
"""Lines that a form refuses, and texts that are not whole lines."""

CELLS = ("a", "é", "", '"a,b"', '"a""b"', '"a\nb"', '"a\r\nb"', "yes", "no", " a ", '"a\rb"')
ODD_ROWS = ("", " ", "a", "a,b,c", '"a"b,c', '"a', "a\0,b", "\ud800,b", f"{'a' * 5001},b", f"b,{'a' * 5001}")


def make_lines(source: random.Random, *, odd: float) -> bytes:
    """Make a JSONL document; `odd` is the share of odd lines."""
    same = source.choice([None, source.choice(GOOD)])
    lines = [
        source.choice(ODD) if source.random() < odd else same or source.choice(GOOD)
        for _ in range(source.choice([0, 1, 3, 30, 300]))
    ]
    end = source.choice([b"\n", b"\n", b"\r\n", b" \n"])
    mark, last = source.choice([b"", b"", b"\xef\xbb\xbf"]), source.choice([b"", end, end + b"\n \n"])
    return mark + end.join(lines) + last


def make_table(source: random.Random, *, odd: float) -> bytes:
    """Make a CSV document; `odd` is the share of odd rows."""
    count = source.choice([0, 1, 3, 30, 300])
    rows = [
        source.choice(ODD_ROWS)
        if source.random() < odd
        else f"{source.choice(CELLS)},{source.choice([*CELLS, 'x'])}"
        for _ in range(count)
    ]
    head = source.choice(["text_input,output"] * 4 + ["output,textInput", "a,b", "text_input;output", ""])
    end, last = source.choice(["\n", "\n", "\r\n", "\r"]), source.choice(["", "\n", "\n\n\n"])
    mark = source.choice([b"", b"", b"\xef\xbb\xbf"])
    return mark + (end.join([head, *rows]) + last).encode(errors="surrogatepass")


def list_documents() -> Iterator[tuple[str, bytes]]:
    """Yield the name and the content of each document."""
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in {".jsonl", ".csv"} or (path.suffix == ".json" and "data" in path.parent.name):
                yield str(path.relative_to(ROOT)), path.read_bytes()
    for number in range(DOCUMENTS):
        odd = (0.0, 0.02, 0.2, 0.6)[number % 4]
        yield f"made-{number}.jsonl", make_lines(random.Random(number), odd=odd)
        yield f"made-{number}.csv", make_table(random.Random(number), odd=odd)
    for number, line in enumerate((*GOOD, *ODD)):
        yield f"line-{number}.jsonl", line + b"\n"


def _list_messages(problems: Problems) -> tuple[Diagnostic, ...]:
    try:
        problems.raise_if_any()
    except ManifestError as error:
        return error.diagnostics
    return problems.warnings


def open_stream(content: bytes) -> Stream:
    """Open bytes as a stream."""
    return open_parts(iter([content]))


def describe(found: Measured, *said: Problems) -> str:
    """Describe all that was measured, except the hashes, which differ in each process."""
    counts = f"{found.digest} {found.examples} {found.characters} {found.size} {found.multimodal}"
    noted = (found.survey, *map(_list_messages, said))
    return f"{counts} {hashlib.sha256(repr(noted).encode(errors='surrogatepass')).hexdigest()[:16]}"


def measure_document(name: str, content: bytes, form: str, layout: Layout = PLAIN) -> str:
    """Survey and measure a document, and describe what was found."""
    surveyed, measured = Problems(), Problems()
    found = survey(open_stream(content), name, FORMS[form], surveyed, layout=layout)
    measure(open_stream(content), name, FORMS[form], measured, layout=layout)
    return describe(found, surveyed, measured)


def measure_all() -> str:
    """Measure each document in each form. Return a line for each."""
    found = []
    for name, content in list_documents():
        ways = [(form or "-", form, PLAIN) for form in ("", SUPERVISED, PREFERENCE)]
        ways += [("columns", SUPERVISED, NAMED)] if name.startswith("made") else []
        found += [
            f"{name} {way} {measure_document(name, content, form, layout)}\n" for way, form, layout in ways
        ]
    return "".join(found)


if __name__ == "__main__":
    GOLDEN.write_text(measure_all())
