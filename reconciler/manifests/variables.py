"""Reads the values of variables from the command line, files and the environment."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from reconciler import bounds, textfiles
from reconciler.errors import ManifestError, UsageError
from reconciler.manifests.substitution import NAME, PREFIX
from reconciler.problems import Place, Problems
from reconciler.settings.secrecy import LEFT_OUT


def parse_variables(flags: Sequence[str], files: Sequence[str], environ: Mapping[str, str]) -> dict[str, str]:
    """Collect the variables of a command line.

    Args:
        flags: K=V each. They win over files, and a later one wins over an earlier one.
        files: YAML or JSON mappings of scalars, or K=V lines. A later file wins over an earlier one.
        environ: RECONCILER_VAR_name. Flags and files win over these.

    Raises:
        UsageError: a flag without "=", a name that no variable can have, or a file that cannot be read.
    """
    found = {name.removeprefix(PREFIX): environ[name] for name in environ if name.startswith(PREFIX)}
    found.pop("", None)
    for path in files:
        found.update(_read_file(path))
    for flag in flags:
        name, equals, value = flag.partition("=")
        if not equals:
            raise UsageError(f"--var {name}: the '=' is missing", "Write --var NAME=VALUE.")
        if value == LEFT_OUT:
            raise UsageError(
                f"--var {name}={LEFT_OUT}: {LEFT_OUT} stands for a value that was not shown",
                f"Now put its value in its place: --var {name}=VALUE",
            )
        found[_check_name(name, f"--var {name}")] = value
    return found


def _check_name(name: str, place: str) -> str:
    if not re.fullmatch(NAME, name, re.ASCII):
        raise UsageError(
            f"{place}: {name!r} is not a variable's name",
            "A name begins with a letter or '_' and goes on with letters, digits, '_' and '-'.",
        )
    return name


def _read_file(path: str) -> Iterator[tuple[str, str]]:
    from reconciler.manifests.documents import read_documents
    from reconciler.manifests.located import YamlMap

    problems = Problems()
    text = textfiles.read_text(path, problems, limit=bounds.MANIFEST)
    if text is not None and _is_lines(text):
        yield from _read_lines(path, text)
        return
    found = [] if text is None else list(read_documents(path, text, problems))
    if len(found) > 1:
        problems.error(found[1].place, "a variables file is one document, not several")
    _raise_first(problems)
    for body in (document.body for document in found):
        if not isinstance(body, YamlMap):
            raise UsageError(f"{path}: not variables", "Write NAME: VALUE or NAME=VALUE, one a line.")
        for name, value in body.items():
            place = str(Place(path, *body.key_marks[name]))
            if isinstance(value, (dict, list)):
                raise UsageError(
                    f"{place}: {name} is not a single value", "A variable is a text, a number or a boolean."
                )
            yield _check_name(name, place), body.get_text(name)


def _is_lines(text: str) -> bool:
    """Return whether every line that is not empty has the form K=V."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    return bool(lines) and all(re.match(r"\s*(?:export\s+)?[A-Za-z_][\w-]*\s*=", line) for line in lines)


def _read_lines(path: str, text: str) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, _, value = line.partition("=")
        value = value.strip()
        if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
            value = value[1:-1]
        yield _check_name(name.strip().removeprefix("export ").strip(), f"{path}:{number}"), value


def _raise_first(problems: Problems) -> None:
    """Raise the first problem as a UsageError, because a file of variables is part of the command line."""
    try:
        problems.raise_if_any()
    except ManifestError as error:
        first, *others = error.diagnostics
        more = f" (and {len(others)} more)" if others else ""
        raise UsageError(str(first).partition("\n")[0] + more, first.detail) from error
