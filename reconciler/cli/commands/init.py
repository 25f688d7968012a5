"""`reconciler init`."""

from __future__ import annotations

import os
import shlex
from collections.abc import Collection
from pathlib import Path
from typing import Any

import click

from reconciler.cli import options, scaffold, wiring
from reconciler.cli.console import Console
from reconciler.errors import CredentialError, ReconcilerError, UsageError
from reconciler.manifests import Loaded


@click.command("init")
@click.argument("path", default=wiring.DEFAULT_PATH, metavar="[PATH]")
@click.option(
    "--kind",
    type=click.Choice(scaffold.KINDS),
    default=scaffold.KINDS[0],
    show_default=True,
    help="Of the first model: TuningJob is Vertex AI's, TunedModel the Gemini API's, which tunes none today.",
)
@options.service
def command(*, path: str, kind: str, no_color: bool, **given: Any) -> None:
    """Write a first manifest and a Stack; check credentials, endpoint and state store.

    What exists is left as it is; .gitignore gets the lines that it lacks.
    """
    from reconciler.render.terminal import wrap

    console = Console.of_environment(no_color=no_color)
    for file, written in scaffold.write(Path(path), kind, os.environ):
        console.lines([f"{'Wrote' if written else 'Kept '} {file}"])
    added = scaffold.ignore(Path(".gitignore"))
    console.lines([f"Added {', '.join(added)} to .gitignore" if added else "Kept  .gitignore"])
    try:
        with wiring.operation("init", wiring.Options(paths=(path,), **given)) as run:
            context = run.context
            state = run.state()
            used = {want.address.kind for want in run.loaded.desired} or set(run.providers)
            tunable = {name: run.providers[name].base_models().tunable for name in sorted(used)}
            place = run.manager.place
            edit = _edit(path, run.loaded, service=context.service)
    except CredentialError as error:
        raise CredentialError(error.summary, _or_without_account(error)) from error
    except UsageError as error:
        raise UsageError(error.summary, _or_without_account(error)) from error
    words = ["--emulator"] * bool(given.get("emulator")) + [path] * (path != wiring.DEFAULT_PATH)
    following = shlex.join(["reconciler", "plan", *words])
    project = f", project {context.project}" if context.project else ""
    console.lines(
        [
            f"Service    {context.endpoint}{project}, credential: {context.credential}",
            f"State      {place}, {len(state.resources)} recorded",
            *(
                line
                for kind, names in tunable.items()
                for line in wrap(_offered(kind, names), console.width, hanging="    ")
            ),
            "",
            f"Next: {edit}, then: {following}",
        ]
    )


def _edit(path: str, loaded: Loaded, *, service: str) -> str:
    """What is to be done before a plan makes sense."""
    stack = loaded.stack
    uploads = any(want.address.kind == scaffold.KINDS[0] and want.data[0].file for want in loaded.desired)
    if not uploads or service != "google":
        return f"edit {path}"
    if not stack.bucket:
        return f"name a bucket of yours as spec.bucket in {stack.file or path}"
    bucket = "gs://" + stack.bucket.removeprefix("gs://").partition("/")[0]
    create = ["gcloud", "storage", "buckets", "create", bucket]
    create += [f"--location={stack.location}"] if stack.location else []
    return f"edit {path}, create its bucket unless it exists ({shlex.join(create)})"


def _or_without_account(error: ReconcilerError) -> str:
    """The error's advice, and the way that needs no service."""
    return f"{error.detail}\nTo try it without an account, add --emulator to each command"


def _offered(kind: str, names: Collection[str]) -> str:
    """The base models, each once: a name that is also there without its publisher says nothing new."""
    shown = sorted(one for one in names if "/" not in one or one.rpartition("/")[2] not in names)
    return f"{kind} can be tuned from: {', '.join(shown) or 'nothing this service offers today'}"
