"""Reads manifests: YAML to what is desired, all problems at once with their places.

The one door to yaml and pydantic. Rule: what this module exports is light, so that `--help` pays for neither
library. `loading` and `editor_schema` need them: import these two in the function that calls them.
"""

from reconciler.manifests.loaded import Loaded, Names
from reconciler.manifests.trees import find_named_elsewhere
from reconciler.manifests.variables import parse_variables

__all__ = ["Loaded", "Names", "find_named_elsewhere", "parse_variables"]
