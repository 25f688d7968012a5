"""What a candidate is asked before it is promoted, and how it did."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated, TypeAlias

from msgspec import Struct, field

from reconciler.formats import format_share
from reconciler.model.data import DataSet
from reconciler.model.names import Count, Name, Unknown


class Prompt(Struct, frozen=True):
    """A question to a model.

    Attributes:
        text: one turn of the user.
        system: the system instruction, "" for none.
        line: a whole chat as one canonical JSON object in the service's own form, as in `Example`; then
            `text` and `system` are empty.
    """

    text: str
    system: str = ""
    line: str = ""


class Comparison(StrEnum):
    """The ways to compare an answer. White space around it never counts."""

    EXACT = "exact"
    CONTAINS = "contains"
    MATCHES = "matches"
    """A regular expression is found somewhere in the answer (`re.search`)."""
    ONE_OF = "one_of"


class Check(Struct, frozen=True):
    """A prompt that a candidate must answer well, at temperature 0, before its promotion.

    Attributes:
        expect: the text that the answer is compared with; "" for `ONE_OF`.
        one_of: the allowed answers, for `ONE_OF` only.
        system: the system instruction, "" for none.
    """

    prompt: str
    expect: str = ""
    by: Comparison = Comparison.EXACT
    one_of: tuple[str, ...] = ()
    system: str = ""


class HeldOut(Struct, frozen=True):
    """A file of examples that were kept out of the training: a share of them must be answered well.

    Attributes:
        file: path to read it from, as loaded.
        shown: how the manifest names it.
        form: as `DataSet.form`.
        digest: SHA-256 in hex over the canonical examples.
        examples: how many there are. Each is one call.
        by: EXACT or CONTAINS.
        at_least: the share of right answers that is asked for, from 0 to 1.
    """

    file: str
    shown: str
    form: str
    digest: str
    examples: int
    by: Comparison = Comparison.EXACT
    at_least: float = 1.0

    def to_data(self) -> DataSet:
        """Return the file as a data set."""
        return DataSet(
            self.digest, self.examples, 0, file=self.file, shown=self.shown, form=self.form, field="checks"
        )


class Score(Struct, frozen=True, forbid_unknown_fields=True):
    """A model's score in one part of its checks.

    Attributes:
        check: "prompts" for all checks with a prompt, else the held-out file as the manifest names it.
        digest: SHA-256 in hex over what was asked and expected. Only scores with equal digests compare.
        passed: how many answers were right.
        asked: of how many.
        unknown: of a recorded one, keys that this version does not know, with their values as JSON.
    """

    check: Name
    digest: str
    passed: Count
    asked: Count
    unknown: Unknown = field(default_factory=dict)

    def __eq__(self, other: object) -> bool:
        return type(other) is Score and self._known == other._known

    def __hash__(self) -> int:
        return hash(self._known)

    @property
    def _known(self) -> tuple[str, str, int, int]:
        return self.check, self.digest, self.passed, self.asked


PROMPTS = "prompts"
"""The name of the score of all checks with a prompt."""


def describe_scores(scores: Iterable[Score]) -> str:
    """Say how many answers were right: prompts 2 of 2 (1.00), data/held-out.jsonl 46 of 50 (0.92)."""
    return ", ".join(f"{score.check} {format_share(score.passed, score.asked)}" for score in scores)


def describe_rivals(scores: Iterable[Score], rivals: Iterable[Score]) -> str:
    """Say how the model that serves did when it was promoted; "" if it has no scores.

    Where other questions were asked then, the two cannot be compared, and this says so.
    """
    asked = {score.check: score.digest for score in scores}
    said = [
        describe_scores([rival])
        + (" for other questions" if asked.get(rival.check, rival.digest) != rival.digest else "")
        for rival in rivals
    ]
    return f"the model that serves: {', '.join(said)}" if said else ""


AnyCheck: TypeAlias = Check | HeldOut
Checks: TypeAlias = tuple[Annotated[AnyCheck, "check"], ...]
"""In JSON, the key `check` holds the name of the class."""


def count_calls(checks: Iterable[AnyCheck]) -> int:
    """Count the calls that the checks of one model make. The service bills each."""
    return sum(check.examples if isinstance(check, HeldOut) else 1 for check in checks)
