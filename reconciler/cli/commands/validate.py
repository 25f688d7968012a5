"""`reconciler validate`."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import click

from reconciler.cli import exit_codes, offline_checks, options, wiring
from reconciler.cli.byte_offsets import find_byte_offset
from reconciler.cli.console import Console
from reconciler.cli.invocation import Invocation
from reconciler.errors import Diagnostic, ReconcilerError
from reconciler.formats import count_noun
from reconciler.settings import Settings


@click.command("validate")
@options.paths
@options.variables
@options.json_output
@options.no_color
def command(*, as_json: bool, no_color: bool, **given: Any) -> int:
    """Check all that can be checked without a service: manifests, data sets, limits.

    With --json it prints one object, valid or not, with valid, error_count, warning_count and diagnostics.
    """
    console = Console.open(as_json=as_json, no_color=no_color)
    try:
        settings = Settings(os.environ)
        loaded, _ = wiring.load_manifests(Invocation.read("validate", given), settings)
        warnings = offline_checks.list_warnings(loaded, settings, wiring.read_today(settings))
    except ReconcilerError as error:
        if not as_json:
            raise
        _print_document(console, error.diagnostics, {})
        return exit_codes.decide_after_error()
    models, files = len(loaded.desired), len(loaded.files)
    if as_json:
        examples = sum(data.examples for model in loaded.desired for data in model.data[:1])
        _print_document(console, warnings, {"models": models, "files": files, "examples": examples})
    else:
        console.print_diagnostics(warnings)
        console.print_lines([f"{count_noun(models, 'model')} in {count_noun(files, 'file')}: all valid."])
    return 0


def _print_document(console: Console, diagnostics: Sequence[Diagnostic], counts: Mapping[str, int]) -> None:
    from reconciler.render.diagnostics import build_validation_document

    offsets = [find_byte_offset(diagnostic) for diagnostic in diagnostics]
    console.print_document(build_validation_document(diagnostics, offsets, counts))
