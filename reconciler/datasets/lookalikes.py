"""Recognises files and rows that other tools write, and says how to turn them into training data.

Rule: nothing is converted here, because the model would be trained on a guess.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence

from reconciler.problems import UTF8_ADVICE, Refusal

_UNPACK = "Unpack it, and name the file that was in it."
_AS_TEXT = "Export it as JSONL or CSV (UTF-8)."
_OF_A_ZIP = "Export a spreadsheet as CSV (UTF-8). Unpack an archive, and name the file that was in it."
_PACKED = {"gzip": b"\x1f\x8b", "bzip2": b"BZh", "xz": b"\xfd7zXZ\0", "zstd": b"\x28\xb5\x2f\xfd"}
_SIGNATURES: Sequence[tuple[bytes, Refusal]] = (
    *((start, Refusal(f"the file is compressed ({name})", _UNPACK)) for name, start in _PACKED.items()),
    (b"PK\x03\x04", Refusal("the file is a ZIP archive or a spreadsheet (.xlsx)", _OF_A_ZIP)),
    (b"PAR1", Refusal("the file is Parquet, not text", _AS_TEXT)),
    (b"ARROW1", Refusal("the file is Arrow, not text", _AS_TEXT)),
    (b"SQLite format 3\0", Refusal("the file is an SQLite database, not text", _AS_TEXT)),
    (b"\xd0\xcf\x11\xe0", Refusal("the file is an old spreadsheet (.xls), not text", _AS_TEXT)),
    (
        b"version https://git-lfs",
        Refusal(
            "the file is a Git LFS pointer: the data itself has not been fetched",
            "Run git lfs pull; in GitHub Actions set lfs: true for actions/checkout.",
        ),
    ),
    (
        b"/annex/objects/",
        Refusal("the file is a git-annex pointer: the data is elsewhere", "Run git annex get."),
    ),
)
LONGEST_SIGNATURE = 64
"""The number of first bytes that `name_bytes` needs."""
_MARKUP = rb"(?i)\s*<(?:!doctype|html|\?xml)"


def name_bytes(start: bytes) -> Refusal | None:
    """Recognise a file by its first bytes; None if it may be text to train on."""
    for signature, named in _SIGNATURES:
        if start.startswith(signature):
            return named
    if _is_wide(start):
        return Refusal("the file is UTF-16 or UTF-32", UTF8_ADVICE)
    if re.match(_MARKUP, start):
        return Refusal(
            "the file is a web page or XML, not data",
            "It may be a login page that was saved in place of the data: download the data again.",
        )
    return None


def _is_wide(start: bytes) -> bool:
    """Return whether the file begins like UTF-16 or UTF-32 without a byte order mark."""
    return len(start) >= 4 and b"\0\0" in (start[0:4:2], start[1:4:2]) and start[:4] != bytes(4)


_EXTENSIONS: Mapping[str, str] = {
    **dict.fromkeys((".gz", ".bz2", ".xz", ".zst", ".zip", ".tgz", ".tar"), _UNPACK),
    **dict.fromkeys((".xlsx", ".xls", ".ods", ".parquet", ".arrow", ".feather", ".pkl"), _AS_TEXT),
    **dict.fromkeys((".tsv", ".tab"), 'Rename it to .csv, and declare {file: …, delimiter: "\\t"}.'),
    **dict.fromkeys((".ndjson", ".jsonlines", ".ldjson"), "It is JSONL: rename it to .jsonl."),
    **dict.fromkeys((".yaml", ".yml"), "Convert it: write one JSON object per line in a .jsonl file."),
}


def advise_extension(extension: str) -> str:
    """Say what to do about a file whose extension is not a format of data sets."""
    advice = _EXTENSIONS.get(extension, "")
    return f"{advice} Data files end in .jsonl, .json or .csv.".strip()


_INPUTS = ("input", "input_text", "prompt", "question", "instruction", "query", "text", "user", "source")
_OUTPUTS = (
    *("output_text", "completion", "answer", "response", "reply", "target", "label", "assistant"),
    *("expected", "expected_output", "result"),
)
_COLUMNS: Mapping[str, str] = {
    **dict.fromkeys((*_INPUTS, "text_input", "textinput"), "text_input"),
    **dict.fromkeys((*_OUTPUTS, "output"), "output"),
}
KEY_HINTS: Mapping[str, str] = {
    **{name: f"Write {column}." for name, column in _COLUMNS.items() if name != column},
    "messages": "Put the lines into a .jsonl file and name it as file, or write text_input and output.",
    "contents": "Write text_input and output, or declare kind: TuningJob with a file.",
}
"""Keys that other tools use, in snake_case, and what to write in an inline example instead."""
COLUMN_HINTS: Mapping[str, str] = {
    name: f"Our name comes first: {column}: {name}." for name, column in _COLUMNS.items() if name != column
}
"""Advice for a key of `columns` that is a file's own name for a column."""
_INDEX = r"(?a)(?:Unnamed: ?\d*|__index_level_\d+__|index)?"


