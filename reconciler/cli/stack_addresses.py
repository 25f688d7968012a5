"""Which addresses of the Stack a command may use, as `settings.trust` decides; told with their place."""

from __future__ import annotations

from reconciler.errors import ManifestError
from reconciler.model import Stack
from reconciler.settings import Settings
from reconciler.settings.trust import Named, refusal

_NAMES = {
    "spec.endpoint": (
        "endpoint",
        "the Stack's endpoint",
        "set GOOGLE_GEMINI_BASE_URL or GOOGLE_VERTEX_BASE_URL instead",
    ),
    "spec.state": ("state", "the Stack's state", "give --state or set RECONCILER_STATE instead"),
}
"""Path to field, what it is, and how the environment or the command line says it."""


def must_be(stack: Stack, path: str, settings: Settings) -> None:
    """Refuse an address that only the Stack names and that no credential may go to.

    Args:
        stack: it may be somebody's pull request.
        path: of the field, which is set: "spec.endpoint".
        settings: who is trusted.

    Raises:
        ManifestError: with file and line.
        UsageError: RECONCILER_TRUSTED_HOSTS is no list of hosts.
    """
    field, what, instead = _NAMES[path]
    line, column = stack.places.get(path, (stack.line or None, None))
    named = Named(str(getattr(stack, field)), what, stack.file, line, column, instead)
    problem = refusal(named, settings)
    if problem is not None:
        raise ManifestError([problem])
