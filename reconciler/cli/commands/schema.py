"""`reconciler schema`."""

from __future__ import annotations

import click

from reconciler.cli.console import Console


@click.command("schema")
def command() -> None:
    """Print the JSON Schema of the manifests, so that an editor can check and complete them.

    For editors with the YAML language server: # yaml-language-server: $schema=FILE
    """
    from reconciler.manifests.editor_schema import make_json_schema

    Console().print_document(make_json_schema())
