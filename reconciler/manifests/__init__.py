"""Reads manifests: YAML to desired models. Reports all problems at once, each with its place.

Only this package uses yaml and pydantic. Rule: this module imports neither, so that `--help` stays fast.
`loading` and `editor_schema` import both: import these two modules in the function that calls them.
"""

from reconciler.manifests.loaded import Loaded, Names
from reconciler.manifests.trees import find_named_elsewhere
from reconciler.manifests.variables import parse_variables

__all__ = ["Loaded", "Names", "find_named_elsewhere", "parse_variables"]