def find_column(name: str) -> str:
    """Find our column for a name that other tools use; "" if the name is not known."""
    return _COLUMNS.get(re.sub(r"[\s_-]+", "_", name.strip()).lower(), "")


def is_index(name: str) -> bool:
    """Return whether a column is the index of a data frame, by its name."""
    return re.fullmatch(_INDEX, name.strip()) is not None


INDEX_ADVICE = "It looks like the index of a data frame: save it without (pandas: index=False)."

_CHAT_ADVICE = (
    'Write {"systemInstruction": {"parts": [{"text": "…"}]}, "contents": [{"role": "user", "parts": '
    '[{"text": "…"}]}, {"role": "model", …}]}: '
)
SINGLE_TURNS = (
    "Write text_input and output: one question and its answer. Put a system text in front of the question. "
    "For whole conversations declare kind: TuningJob."
)


def name_row(keys: Collection[object], *, chat: bool) -> Refusal | None:
    """Recognise another tool's form of an example by its keys; None if no form is known.

    Args:
        keys: of the object.
        chat: whether `contents`, Vertex AI's form, may be written too.
    """
    if "conversations" in keys:
        takes = (
            "a TuningJob takes contents or messages" if chat else "a TunedModel takes text_input and output"
        )
        advice = f"{_CHAT_ADVICE}human becomes the role user, gpt becomes the role model."
        return Refusal(f"'conversations' is ShareGPT's form, and {takes}", advice if chat else SINGLE_TURNS)
    if {"preferred_output", "non_preferred_output"} <= {*keys}:
        return Refusal(
            "'preferred_output' is OpenAI's form of preference tuning",
            "Declare a preference_optimization_spec; write contents and two completions, scores 1 and 0.",
        )
    if {"chosen", "rejected"} <= {*keys}:
        return Refusal(
            "'chosen' and 'rejected' are pairs of preference tuning",
            "Declare a preference_optimization_spec; write contents and two completions, scores 1 and 0.",
        )
    if "instruction" in keys:
        advice = "Write instruction and input as one text_input, beside output."
        return Refusal("'instruction' is Alpaca's form", advice)
    if "request" in keys and "contents" not in keys:
        advice = "Write the content of the request, and the model's answer."
        return Refusal("'request' is the form of batch prediction", advice)
    if "examples" in keys:
        advice = "Write one example per line, or name the file .json."
        return Refusal("'examples' holds a list on one line", advice)
    if _VERTEX.isdisjoint(keys) or (chat and "contents" in keys):
        return None
    if chat:
        advice = 'Write contents: [{"role": "user", "parts": [{"text": "…"}]}, …].'
        return Refusal("contents is missing", advice)
    summary = "'contents' is Vertex AI's chat form, and a TunedModel takes text_input and output"
    return Refusal(summary, SINGLE_TURNS)


_VERTEX = frozenset({"contents", "systemInstruction", "system_instruction"})


def name_chat(keys: Collection[object]) -> str:
    """Name the chat form that an object is written in; "" if it is none that we read."""
    return "OpenAI's chat form" if "messages" in keys else "Gemini's chat form" if "contents" in keys else ""


