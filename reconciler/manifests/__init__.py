"""Reads manifests: YAML to what is desired, all problems at once with their places.

The one door to yaml and pydantic. Rule: this module is light, so that `--help` pays for neither; submodules
do the work, and are imported when it is asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from reconciler.kind import Kind
from reconciler.manifests.loaded import Loaded, Names
from reconciler.model import Address

__all__ = ["Loaded", "Names"]


def load(
    paths: Sequence[str],
    *,
    kinds: Mapping[str, Kind],
    variables: Mapping[str, str],
    allow_empty: bool = False,
) -> Loaded:
    """Read manifests, and measure their training data.

    A file as path only selects; the Stack that belongs to it is looked for beside it and above.

    Args:
        paths: folders (searched for *.yaml and *.yml) and files.
        kinds: the kinds of model with their field tables.
        variables: those of the command line; they win over the Stack's.
        allow_empty: it is no error to find no manifest at all (`destroy`).

    Raises:
        ManifestError: carries every problem of every file, sorted by file and line.
        UsageError: a path does not exist or cannot be searched.
    """
    from reconciler.manifests.loading import load as load_manifests

    return load_manifests(paths, kinds=kinds, variables=variables, allow_empty=allow_empty)


def load_settings(
    paths: Sequence[str], *, kinds: Mapping[str, Kind], variables: Mapping[str, str], selecting: bool = False
) -> Loaded:
    """The Stack alone, and no model: for commands that work on what is recorded.

    Other documents may be wrong, so that a half-written manifest does not stop a program that asks for the
    name of its model.

    Args:
        paths: folders and files, as for `load`; it is no error to find no manifest.
        kinds: the kinds of model with their field tables.
        variables: those of the command line.
        selecting: a folder only selects too, so its Stack may stand above it.

    Raises:
        ManifestError: the Stack is wrong, or none could be read and a file that may hold it is broken.
        UsageError: a path does not exist or cannot be searched.
    """
    from reconciler.manifests.loading import load_settings as load_stack

    return load_stack(paths, kinds=kinds, variables=variables, selecting=selecting)


def load_names(paths: Sequence[str], *, kinds: Mapping[str, Kind], variables: Mapping[str, str]) -> Names:
    """The declared addresses with their labels: to select among what is recorded.

    A manifest may be wrong, as long as its file is YAML.

    Args:
        paths: folders and files, as for `load`.
        kinds: the kinds of model with their field tables.
        variables: those of the command line and of the Stack.

    Raises:
        ManifestError: a file cannot be read, so that nobody knows what it declares; or there is no manifest.
        UsageError: a path does not exist or cannot be searched.
    """
    from reconciler.manifests.loading import load_names as load_declared

    return load_declared(paths, kinds=kinds, variables=variables)


def find_named_elsewhere(
    records: Iterable[tuple[str, Address]], read: Sequence[str], paths: Sequence[str]
) -> frozenset[Address]:
    """The recorded addresses that a manifest which was not read still names; see `trees`."""
    from reconciler.manifests.trees import find_named_elsewhere as find

    return find(records, read, paths)


def parse_variables(flags: Sequence[str], files: Sequence[str], environ: Mapping[str, str]) -> dict[str, str]:
    """The variables of a command line: K=V flags win over files, those over RECONCILER_VAR_name.

    Args:
        flags: K=V each; a later one wins.
        files: YAML or JSON mappings of single values, or K=V lines; a later file wins.
        environ: the process's environment.

    Raises:
        UsageError: a flag without "=", a name that is none, or a file that cannot be read as one.
    """
    from reconciler.manifests.variables import parse_variables as parse

    return parse(flags, files, environ)


def make_json_schema() -> dict[str, object]:
    """The JSON Schema (draft 2020-12) of a manifest of any kind, for editors."""
    from reconciler.manifests.editor_schema import make_json_schema as schema

    return schema()
