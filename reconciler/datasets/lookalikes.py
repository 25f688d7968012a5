"""Recognises files and rows that other tools write, and says how to turn them into training data.

Rule: nothing is converted here, because the model would be trained on a guess.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence

from reconciler.problems import Refusal

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
"""How many first bytes `name_bytes` needs."""
_MARKUP = re.compile(rb"\s*<(?:!doctype|html|\?xml)", re.IGNORECASE)


def name_bytes(start: bytes) -> Refusal | None:
    """Recognise a file by its first bytes; None if it may be text to train on."""
    for signature, named in _SIGNATURES:
        if start.startswith(signature):
            return named
    if _is_wide(start):
        return Refusal("the file is UTF-16 or UTF-32", "Save it as UTF-8.")
    if _MARKUP.match(start):
        return Refusal(
            "the file is a web page or XML, not data",
            "It may be a login page that was saved in place of the data: download the data again.",
        )
    return None


def _is_wide(start: bytes) -> bool:
    """Whether the file begins with two characters of UTF-16 or one of UTF-32, without a byte order mark."""
    return len(start) >= 4 and b"\0\0" in (start[0:4:2], start[1:4:2]) and start[:4] != bytes(4)


_EXTENSIONS: Mapping[str, str] = {
    **dict.fromkeys((".gz", ".bz2", ".xz", ".zst", ".zip", ".tgz", ".tar"), _UNPACK),
    **dict.fromkeys((".xlsx", ".xls", ".ods", ".parquet", ".arrow", ".feather", ".pkl"), _AS_TEXT),
    **dict.fromkeys((".tsv", ".tab"), "Save it with commas as .csv: text_input,output."),
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
    "messages": "Write text_input and output: one question and its answer.",
    "contents": "Write text_input and output, or declare kind: TuningJob with a file.",
}
"""Keys that other tools use, in snake_case, and what to write in an inline example instead."""
_INDEX = re.compile(r"(?:Unnamed: ?\d*|__index_level_\d+__|index)?", re.ASCII)


def find_column(name: str) -> str:
    """Find our column for a name that other tools use; "" if the name is not known."""
    return _COLUMNS.get(re.sub(r"[\s_-]+", "_", name.strip()).lower(), "")


def is_index(name: str) -> bool:
    """Whether a column is the index of a data frame, by its name."""
    return _INDEX.fullmatch(name.strip()) is not None


INDEX_ADVICE = "It looks like the index of a data frame: save it without (pandas: index=False)."

_CHAT_ADVICE = (
    'Write {"systemInstruction": {"parts": [{"text": "…"}]}, "contents": [{"role": "user", "parts": '
    '[{"text": "…"}]}, {"role": "model", …}]}: '
)
_SINGLE_TURNS = (
    "Write text_input and output: one question and its answer, a system text in front of the question. "
    "For whole conversations declare kind: TuningJob."
)


_CHATS = (
    ("messages", "OpenAI's chat form", "system becomes systemInstruction, the role assistant becomes model"),
    ("conversations", "ShareGPT's form", "human becomes the role user, gpt becomes the role model"),
)
"""A key, the tool that uses it, and how to rename what it holds."""


def name_row(keys: Collection[object], *, chat: bool) -> Refusal | None:
    """Recognise another tool's form of an example by its keys; None if no form is known.

    Args:
        keys: of the object.
        chat: whether `contents`, Vertex AI's form, may be written too.
    """
    for key, whose, renaming in _CHATS:
        if key in keys:
            takes = "a TuningJob takes contents" if chat else "a TunedModel takes text_input and output"
            advice = f"{_CHAT_ADVICE}{renaming}." if chat else _SINGLE_TURNS
            return Refusal(f"{key!r} is {whose}, and {takes}", advice)
    if {"chosen", "rejected"} <= {*keys}:
        return Refusal(
            "'chosen' and 'rejected' are pairs of preference tuning",
            "Declare a preference_optimization_spec; write contents and two completions, scores 1 and 0.",
        )
    if "instruction" in keys:
        advice = "Write instruction and input as one text_input, beside output."
        return Refusal("'instruction' is Alpaca's form", advice)
    if "request" in keys and "contents" not in keys:
        advice = "Write what stands in it, and the model's answer."
        return Refusal("'request' is the form of batch prediction", advice)
    if "examples" in keys:
        advice = "Write one example per line, or name the file .json."
        return Refusal("'examples' is a list in one line", advice)
    if _VERTEX.isdisjoint(keys) or (chat and "contents" in keys):
        return None
    if chat:
        advice = 'Write contents: [{"role": "user", "parts": [{"text": "…"}]}, …].'
        return Refusal("contents is missing", advice)
    summary = "'contents' is Vertex AI's chat form, and a TunedModel takes text_input and output"
    return Refusal(summary, _SINGLE_TURNS)


_VERTEX = frozenset({"contents", "systemInstruction", "system_instruction"})

_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}


def name_header(header: Sequence[str]) -> Refusal | None:
    """Recognise a CSV header that is not separated by commas; None if it seems to be."""
    if header and header[0].strip().lower().startswith("sep="):
        advice = "Remove it, and separate by commas."
        return Refusal("the first line tells a spreadsheet its separator", advice)
    found = [name for sign, name in _SEPARATORS.items() if sign in header[0]] if len(header) == 1 else []
    if not found:
        return None
    return Refusal(
        f"the columns are not separated by commas but by {found[0]}",
        "Save it with commas: text_input,output; a text that holds a comma stands in double quotes.",
    )


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
