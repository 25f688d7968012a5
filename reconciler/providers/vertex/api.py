"""Describes Vertex AI to the command line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from reconciler.errors import Diagnostic, Severity, UsageError
from reconciler.model.desired import Desired
from reconciler.model.stack import Stack
from reconciler.providers.api import Api, Setup, Target, find_service
from reconciler.providers.google.settings import LOGIN_VARIABLES, PROJECT_VARIABLE, SERVICE, TRUSTED_HOSTS
from reconciler.providers.vertex.fields import LOCATION, MODEL_COPY, PROJECT, TUNING_JOB
from reconciler.providers.vertex.starter import STARTER
from reconciler.settings import Settings
from reconciler.settings.hosts import is_loopback

if TYPE_CHECKING:
    from reconciler.http import Transport
    from reconciler.providers import Provider
    from reconciler.providers.vertex.regions import Regions

ENDPOINT_VARIABLE = "GOOGLE_VERTEX_BASE_URL"
BUCKETS_VARIABLE = "STORAGE_EMULATOR_HOST"
LOCATION_VARIABLE = "GOOGLE_CLOUD_LOCATION"

_SCOPES = "https://www.googleapis.com/auth/cloud-platform"
_LOCAL_PROJECT, _LOCAL_LOCATION, _LOCAL_BUCKET = "local", "us-central1", "gs://reconciler"
"""The defaults on a loopback address, where the user does not have to set them."""


class VertexConnection:
    """Implements `providers.api.Connection` for tuning jobs, and for copies of their models."""

    def __init__(self, setup: Setup) -> None:
        environ, stack = setup.environ, setup.stack
        self._setup = setup
        self._url = setup.emulator or setup.endpoint or environ.get(ENDPOINT_VARIABLE, "")
        self._storage_url = "" if setup.emulator else environ.get(BUCKETS_VARIABLE, "")
        self.is_named = bool(self._url)
        self._is_local = is_loopback(self._url)
        local_project, local_location = (_LOCAL_PROJECT, _LOCAL_LOCATION) if self._is_local else ("", "")
        named = stack.project or environ.get(PROJECT_VARIABLE, "")
        self._paying_project = named
        self._project = named or local_project
        self.location = stack.location or environ.get(LOCATION_VARIABLE, "") or local_location

    @cached_property
    def _regions(self) -> Regions:
        from reconciler.providers.vertex.regions import Regions

        return Regions(
            project=self._project,
            location=self.location,
            open=self._open,
            base_url=self._url,
            storage_url=self._storage_url,
        )

    def _open(self, base_url: str) -> Transport:
        from reconciler.providers.google.connection import connect
        from reconciler.providers.vertex.regions import explain_host

        if base_url == self._storage_url:
            self._check_storage()
        environ = self._setup.environ
        return connect(
            base_url=base_url,
            environ=environ.override(RECONCILER_SCOPES=environ.get("RECONCILER_SCOPES") or _SCOPES),
            project=self._paying_project,
            api_keys=False,
            parallelism=self._setup.parallelism,
            stopping=self._setup.stopping,
            unreachable=explain_host(base_url),
        )

    def find_target(self, *, contact: bool) -> Target:
        """Find the target of the first location in use. Without contact, no location needs to be set."""
        from reconciler.providers.vertex.regions import find_host

        if not contact:
            url = self._url or find_host("global")
            return Target(url, find_service(url, SERVICE), self._project)
        if any(model.data for model in self._setup.desired):
            self._check_storage()
        places = [self._regions.place(*place) for place in _list_places(self._setup.desired)]
        # without a manifest, the name of a recorded model includes its location
        transport = self._regions.open_location(places[0][1] if places else "global")
        url = transport.base_url
        return Target(url, find_service(url, SERVICE), self._paying_project, transport.credential.description)

    def _check_storage(self) -> None:
        """Refuse data at another service than the jobs'. UsageError then."""
        if self._storage_url and is_loopback(self._storage_url) is not self._is_local:
            raise UsageError(
                f"{BUCKETS_VARIABLE}={self._storage_url} and the tuning jobs do not belong together: "
                "one is an emulator and the other is not, so jobs would not find their data",
                f"Unset {BUCKETS_VARIABLE}, or set {ENDPOINT_VARIABLE} to an emulator as well",
            )

    def open_providers(self) -> list[Provider]:
        """See `Connection`."""
        from reconciler.providers.vertex.bucket import Bucket
        from reconciler.providers.vertex.copies import CopyProvider
        from reconciler.providers.vertex.provider import VertexProvider

        stack, lag = self._setup.stack, self._setup.lag
        folder = stack.bucket or (_LOCAL_BUCKET if self._is_local else "")
        jobs, copies = (
            [model for model in self._setup.desired if model.address.kind == kind.name]
            for kind in (TUNING_JOB, MODEL_COPY)
        )
        return [
            VertexProvider(
                self._regions,
                Bucket(self._regions, folder, self._setup.tell),
                places=frozenset(_list_places(jobs)),
                tunable=stack.tunable_base_models,
                declared=stack.base_models,
                lag_seconds=lag,
            ),
            CopyProvider(
                self._regions,
                places=frozenset(_list_places(copies)),
                declared=frozenset(model.address.name for model in copies),
                lag_seconds=lag,
            ),
        ]

    def close(self) -> None:
        """Close every connection."""
        if "_regions" in vars(self):  # else none was opened
            self._regions.close()