def suggest_columns(names: Collection[str]) -> str:
    """Write `columns` for a manifest, if each of our columns has one name among these; else ""."""
    found: dict[str, list[str]] = {"text_input": [], "output": []}
    for name in names:
        if column := find_column(name):
            found[column].append(name)
    # our own name wins over another one that may mean the same
    chosen = {
        column: column if column in candidates else candidates[0]
        for column, candidates in found.items()
        if column in candidates or len(candidates) == 1
    }
    if len(chosen) < len(found):
        return ""
    written = ", ".join(f"{column}: {_write_yaml(name)}" for column, name in chosen.items())
    return f"columns: {{{written}}}"


def _write_yaml(name: str) -> str:
    """Write a name as a YAML text: in quotes, unless it is a plain word in any version of YAML."""
    is_plain = re.fullmatch("[A-Za-z_]{4,}", name) and name.lower() not in {"true", "false", "null"}
    return name if is_plain else json.dumps(name, ensure_ascii=False, allow_nan=False)


_DELIMITERS = {";": "semicolons", "\t": "tabs", "|": "bars", ",": "commas"}


def name_header(header: Sequence[str], delimiter: str) -> Refusal | None:
    """Recognise a CSV header with another delimiter than the declared one; None if it seems to be right."""
    if header and header[0].strip().lower().startswith("sep="):
        sign = header[0].strip()[4:] or delimiter
        advice = "" if sign == delimiter else f" {_advise_delimiter(sign, ())}"
        return Refusal("the first line tells a spreadsheet its delimiter", f"Remove that line.{advice}")
    if len(header) != 1:
        return None
    found = next((sign for sign in _DELIMITERS if sign in header[0] and sign != delimiter), None)
    if found is None:
        return None
    expected = _DELIMITERS.get(delimiter, repr(delimiter))
    return Refusal(
        f"the columns are not separated by {expected} but by {_DELIMITERS[found]}",
        _advise_delimiter(found, header[0].split(found)),
    )


def _advise_delimiter(sign: str, names: Sequence[str]) -> str:
    """Say what to declare for a file whose cells, with these names, are separated by this sign."""
    if sign == ",":
        return "Remove delimiter from the manifest: a comma is the default."
    columns = "" if sorted(names) == ["output", "text_input"] else suggest_columns(names)
    return f"Declare in the manifest: {declare_file(columns, sign)}."


def declare_file(columns: str, delimiter: str = ",") -> str:
    """Write the mapping that names a file in a manifest. `columns`: see `suggest_columns`."""
    sign = (
        "" if delimiter == "," else f"delimiter: {json.dumps(delimiter, ensure_ascii=False, allow_nan=False)}"
    )
    return f"{{{', '.join(filter(None, ('file: …', columns, sign)))}}}"


def advise_turn(turn: object) -> str:
    """Say what to write in a turn that has no parts."""
    if isinstance(turn, str):
        return 'Write {"parts": [{"text": "…"}]} instead of the bare text.'
    if isinstance(turn, dict) and "content" in turn:
        return 'Write parts: [{"text": "…"}] instead of content.'
    if isinstance(turn, dict) and isinstance(turn.get("parts"), str | dict):
        return 'parts is a list: write [{"text": "…"}].'
    return 'Write {"role": "…", "parts": [{"text": "…"}]}.'


_ROLES = {
    **dict.fromkeys(("assistant", "bot", "ai", "gpt", "MODEL", "Model", "ASSISTANT"), 'Write "model".'),
    **dict.fromkeys(("human", "USER", "User", "HUMAN"), 'Write "user".'),
    **dict.fromkeys(("system", "SYSTEM", "developer"), "Move its text into systemInstruction."),
}
ROLES_ADVICE = 'Write "user" or "model", or leave it out for a function\'s answer.'


def advise_role(role: str) -> str:
    """Say what to write instead of a role that Gemini does not know."""
    return _ROLES.get(role, ROLES_ADVICE)
