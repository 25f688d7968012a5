"""The first manifests that `init` writes, the lines of .gitignore that they need, and what to edit first."""

from __future__ import annotations

import json
import secrets
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path

from reconciler import bounds, files
from reconciler.errors import UsageError
from reconciler.manifests import Loaded

KINDS = ("TuningJob", "TunedModel")
"""What `init --kind` takes, the default first: the Gemini API has no base model that can be tuned."""

_STACK = """\
# Settings of this folder. The name is part of every id: keep it.
apiVersion: reconciler/v1
kind: Stack
metadata:
  name: {name}
spec:
{place}  guards: {{max_trainings: 5, max_deletes: 5}}
"""

_PLACE = """\
  # project: my-project           # or set GOOGLE_CLOUD_PROJECT
  location: {location}
  # Google reads training data from a bucket; files are uploaded there. Create this one, or name another:
  bucket: gs://{name}
"""
_LOCATIONS = ("us-central1", "europe-west4")
"""Where the base model below is tuned, as documented."""

_JOB = """\
# Answers with the next number. Vertex AI trains it on data/number-generator.jsonl; a training costs money.
apiVersion: reconciler/v1
kind: TuningJob
metadata:
  name: number-generator
spec:
  base_model: gemini-3.1-flash-lite
  tuned_model_display_name: number generator model
  supervised_tuning_spec:
    training_dataset_uri: data/number-generator.jsonl
    hyper_parameters: {epoch_count: 5, adapter_size: ADAPTER_SIZE_FOUR}
"""

_MODEL = """\
# The first model of Google's tuning tutorial: it answers with the next number. The last five examples are
# not the tutorial's: Google advises 20 or more. Since May 2025 the Gemini API has had no base model that can
# be tuned. The emulator serves this one: add --emulator to each command.
apiVersion: reconciler/v1
kind: TunedModel
metadata:
  name: number-generator
spec:
  display_name: number generator model
  base_model: models/gemini-1.5-flash-001-tuning
  tuning_task:
    hyperparameters: {batch_size: 2, learning_rate: 0.001, epoch_count: 5}
    training_data:
      examples:
        examples:
"""

_PAIRS = (
    ("1", "2"),
    ("3", "4"),
    ("-3", "-2"),
    ("twenty two", "twenty three"),
    ("two hundred", "two hundred one"),
    ("ninety nine", "one hundred"),
    ("8", "9"),
    ("-98", "-97"),
    ("1,000", "1,001"),
    ("10,100,000", "10,100,001"),
    ("thirteen", "fourteen"),
    ("eighty", "eighty one"),
    ("one", "two"),
    ("three", "four"),
    ("seven", "eight"),
    ("25", "26"),
    ("-1", "0"),
    ("forty five", "forty six"),
    ("three hundred", "three hundred one"),
    ("nineteen", "twenty"),
)
"""The examples of both kinds."""

_IGNORED = ("state/*.lock", "state/.*.tmp", "state/emulator.*")
"""Files that the commands leave beside the state, and that should not be committed."""
_COVERING = frozenset({"state", "state/", "state/*", "state/**"})
"""Lines of .gitignore that leave out the whole folder, and those files with it."""


def write_manifests(folder: Path, kind: str, environ: Mapping[str, str]) -> Iterator[tuple[Path, bool]]:
    """Write the first manifests; yields each file and whether it was written. Existing files are kept.

    Writes nothing into a folder that holds manifests already.

    Args:
        folder: for the manifests.
        kind: one of KINDS, of the first model.
        environ: the environment variables.

    Raises:
        UsageError: the folder cannot be written.
    """
    existing = [*sorted(folder.glob("*.yaml")), *sorted(folder.glob("*.yml"))] if folder.is_dir() else []
    if existing:
        yield from ((file, False) for file in existing)
        return
    try:
        for name, text in _build_files(kind, environ).items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.exists():  # data of somebody's own
                yield path, False
                continue
            path.write_text(text, encoding="utf-8")
            yield path, True
    except OSError as error:
        raise UsageError(f"{folder}: {error.strerror}", "Give a folder that can be written") from error


def _build_files(kind: str, environ: Mapping[str, str]) -> Mapping[str, str]:
    """The files to write: name to text."""
    name = f"{_build_name(Path.cwd().name)}-{secrets.token_hex(3)}"
    if kind == "TunedModel":
        items = "".join(
            f"          - {{text_input: {_quote(text)}, output: {_quote(output)}}}\n"
            for text, output in _PAIRS
        )
        return {"stack.yaml": _STACK.format(name=name, place=""), "number-generator.yaml": _MODEL + items}
    wanted = environ.get("GOOGLE_CLOUD_LOCATION", "").strip()
    place = _PLACE.format(location=wanted if wanted in _LOCATIONS else _LOCATIONS[0], name=name)
    rows = "".join(
        json.dumps({"text_input": text, "output": output}, allow_nan=False) + "\n" for text, output in _PAIRS
    )
    return {
        "stack.yaml": _STACK.format(name=name, place=place),
        "number-generator.yaml": _JOB,
        "data/number-generator.jsonl": rows,
    }


def _quote(text: str) -> str:
    """As YAML reads it as text: what looks like a number is quoted."""
    return text if text[0].isalpha() else f'"{text}"'


def extend_gitignore(file: Path) -> tuple[str, ...]:
    """Add to a .gitignore the lines that it lacks, and return them. What it holds is kept as it is.

    Raises:
        UsageError: it cannot be read or written.
    """
    try:
        is_there = file.exists() or file.is_symlink()
        before = files.read(file, most=bounds.MANIFEST) if is_there else b""
        present = {line.strip().removeprefix(b"/").decode(errors="replace") for line in before.splitlines()}
        missing = () if present & _COVERING else tuple(one for one in _IGNORED if one not in present)
        if missing:
            end = b"\r\n" if b"\r\n" in before else b"\n"
            gap = end if before and not before.endswith(b"\n") else b""
            with file.open("ab") as opened:
                opened.write(gap + b"".join(one.encode() + end for one in missing))
    except OSError as error:
        raise UsageError(
            f"{file}: {error.strerror}", f"Add these lines by hand: {', '.join(_IGNORED)}"
        ) from error
    return missing


def _build_name(text: str) -> str:
    """A name for the Stack and its bucket from the folder's name, short enough for a suffix."""
    kept = "".join(one if one.isascii() and one.isalnum() else "-" for one in text.lower()).strip("-")
    usable = kept[:1].isalpha() and "goog" not in kept  # which no bucket's name may hold
    return kept[:20].strip("-") if usable else "models"


def suggest_edit(path: str, loaded: Loaded, service: str) -> str:
    """What to do before a plan makes sense: edit the manifests, and name or create the bucket of uploads."""
    stack = loaded.stack
    uploads = any(one.address.kind == KINDS[0] and one.data[0].file for one in loaded.desired)
    if not uploads or service != "google":
        return f"edit {path}"
    if not stack.bucket:
        return f"name a bucket of yours as spec.bucket in {stack.file or path}"
    bucket = "gs://" + stack.bucket.removeprefix("gs://").partition("/")[0]
    create = ["gcloud", "storage", "buckets", "create", bucket]
    create += [f"--location={stack.location}"] if stack.location else []
    return f"edit {path}, create its bucket unless it exists ({shlex.join(create)})"
