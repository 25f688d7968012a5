"""Replaces `${var.NAME}` and `${workspace}` in every text of a manifest except its training data.

Rule: a variable is text. The field that it fills decides whether that text must be a number.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from reconciler.manifests.scalars import resolve
from reconciler.problems import Refusal

PREFIX = "RECONCILER_VAR_"
"""The prefix of a variable's name in the environment."""
NAME = "[A-Za-z_][A-Za-z0-9_-]*"
"""A variable's name, as a regular expression."""
REFERENCE_PATTERN = rf"\$\{{\s*(var\.{NAME}|workspace)\s*\}}"
"""A reference, as a regular expression for the JSON Schema."""

DATA_KEY, DATA_DEPTH = "examples", 4
"""The key of the collection that is training data, and how many collections are around it at least."""

_JSON_NUMBER = r"-?(?:0|[1-9][0-9]{0,63})(\.[0-9]{1,64})?([eE][-+]?[0-9]{1,3})?"
_REFERENCE = re.compile(r"\$\$\{|\$\{(?:([^}\n]*)\})?")
_WORKSPACE = "default"
"""What `${workspace}` stands for. Every state has this one workspace."""
_ADVICE = "Write ${var.NAME} or ${workspace}, or $${ for a literal ${."


class Substituted(str):
    """Text that variables were put into. It may be read as a number or a boolean if the field needs one."""

    __slots__ = ()


def read_scalar(value: object) -> object:
    """Read text that came from a variable as a number or a boolean. Text of the manifest stays text."""
    if type(value) is not Substituted:
        return value
    resolved = resolve(value)
    # An empty variable does not unset a field. It is text where a number should be.
    return value if resolved is None else resolved


def read_number(value: object) -> object:
    """Read a number, in quotes or not: proto3 JSON accepts quotes, and Google's templates have them."""
    if type(value) is str and (found := re.fullmatch(_JSON_NUMBER, value, re.ASCII)):
        return float(value) if found[1] or found[2] else int(value)
    return read_scalar(value)


def substitute(text: str, variables: Mapping[str, str]) -> tuple[str, tuple[Refusal, ...]]:
    """Put values in the place of references.

    Returns:
        The text (a Substituted if anything was put in), and why some references could not be followed.
    """
    refusals: list[Refusal] = []

    def find_value(match: re.Match[str]) -> str:
        if match[0] == "$${":
            return "${"
        found = _find_variable(match[0], match[1], variables)
        if isinstance(found, str):
            return found
        refusals.append(found)
        return match[0]

    return Substituted(_REFERENCE.sub(find_value, text)), tuple(refusals)


def _find_variable(written: str, reference: str | None, variables: Mapping[str, str]) -> str | Refusal:
    if reference is None:
        return Refusal("'${' is not closed", _ADVICE)
    if reference.strip() == "workspace":
        return _WORKSPACE
    prefix, _, name = reference.strip().partition(".")
    if prefix != "var" or not re.fullmatch(NAME, name, re.ASCII):
        return Refusal(f"{written} is not a variable", _ADVICE)
    if name not in variables:
        return Refusal(
            f"the variable {name!r} is not defined",
            f"Set it with --var {name}=VALUE, in a --var-file, or in the environment as {PREFIX}{name}, "
            "or give it a default in the Stack's spec.variables.",
        )
    return variables[name]
