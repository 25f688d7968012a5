"""Reads JSONL lines of texts in blocks with msgspec. That is several times as fast as reading line by line.

Rule: it reads only what `json_rows` would read as the same examples and without a message. A block that has
anything else is halved, again and again. The small blocks that remain are left to `json_rows`, which knows
every message and its place.

msgspec checks JSON, UTF-8 and the shape of each line, and refuses other keys and values that are not texts.
`_read_list` makes it refuse several objects on a line and an object on several lines. But it accepts a key
that occurs twice. Each key has a colon. So if there are no more colons than in the texts and behind the keys
that should be there, none is there twice: `_has_each_key_once`. Where colons are escaped, or the keys of a
line are not known beforehand, `_count_quotes` finds it, because each text that msgspec drops has two quotes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Annotated, Any, Literal, NamedTuple

from msgspec import UNSET, Meta, MsgspecError, Struct, UnsetType, field
from msgspec.json import Decoder, Encoder

from reconciler.datasets.pair_lines import WrittenPair, encode_pairs
from reconciler.datasets.rows import Batch, Typed
from reconciler.datasets.survey import tally_texts

MOST = 256 * 1024
"""The most bytes of a block. No form advises against an example that is so short."""
_FEWEST = 16
"""The most lines of a block that is not halved again, because it is quicker to read it line by line."""

_ENCODER = Encoder()
_BACKSLASHES = 100
"""The most backslashes of a block that are looked at one by one."""
_ESCAPED = re.compile(rb'\\["\\]')
"""An escaped quote or backslash. Searching for it takes less time than for backslashes and for quotes."""


def make_pairs(
    numbers: Sequence[int], asked: Sequence[str], outputs: Sequence[str], typed: Typed
) -> Batch | None:
    """Make a batch of pairs; None if the form refuses one of them."""
    lengths, output_lengths = list(map(len, asked)), list(map(len, outputs))
    if 0 in output_lengths or (0 in lengths and not typed.takes_no_input):
        return None
    if typed.longest is not None:
        longest, most = typed.longest
        if max(lengths) > longest or max(output_lengths) > most:
            return None
    lines = encode_pairs(asked, outputs)
    return Batch(numbers, [lines], len(numbers), tally_texts(asked, lengths, outputs, output_lengths))


class _Strict(Struct, forbid_unknown_fields=True, gc=False):
    """An object that may have no other keys."""


class _Pair(_Strict):
    output: str
    text_input: str


class _CamelPair(_Strict):
    output: str
    text_input: str = field(name="textInput")


class _Part(_Strict):
    text: str


_Parts = Annotated[list[_Part], Meta(min_length=1)]


class _Turn(_Strict):
    parts: _Parts
    role: Literal["user", "model", "function", "tool"] | UnsetType = UNSET


class _Instruction(_Strict):
    parts: _Parts
    role: str | UnsetType = UNSET  # Google's guide writes "system", and the service takes any


_Turns = Annotated[list[_Turn], Meta(min_length=1)]


class _Chat(_Strict):
    """A line in Gemini's form, and as it is sent: its keys are in order."""

    contents: _Turns
    instruction: _Instruction | UnsetType = field(default=UNSET, name="systemInstruction")


class _SnakeChat(_Strict):
    contents: _Turns
    instruction: _Instruction | UnsetType = field(default=UNSET, name="system_instruction")


class _Question(_Strict):
    parts: tuple[_Part]
    role: Literal["user"]


class _Answer(_Strict):
    parts: tuple[_Part]
    role: Literal["model"]


class _SingleTurn(_Strict):
    contents: tuple[_Question, _Answer]


class _Message(_Strict):
    role: Literal["system", "developer", "user", "assistant"]
    content: Annotated[str, Meta(min_length=1)]


class _Messages(_Strict):
    messages: list[_Message]


class _UserMessage(_Strict):
    role: Literal["user"]
    content: str


class _AssistantMessage(_Strict):
    role: Literal["assistant"]
    content: str


class _TwoMessages(_Strict):
    messages: tuple[_UserMessage, _AssistantMessage]


def _take_pairs(rows: Any, numbers: Sequence[int], typed: Typed) -> Batch | None:
    return make_pairs(numbers, [row.text_input for row in rows], [row.output for row in rows], typed)


