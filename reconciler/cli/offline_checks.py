"""What Stack and environment lack for the models that are declared, as far as it is known offline."""

from __future__ import annotations

from reconciler import http
from reconciler.cli.stack_addresses import ensure_trusted
from reconciler.errors import Diagnostic, ManifestError
from reconciler.manifests import Loaded
from reconciler.model import Desired
from reconciler.settings import Settings


def check(loaded: Loaded, settings: Settings) -> tuple[Diagnostic, ...]:
    """The warnings that `validate` adds to those of the manifests.

    Args:
        loaded: the manifests.
        settings: of the environment: they name what a Stack leaves out.

    Raises:
        ManifestError: a file must be uploaded and no bucket is named for it, or the Stack names an address
            that no credential may go to.
    """
    from reconciler.providers.vertex.fields import LOCATION, PROJECT, TUNING_JOB

    stack = loaded.stack
    if stack.endpoint:
        ensure_trusted(stack, "spec.endpoint", settings)
    if stack.state and "RECONCILER_STATE" not in settings:
        ensure_trusted(stack, "spec.state", settings)
    url = stack.endpoint or settings.get("GOOGLE_VERTEX_BASE_URL", "")
    if url and http.is_loopback(url):
        return ()  # an emulator needs none of them
    jobs = [one for one in loaded.desired if one.address.kind == TUNING_JOB.name]
    homeless = [] if stack.bucket else [_without_bucket(one) for one in jobs if _is_uploaded(one)]
    if homeless:
        raise ManifestError([*homeless, *loaded.warnings])
    named = {
        PROJECT: stack.project or settings.get("GOOGLE_CLOUD_PROJECT", ""),
        LOCATION: stack.location or settings.get("GOOGLE_CLOUD_LOCATION", ""),
    }
    return tuple(
        _unnamed(one, path)
        for one in jobs
        for path, default in named.items()
        if not (default or one.attributes.get(path))
    )


def _is_uploaded(one: Desired) -> bool:
    return any(not data.uri for data in one.data)


def _without_bucket(one: Desired) -> Diagnostic:
    data = next(data for data in one.data if not data.uri)
    line, column = one.places.get(data.field, (one.line, None))
    return Diagnostic(
        f"{data.shown} must be uploaded, and no bucket is named for it",
        "Set the Stack's spec.bucket: gs://BUCKET/PREFIX, or upload it and write its gs:// address.",
        one.file,
        line,
        column,
        address=str(one.address),
    )


def _unnamed(one: Desired, path: str) -> Diagnostic:
    what = path.partition(".")[2]
    return Diagnostic(
        f"no {what} is named for it: plan will refuse it",
        f"Set GOOGLE_CLOUD_{what.upper()}, the Stack's spec.{what}, or metadata.{what}.",
        one.file,
        one.line,
        severity="warning",
        address=str(one.address),
    )
