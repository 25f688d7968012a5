"""Training data as plans and records know it: how much there is and where it lies."""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace


class Example(Struct, frozen=True):
    """One training pair, never trimmed nor normalised.

    Attributes:
        line: what a pair cannot say (turns, an instruction), as one canonical JSON object in the service's
            own form; then the pair is empty. "" for a pair.
    """

    text_input: str
    output: str
    line: str = ""


class Layout(Struct, frozen=True):
    """The columns of a data file, as a manifest declares them.

    Attributes:
        text_input, output, system_instruction: the file's names of these columns. All are "" for a file that
            has our names and nothing else.
        delimiter: the character between the cells of a .csv file.
    """

    text_input: str = ""
    output: str = ""
    system_instruction: str = ""
    delimiter: str = ","

    @property
    def columns(self) -> dict[str, str]:
        """Our name of each column to read and the file's, which may have others then; {} for no names."""
        names = ("text_input", "output", "system_instruction")
        return {ours: name for ours in names if (name := getattr(self, ours))}


PLAIN = Layout()
"""The layout of a file that has only our names, with commas if it is CSV."""


class DataSet(Struct, frozen=True):
    """Training data as a plan knows it: its address and size, not its content.

    Attributes:
        digest: SHA-256 in hex over the canonical examples (design 2.4); of data at a `uri` "" until the
            provider has measured it.
        examples: how many.
        characters: of all inputs and outputs together.
        file: path to read it from again, as loaded; None when inline.
        inline: the examples themselves when they stand in the manifest.
        shown: how the manifest names it ("data/numbers.jsonl" or "inline").
        field: which data set of the model this is, for kinds that have several.
        uri: where else it lies, or its name at the service; then nothing is read or sent, and `examples` and
            `characters` are 0.
        form: what the file is written in, "" for pairs.
        layout: which of the file's columns are read.
        size: bytes of the object at `uri`, once the provider has measured it; else 0.
        multimodal: how many examples have more than texts: images, audio or video.
    """

    digest: str
    examples: int
    characters: int
    file: str | None = None
    inline: tuple[Example, ...] = ()
    shown: str = "inline"
    field: str = "training_data"
    uri: str = ""
    form: str = ""
    layout: Layout = PLAIN
    size: int = 0
    multimodal: int = 0

    def __repr__(self) -> str:
        return Struct.__repr__(replace(self, inline=()))  # training data must not stand in a traceback