def _take_single_turns(rows: Any, numbers: Sequence[int], typed: Typed) -> Batch | None:
    turns = [row.contents for row in rows]
    asked, answers = [turn[0].parts[0].text for turn in turns], [turn[1].parts[0].text for turn in turns]
    return make_pairs(numbers, asked, answers, typed)


def _take_two_messages(rows: Any, numbers: Sequence[int], typed: Typed) -> Batch | None:
    said = [row.messages for row in rows]
    return make_pairs(numbers, [two[0].content for two in said], [two[1].content for two in said], typed)


def _take_chats(rows: Any, numbers: Sequence[int], _: Typed) -> Batch | None:
    lines: list[WrittenPair | _Chat] = []
    asked: list[str | bytes] = []
    lengths: list[int] = []
    outputs: list[str] = []
    pairs = 0
    for row in rows:
        turns, instruction = row.contents, row.instruction
        last = turns[-1]
        if last.role != "model":
            return None
        output = "".join([part.text for part in last.parts])
        first = turns[0]
        if (
            len(turns) == 2
            and instruction is UNSET
            and first.role == "user"
            and len(first.parts) == len(last.parts) == 1
        ):
            question = first.parts[0].text
            if not question or not output:
                return None
            pairs += 1
            lines.append(WrittenPair(output, question))
            asked.append(question)
            lengths.append(len(question))
        else:
            before = turns[:-1]
            lines.append(_Chat(turns, instruction))
            asked.append(_ENCODER.encode(_Chat(before, instruction)))
            length = sum([len(part.text) for turn in before for part in turn.parts])
            if instruction is not UNSET:
                length += sum([len(part.text) for part in instruction.parts])
            lengths.append(length)
        outputs.append(output)
    tally = tally_texts(asked, lengths, outputs, [*map(len, outputs)])
    return Batch(numbers, [_ENCODER.encode_lines(lines)], pairs, tally)


def _take_messages(rows: Any, numbers: Sequence[int], typed: Typed) -> Batch | None:
    chats = [_convert(row.messages) for row in rows]
    return None if None in chats else _take_chats(chats, numbers, typed)


def _convert(messages: Sequence[_Message]) -> _Chat | None:
    """Convert messages as `messages.read_messages` does; None if it would refuse them."""
    instruction, turns, is_asked = [], [], False
    for message in messages:
        part = _Part(message.content)
        match message.role:
            case "user":
                turns.append(_Turn([part], "user"))
                is_asked = True
            case "assistant":
                turns.append(_Turn([part], "model"))
            case _ if turns:
                return None
            case _:
                instruction.append(part)
    if not is_asked or turns[-1].role != "model":
        return None
    return _Chat(turns, _Instruction(instruction) if instruction else UNSET)


def _count_in_chats(rows: Any) -> int:
    """Count the texts and keys of lines in Gemini's form."""
    count = 0
    for row in rows:
        turns = row.contents if row.instruction is UNSET else [*row.contents, row.instruction]
        count += len(turns) - len(row.contents) + 1  # these are the keys of the line
        for turn in turns:
            count += 1 + 2 * len(turn.parts) + 2 * (turn.role is not UNSET)
    return count


def _count_in_messages(rows: Any) -> int:
    return sum([1 + 4 * len(row.messages) for row in rows])


class _Shape(NamedTuple):
    """A shape of lines.

    Attributes:
        decoder: reads a list of objects and nulls.
        count: how many texts and keys the rows have.
        take: makes a batch of rows; None if one of them is to be refused.
        keys: of each row. 0 if the rows do not all have as many.
    """

    decoder: Decoder[list[Any]]
    count: Callable[[Any], int]
    take: Callable[[Any, Sequence[int], Typed], Batch | None]
    keys: int = 0


_PAIRS = tuple(
    _Shape(
        Decoder(list[kind | None]),  # type: ignore[valid-type]
        lambda rows: 4 * len(rows),
        _take_pairs,
        2,
    )
    for kind, name in ((_Pair, "text_input"), (_CamelPair, "textInput"))
)
_TWO_MESSAGES = _Shape(
    Decoder(list[_TwoMessages | None]),
    lambda rows: 9 * len(rows),
    _take_two_messages,
    5,
)
_CHATS = (
    _Shape(
        Decoder(list[_SingleTurn | None]),
        lambda rows: 11 * len(rows),
        _take_single_turns,
        7,
    ),
    _Shape(Decoder(list[_Chat | None]), _count_in_chats, _take_chats),
    _Shape(Decoder(list[_SnakeChat | None]), _count_in_chats, _take_chats),
)
_MESSAGES = _Shape(Decoder(list[_Messages | None]), _count_in_messages, _take_messages)


