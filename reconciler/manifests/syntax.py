"""Says what is wrong with text that is not YAML, and what to do.

The messages of libyaml name its own states ("did not find expected key"). People need the cause.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from reconciler.problems import Place, Problems
from reconciler.textfiles import find_place, is_printable, refuse_control_characters

if TYPE_CHECKING:
    import yaml

_FOREIGN_BREAKS = "[\x85\u2028\u2029]"

_CONFLICT = "(?m)^(?:<<<<<<< |>>>>>>> )"

_ADVICE = (
    ("found a tab character", "a tab is used as indentation", "YAML indents with spaces: replace the tab."),
    (
        "found invalid Unicode character escape code",
        "the escape is half of a surrogate pair, which YAML does not know",
        "Write the character itself, or \\U and the eight hexadecimal digits of it.",
    ),
    (
        "found unknown escape character",
        "the text in double quotes has an escape that YAML does not know",
        "Write \\\\ for a backslash, or use single quotes.",
    ),
    (
        "mapping values are not allowed",
        "a ':' stands where no mapping can begin",
        "Put a text that holds ': ' in quotes; give each key a line of its own, with the same indentation.",
    ),
    (
        "found unexpected end of stream",
        "a quote is opened and never closed",
        "Close it; it opens where the message points.",
    ),
    ("found unexpected document indicator", "a quote or a block is still open at '---'", "Close it."),
    (
        "did not find expected ',' or",
        "a comma is missing inside brackets, or a bracket is never closed",
        "Add the ',' or the closing bracket; inside brackets put ${var.NAME} in quotes.",
    ),
    (
        "did not find expected node content",
        "a value is missing, or a bracket is never closed",
        "Complete it.",
    ),
    (
        "could not find expected ':'",
        "a line is neither KEY: VALUE nor part of the line before",
        "Add the ':' with a space behind it, or indent the line as the text around it.",
    ),
    (
        "did not find expected key",
        "inconsistent indentation",
        "Begin the keys of one mapping in the same column, with spaces.",
    ),
    (
        "did not find expected '-' indicator",
        "inconsistent indentation in a list",
        "Begin each item of one list with '- ' in the same column.",
    ),
    (
        "did not find expected <document start>",
        "the document has ended and something follows",
        "Separate documents with a line '---'; remove a comma or bracket left at the end.",
    ),
    ("found incompatible YAML document", "the %YAML directive names an unknown version", "Remove the line."),
    ("found undefined tag handle", "the tag is not known here", "Remove it: manifests are plain YAML."),
    (
        "block sequence entries are not allowed",
        "a '- ' stands where no list can begin",
        "Give it its own line.",
    ),
)


def refuse_unreadable(file: str, text: str, problems: Problems) -> bool:
    """Note what must not reach the parser; True if the text has it."""
    if is_printable(text):
        return False
    if refuse_control_characters(text, file, problems):
        return True
    match = re.search(_FOREIGN_BREAKS, text)
    if match is not None:
        # libyaml follows YAML 1.1 and folds these like line ends, which would change what a model learns
        code = ord(match[0])
        problems.error(
            find_place(file, text, match.start()),
            f"U+{code:04X} would be read as the end of a line",
            f'Write it as "\\u{code:04x}" in double quotes, or put the examples into a data file.',
        )
        return True
    return False


def explain_syntax(file: str, text: str, error: yaml.YAMLError, problems: Problems) -> None:
    """Note a parser's error: where it is, what probably causes it, what to do."""
    conflict = re.search(_CONFLICT, text)
    if conflict is not None:
        place = find_place(file, text, conflict.start())
        problems.error(place, "a merge conflict is not resolved", "Resolve it in git.")
        return
    said = str(getattr(error, "problem", None) or error)
    mark, context = getattr(error, "problem_mark", None), getattr(error, "context_mark", None)
    if "unexpected end of stream" in said or "could not find expected ':'" in said:
        # the place where the quote or the line begins helps, not the one where the parser gave up
        mark = context or mark
    if mark is None:
        problems.error(Place(file), f"not YAML: {said}")
        return
    summary, advice = f"not YAML: {said}", ""
    if "start any token" in said:
        summary, advice = _explain_character(text, mark)
    for part, cause, remedy in _ADVICE:
        if part in said:
            summary, advice = cause, remedy
            break
    if context is not None and context.line != mark.line and "flow" in str(getattr(error, "context", "")):
        summary += f" (the bracket at {context.line + 1}:{context.column + 1})"
    problems.error(Place(file, mark.line + 1, mark.column + 1), summary, advice)


def _explain_character(text: str, mark: Any) -> tuple[str, str]:
    line = text.splitlines()[mark.line]  # what splits lines here but not for the parser was refused before
    found = line[mark.column : mark.column + 1]
    if found == "\t":
        return "a tab is used as indentation", "YAML indents with spaces: replace the tab."
    return f"{found!r} cannot begin a value", "Put the text in quotes."
