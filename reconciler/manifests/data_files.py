"""Reads a data file's entry in a manifest: its path, the names of its columns, and its delimiter."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, ValidationError, model_validator

from reconciler.datasets.columns import INSTRUCTION
from reconciler.datasets.formats import FORMATS, find_extension
from reconciler.datasets.lookalikes import COLUMN_HINTS
from reconciler.datasets.pairs import COLUMNS
from reconciler.manifests.documents import Node
from reconciler.manifests.schema_types import Declared, Text, make_refusal, show_pattern, validate_by
from reconciler.model.data import PLAIN, Layout


def _refuse_delimiter(value: str) -> tuple[str, str] | None:
    if value == "\\t":
        return "is a backslash and a t", 'Write it in double quotes, where \\t is a tab: "\\t".'
    if len(value) != 1:
        return "is not one character", 'Write one, in quotes: ";".'
    if value.isalnum() or (not value.isprintable() and value != "\t") or value == '"':
        return "cannot separate cells", 'Write one like ";", "|" or "\\t".'
    return None


Delimiter = Annotated[str, validate_by(_refuse_delimiter), show_pattern('[^A-Za-z0-9"\r\n]')]


class PairColumns(Declared):
    """The names of our columns in a data file. Columns that are not named here are ignored."""

    HINTS: ClassVar = {
        **COLUMN_HINTS,
        INSTRUCTION: "A TunedModel has no instruction: declare kind: TuningJob, or write it into the input.",
    }

    text_input: Text | None = None
    output: Text | None = None

    @model_validator(mode="after")
    def _refuse_twice(self) -> PairColumns:
        names = [*self.name_columns().values()]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise make_refusal(f"names the column {twice!r} twice", "Name another column for one of them.")
        return self

    def name_columns(self) -> dict[str, str]:
        """Map our name of each column to the file's name; {} if no column is named."""
        named = {ours: getattr(self, ours) for ours in type(self).model_fields}
        if not any(named.values()):
            return {}
        return {ours: name or ours for ours, name in named.items() if name or ours in COLUMNS}


class ChatColumns(PairColumns):
    """The names of our columns in a data file that is converted to chat JSONL."""

    HINTS: ClassVar = {**COLUMN_HINTS, "system": f"Write {INSTRUCTION}."}

    system_instruction: Text | None = None


class Columnar(Declared):
    """The keys that may stand beside the path of a data file."""

    columns: PairColumns | None = None
    delimiter: Delimiter | None = None


class DataFile(Columnar):
    """A file that is read, converted and uploaded."""

    HINTS: ClassVar = {
        "path": "Write file.",
        "uri": "Write the gs:// address in place of the whole mapping.",
        **dict.fromkeys((*COLUMNS, INSTRUCTION), "It belongs in columns."),
    }

    file: Text
    columns: ChatColumns | None = None


class ChatFile(Declared):
    """A file of chat JSONL that is read and uploaded."""

    HINTS: ClassVar = dict.fromkeys(
        ("columns", "delimiter"), "Preference tuning takes chat JSONL: columns have no room for two answers."
    )

    file: Text


class _OrText:
    """Tells the JSON Schema that a text of this many characters may replace the mapping."""

    def __init__(self, least: int) -> None:
        self._text = {"type": "string", "minLength": least}

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> dict[str, Any]:
        mapping = handler(schema)
        return {"anyOf": [self._text, *mapping.get("anyOf", [mapping])]}


def _read_text(value: object) -> object:
    if isinstance(value, str):
        if not value.strip():
            raise make_refusal("is empty", "Give it a text, or remove the key.")
        return {"file": value}
    if not isinstance(value, dict):
        raise make_refusal(
            "is neither a text nor a mapping",
            "Write gs://BUCKET/NAME.jsonl, a path, or {file: PATH, columns: …}.",
        )
    return value


def _read_optional(value: object) -> object:
    return None if value in ("", None) else _read_text(value)


DataAddress = Annotated[DataFile, BeforeValidator(_read_text), _OrText(1)]
"""The address of a data set as a text, or a file with what is to be read of it."""
OptionalDataAddress = Annotated[DataFile | None, BeforeValidator(_read_optional), _OrText(0)]
"""The same, or "", which to the service is the same as none."""
ChatAddress = Annotated[ChatFile, BeforeValidator(_read_text), _OrText(1)]
"""The address of data that is chat JSONL already."""
OptionalChatAddress = Annotated[ChatFile | None, BeforeValidator(_read_optional), _OrText(0)]
"""The same, or ""."""


def read_layout(node: Node, model: type[Declared]) -> Layout | None:
    """Read what a mapping says about the columns of its file. None after noting what is wrong.

    Args:
        node: the mapping, or the text in place of it.
        model: the mapping's schema. What it refuses is noted with the whole document.
    """
    if isinstance(node.value, str):
        return PLAIN
    try:
        declared = model.model_validate(node.value)
    except ValidationError:
        return None
    if not isinstance(declared, Columnar):
        return PLAIN
    delimiter, extension = node.at("delimiter"), find_extension(node.at("file").text)
    if delimiter.value is not None and extension in FORMATS and extension != ".csv":
        delimiter.error(f"a {extension} file has no delimiter", "Remove it.", of_key=True)
        return None
    names = declared.columns.name_columns() if declared.columns else {}
    return Layout(**names, delimiter=declared.delimiter or PLAIN.delimiter)
