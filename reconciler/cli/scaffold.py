"""Write the first manifests and .gitignore entries for `init`, and suggest what to edit first."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path

from reconciler import bounds, files
from reconciler.cli.apis import APIS
from reconciler.errors import UsageError
from reconciler.manifests import Loaded
from reconciler.providers.api import EMULATOR, Starter

STARTERS: Mapping[str, Starter] = {
    api.kinds[0].name: api.starter
    for api in sorted(APIS, key=lambda api: not any(base.tunable for base in api.kinds[0].bases.values()))
    if api.starter is not None
}
"""The choices of `init --kind`. The first is the default: a kind with a base model that can be tuned."""

_STACK = """\
# Settings of this folder. Do not change the name. It is part of every model's id: with a new name,
# all models are trained again.
apiVersion: reconciler/v1
kind: Stack
metadata:
  name: {name}
spec:
{settings}  guards: {{max_trainings: 5, max_deletes: 5}}
"""

_IGNORED = ("state/*.lock", "state/.*.tmp", "state/emulator.*", "state/data-cache.json")
"""Files that commands leave beside the state. They should not be committed."""
_WHOLE_FOLDER = frozenset({"state", "state/", "state/*", "state/**"})
"""Entries that ignore the whole folder. With one of them, the entries above are not needed."""


def write_manifests(folder: Path, kind: str, environ: Mapping[str, str]) -> Iterator[tuple[Path, bool]]:
    """Write the first manifests. Yields each file and whether it was written. Existing files are kept.

    If the folder already contains manifests, nothing is written. `kind` is a key of STARTERS.

    Raises:
        UsageError: the folder is not writable.
    """
    existing = [*sorted(folder.glob("*.yaml")), *sorted(folder.glob("*.yml"))] if folder.is_dir() else []
    if existing:
        yield from ((file, False) for file in existing)
        return
    try:
        for name, text in _build_files(STARTERS[kind], environ).items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.exists():  # keep the user's own file
                yield path, False
                continue
            path.write_text(text, encoding="utf-8")
            yield path, True
    except OSError as error:
        raise UsageError(f"{folder}: {error.strerror}", "Choose a writable folder") from error


def _build_files(starter: Starter, environ: Mapping[str, str]) -> Mapping[str, str]:
    """Return a mapping of file name to content."""
    name = f"{_build_name(Path.cwd().name)}-{secrets.token_hex(3)}"
    settings = starter.set_up(name, environ)
    return {"stack.yaml": _STACK.format(name=name, settings=settings), **starter.write(name, environ)}


def extend_gitignore(file: Path) -> tuple[str, ...]:
    """Add the missing entries to a .gitignore, and return them. Existing lines are not changed.

    Raises:
        UsageError: the file cannot be read or written.
    """
    try:
        is_there = file.exists() or file.is_symlink()
        before = files.read(file, most=bounds.MANIFEST) if is_there else b""
        present = {line.strip().removeprefix(b"/").decode(errors="replace") for line in before.splitlines()}
        missing = (
            () if present & _WHOLE_FOLDER else tuple(entry for entry in _IGNORED if entry not in present)
        )
        if missing:
            end = b"\r\n" if b"\r\n" in before else b"\n"
            gap = end if before and not before.endswith(b"\n") else b""
            with file.open("ab") as opened:
                opened.write(gap + b"".join(entry.encode() + end for entry in missing))
    except OSError as error:
        raise UsageError(
            f"{file}: {error.strerror}", f"Add these lines by hand: {', '.join(_IGNORED)}"
        ) from error
    return missing


def _build_name(text: str) -> str:
    """Build a name for the Stack and its bucket from the folder's name, short enough to append a suffix."""
    kept = "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in text.lower()).strip(
        "-"
    )
    usable = kept[:1].isalpha() and "goog" not in kept  # Google forbids it in bucket names
    return kept[:20].strip("-") if usable else "models"


def suggest_edit(path: str, loaded: Loaded, service: str) -> str:
    """Return what the user should do before the first plan. On the emulator that is only to edit PATH."""
    for kind, starter in STARTERS.items() if service != EMULATOR else ():
        desired = [model for model in loaded.desired if model.address.kind == kind]
        if suggestion := starter.suggest(path, loaded.stack, desired):
            return suggestion
    return f"edit {path}"
