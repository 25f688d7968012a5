"""`reconciler validate`."""

from __future__ import annotations

import os
from typing import Any

import click

from reconciler.cli import connect, options
from reconciler.cli.console import Console


@click.command("validate")
@options.paths
@options.variables
@options.json_output
@options.no_color
def command(*, as_json: bool, no_color: bool, **given: Any) -> None:
    """Check everything that can be known offline: manifests, data sets, limits."""
    console = Console.of_environment(as_json=as_json, no_color=no_color)
    loaded, _ = connect.manifests(connect.Options(**given), os.environ)
    console.errors(loaded.warnings)
    models, files = len(loaded.desired), len(loaded.files)
    if as_json:
        examples = sum(one.data[0].examples for one in loaded.desired)
        console.document({"valid": True, "models": models, "files": files, "examples": examples})
        return
    console.lines([f"{models} model{'s' * (models != 1)} in {files} file{'s' * (files != 1)}: all valid."])