def _list_places(desired: Iterable[Desired]) -> list[tuple[str, str]]:
    """List the (project, location) of each manifest, "" for a default."""
    return [
        (str(model.attributes.get(PROJECT, "")), str(model.attributes.get(LOCATION, ""))) for model in desired
    ]


def check(stack: Stack, settings: Settings, desired: Sequence[Desired]) -> Iterator[Diagnostic]:
    """Find what models lack: a bucket for uploads (an error), a project or location (a warning)."""
    url = stack.endpoint or settings.get(ENDPOINT_VARIABLE, "")
    if is_loopback(url):
        return  # an emulator needs none of these settings
    if not stack.bucket:
        yield from (
            _report_missing_bucket(model) for model in desired if not all(data.uri for data in model.data)
        )
    named = {
        PROJECT: stack.project or settings.get(PROJECT_VARIABLE, ""),
        LOCATION: stack.location or settings.get(LOCATION_VARIABLE, ""),
    }
    for model in desired:
        for path, default in named.items():
            if not (default or model.attributes.get(path)):
                yield _report_missing_place(model, path)


def _report_missing_bucket(model: Desired) -> Diagnostic:
    data = next(data for data in model.data if not data.uri)
    line, column = model.places.get(data.field, (model.line, None))
    return Diagnostic(
        f"{data.shown} must be uploaded, but no bucket is set",
        "Set the Stack's spec.bucket: gs://BUCKET/PREFIX, or upload it and write its gs:// address.",
        model.file,
        line,
        column,
        address=str(model.address),
    )


def _report_missing_place(model: Desired, path: str) -> Diagnostic:
    what = path.partition(".")[2]
    return Diagnostic(
        f"no {what} is set for {model.address}, but plan needs one",
        f"Set GOOGLE_CLOUD_{what.upper()}, the Stack's spec.{what}, or metadata.{what}.",
        model.file,
        model.line,
        severity=Severity.WARNING,
        address=str(model.address),
    )


VERTEX = Api(
    kinds=(TUNING_JOB, MODEL_COPY),
    service=SERVICE,
    hosts=("aiplatform.googleapis.com", "*-aiplatform.googleapis.com", "aiplatform.*.rep.googleapis.com"),
    trusted_hosts=TRUSTED_HOSTS,
    endpoint_variable=ENDPOINT_VARIABLE,
    project_variable=PROJECT_VARIABLE,
    variables=LOGIN_VARIABLES | {ENDPOINT_VARIABLE, BUCKETS_VARIABLE},
    is_emulated=True,
    connect=VertexConnection,
    check=check,
    starter=STARTER,
)
