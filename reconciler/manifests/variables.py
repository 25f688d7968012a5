"""Variables: `${var.NAME}` in any text of a manifest, and where their values come from.

Rule: a variable is text; the field that it fills decides whether that text must be a number. Training
data is never touched: it reaches the service as written.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from reconciler import bounds, textfiles
from reconciler.errors import ManifestError, UsageError
from reconciler.problems import Place, Problems
from reconciler.settings.secrecy import LEFT_OUT

PREFIX = "RECONCILER_VAR_"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*", re.ASCII)
_REFERENCE = re.compile(r"\$\$\{|\$\{(?:([^}\n]*)\})?")

REFERENCE_PATTERN = r"\$\{\s*var\.[A-Za-z_][A-Za-z0-9_-]*\s*\}"
"""A reference as a regular expression, for the JSON Schema."""


class Substituted(str):
    """Text that variables were put into: where a number or a boolean is wanted, it may be read as one."""

    __slots__ = ()


def substitute(text: str, variables: Mapping[str, str]) -> tuple[str, tuple[tuple[str, str], ...]]:
    """Put values in the place of references.

    Returns:
        The text (Substituted if anything was put in), and a (summary, detail) for each reference that
        could not be followed.
    """
    problems: list[tuple[str, str]] = []

    def value(match: re.Match[str]) -> str:
        if match[0] == "$${":
            return "${"
        reference = match[1]
        if reference is None:
            problems.append(("'${' is not closed", "Write ${var.NAME}, or $${ for a literal ${."))
            return match[0]
        prefix, _, name = reference.strip().partition(".")
        if prefix != "var" or not _NAME.fullmatch(name):
            problems.append((f"{match[0]} is not a variable", "Write ${var.NAME}, or $${ for a literal ${."))
        elif name not in variables:
            problems.append(
                (
                    f"the variable {name!r} is not defined",
                    (
                        f"Set it with --var {name}=VALUE, in a --var-file, or in the environment as "
                        f"{PREFIX}{name}; "
                        "a default can stand in the Stack's spec.variables."
                    ),
                )
            )
        else:
            return variables[name]
        return match[0]

    return Substituted(_REFERENCE.sub(value, text)), tuple(problems)


def parse_variables(flags: Sequence[str], files: Sequence[str], environ: Mapping[str, str]) -> dict[str, str]:
    """The variables of a command line.

    Args:
        flags: K=V each; they win over files, a later one over an earlier one.
        files: YAML or JSON mappings of scalars, or K=V lines; a later file wins over an earlier one.
        environ: RECONCILER_VAR_name, weakest of the three.

    Raises:
        UsageError: a flag without "=", a name that is none, or a file that cannot be read as one.
    """
    found = {name.removeprefix(PREFIX): environ[name] for name in environ if name.startswith(PREFIX)}
    found.pop("", None)
    for path in files:
        found.update(_from_file(path))
    for flag in flags:
        name, equals, value = flag.partition("=")
        if not equals:
            raise UsageError(f"--var {name}: there is no '='", "Write --var NAME=VALUE.")
        if value == LEFT_OUT:
            raise UsageError(
                f"--var {name}={LEFT_OUT}: {LEFT_OUT} stands for a value that was not shown",
                f"Now put its value in its place: --var {name}=VALUE",
            )
        found[_checked(name, f"--var {name}")] = value
    return found


def _checked(name: str, place: str) -> str:
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{place}: {name!r} is not a variable's name",
            "A name begins with a letter or '_' and goes on with letters, digits, '_' and '-'.",
        )
    return name


def _from_file(path: str) -> Iterator[tuple[str, str]]:
    from reconciler.manifests import documents
    from reconciler.manifests.located import YamlMap

    problems = Problems()
    text = textfiles.read_text(path, problems, limit=bounds.MANIFEST)
    if text is not None and _is_lines(text):
        yield from _from_lines(path, text)
        return
    found = [] if text is None else list(documents.read_documents(path, text, problems))
    if len(found) > 1:
        problems.error(found[1].place, "a variables file is one document, not several")
    _refuse(problems)
    for body in (one.body for one in found):
        if not isinstance(body, YamlMap):
            raise UsageError(f"{path}: not variables", "Write NAME: VALUE or NAME=VALUE, one a line.")
        for name, value in body.items():
            place = str(Place(path, *body.key_marks[name]))
            if isinstance(value, (dict, list)):
                raise UsageError(
                    f"{place}: {name} is not a single value", "A variable is a text, a number or a boolean."
                )
            yield _checked(name, place), body.text_of(name)


def _is_lines(text: str) -> bool:
    """K=V lines: every line that says anything has a name and an equals sign."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    return bool(lines) and all(re.match(r"\s*(?:export\s+)?[A-Za-z_][\w-]*\s*=", line) for line in lines)


def _from_lines(path: str, text: str) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, _, value = line.partition("=")
        value = value.strip()
        if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
            value = value[1:-1]
        yield _checked(name.strip().removeprefix("export ").strip(), f"{path}:{number}"), value


def _refuse(problems: Problems) -> None:
    """Say the first problem as a UsageError: a variables file is part of the command line."""
    try:
        problems.raise_if_any()
    except ManifestError as error:
        first, *others = error.diagnostics
        more = f" (and {len(others)} more)" if others else ""
        raise UsageError(str(first).partition("\n")[0] + more, first.detail) from error