class TypedReader:
    """Reads the blocks of a file. It first tries the shape that fitted last, because most lines are alike."""

    def __init__(self, typed: Typed) -> None:
        self._typed = typed
        self._shapes = [*_CHATS] if typed.takes_chat else []
        if typed.takes_pairs:
            conversations = [_MESSAGES] if typed.takes_chat else []
            self._shapes = [*_PAIRS, *self._shapes, _TWO_MESSAGES, *conversations]

    def read(self, block: bytes, first: int) -> Iterator[tuple[bytes, Batch | None]]:
        """Yield the parts of a block in order, each with its examples; None if `json_rows` must read it.

        Args:
            block: whole lines. Only the last line of a file may lack its end.
            first: the number of the first line.
        """
        batch = self._take(block, first) if len(block) <= MOST else None
        lines = block.split(b"\n") if batch is None and len(block) <= MOST else ()
        if len(lines) <= _FEWEST:
            yield block, batch
            return
        half = len(lines) // 2
        yield from self.read(b"\n".join([*lines[:half], b""]), first)
        yield from self.read(b"\n".join(lines[half:]), first + half)

    def _take(self, block: bytes, first: int) -> Batch | None:
        for shape in self._shapes:
            try:
                rows = _read_list(shape.decoder, block)
            except (MsgspecError, ValueError):
                continue
            if not rows:
                return None
            if shape is not self._shapes[0]:
                self._shapes.remove(shape)
                self._shapes.insert(0, shape)
            batch = shape.take(rows, range(first, first + len(rows)), self._typed)
            is_whole = batch is not None and (
                _has_each_key_once(block, batch, shape.keys) or 2 * shape.count(rows) == _count_quotes(block)
            )
            return batch if is_whole else None
        return None


_BETWEEN = b",null,\n"


def _read_list(decoder: Decoder[list[Any]], block: bytes) -> list[Any]:
    """Read the objects of a block as a list. There are none if one of them is not alone on its line.

    A null is put between two lines. msgspec refuses it within an object, and refuses a line that has nothing.
    So there are as many values as lines and nulls, unless a line has several, with commas between them. A
    comma instead of the null would mend an object that lacks one where its line ends.

    Raises:
        MsgspecError, ValueError: a line is not such an object.
    """
    parted = memoryview(block.replace(b"\n", _BETWEEN))
    nulls = (len(parted) - len(block)) // (len(_BETWEEN) - 1)
    if block.endswith(b"\n"):
        nulls, parted = nulls - 1, parted[: -len(_BETWEEN)]
    found = decoder.decode(b"".join((b"[", parted, b"]")))
    rows = found[::2]
    return rows if len(found) == nulls + 1 + nulls and all(rows) else []  # a line may be a null itself


def _has_each_key_once(block: bytes, batch: Batch, keys: int) -> bool:
    """Return whether the block has just as many colons as its texts, and so many keys a line, need.

    The lines of the batch have the same texts, and two keys each. False if that cannot be told.
    """
    if not keys:
        return False
    count = len(batch.numbers)
    colons = _count_rare(b":", block) - keys * count
    if not colons:
        return True
    in_texts = sum([_count_rare(b":", bytes(lines)) for lines in batch.lines]) - 2 * count
    return colons == in_texts and not _has_escaped_colon(block)


def _has_escaped_colon(block: bytes) -> bool:
    """Return whether a colon may be written as an escape.

    That is looked for by its first digits, which only digits and a few signs share.
    """
    at = -1
    for _ in range(_BACKSLASHES):  # this jumps from one to the next, where a search looks at every byte
        at = block.find(b"\\", at + 1)
        if at < 0 or block.startswith(b"u003", at + 1):
            return at >= 0
    return b"\\u003" in block


def _count_rare(character: bytes, block: bytes) -> int:
    """Count a character that is rare: `count` looks at every byte, and `replace` jumps to the next one."""
    return len(block) - len(block.replace(character, b""))


def _count_quotes(block: bytes) -> int:
    """Count the quotes around texts and keys, in JSON that is known to be correct."""
    return block.count(b'"') - _ESCAPED.findall(block).count(b'\\"')
