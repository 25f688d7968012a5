"""`reconciler schema`."""

from __future__ import annotations

import click

from reconciler.cli.console import Console


@click.command("schema")
def command() -> None:
    """Print the JSON Schema of the manifests.

    For editors with the YAML language server: # yaml-language-server: $schema=FILE
    """
    from reconciler.manifests import json_schema

    Console().document(json_schema())
