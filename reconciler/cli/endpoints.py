"""Which service answers for which kind, and as whom it is asked.

Each kind has its own endpoint; those that a set of manifests uses must be of one sort, Google's or an
emulator's, because its state is.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from functools import cached_property
from urllib.parse import urlsplit

from reconciler import http
from reconciler.cli.stack_addresses import ensure_trusted
from reconciler.errors import UsageError
from reconciler.events import Uploading
from reconciler.http import Target, Transport
from reconciler.manifests import Loaded
from reconciler.model import LAG_SECONDS
from reconciler.providers import Provider
from reconciler.providers.vertex.regions import Regions
from reconciler.settings import Settings

TUNED_MODEL, TUNING_JOB = "TunedModel", "TuningJob"

_GEMINI_HOST = "generativelanguage.googleapis.com"
_VERTEX_SCOPES = "https://www.googleapis.com/auth/cloud-platform"
_LOCAL_PROJECT, _LOCAL_LOCATION = "local", "us-central1"
"""What stands for project and location on a loopback address, where nobody has to name one."""


class Services:
    """The services of one run; nothing is sent and no credential is looked for before it is needed.

    Args:
        loaded: the manifests; of the Stack endpoint, project, location and bucket.
        environ: the environment variables.
        used: the kinds of model that the run asks a service for; none where it asks nobody.
        emulator: the address of the emulator of --emulator, "" without it.
        parallelism: how many threads will call at once.
        stopping: whether the run is being stopped.
        tell: shows how far an upload is.

    Attributes:
        lag: seconds for which what was accepted may be invisible.

    Raises:
        UsageError: a setting of the environment is not what it must be.
    """

    def __init__(
        self,
        loaded: Loaded,
        environ: Settings,
        *,
        used: Collection[str],
        emulator: str,
        parallelism: int,
        stopping: Callable[[], bool],
        tell: Callable[[Uploading], None],
    ) -> None:
        self._loaded = loaded
        self._environ = environ
        self._used = used
        self._emulator = emulator
        self._parallelism = parallelism
        self._stopping = stopping
        self._tell = tell
        self.lag = http.seconds_of(environ, "RECONCILER_LAG_SECONDS", LAG_SECONDS)
        self._opened: list[Transport] = []

    def target(self, *, contact: bool) -> Target:
        """Whom we talk to and as whom: every endpoint that is needed, else the one that is set.

        Args:
            contact: False looks for no credential.

        Raises:
            UsageError: the endpoints of two kinds are of two sorts.
            CredentialError: there is no usable credential.
        """
        found = [self._gemini.target if contact else self._gemini.destination] if self._mixed else []
        if TUNING_JOB in self._used or not found:
            found.append(self._vertex_target(contact=contact))
        first, *others = found
        for other in others:
            if other.service != first.service:
                raise UsageError(
                    f"{first.base_url} and {other.base_url} are not of one sort: one is an emulator",
                    "Set GOOGLE_GEMINI_BASE_URL and GOOGLE_VERTEX_BASE_URL both, or neither",
                )
            credentials = dict.fromkeys((first.credential, other.credential))
            urls = dict.fromkeys((first.base_url, other.base_url))
            first = replace(
                first,
                base_url=" and ".join(urls),
                credential=" and ".join(one for one in credentials if one),
                project=first.project or other.project,
            )
        return first

    def providers(self) -> dict[str, Provider]:
        """Kind name to provider."""
        from reconciler.providers.gemini.provider import GeminiProvider
        from reconciler.providers.vertex.bucket import Bucket
        from reconciler.providers.vertex.fields import LOCATION, PROJECT
        from reconciler.providers.vertex.provider import VertexProvider

        stack = self._loaded.stack
        regions = self._regions
        jobs = [want for want in self._loaded.desired if want.address.kind == TUNING_JOB]
        places = {
            (str(want.attributes.get(PROJECT, "")), str(want.attributes.get(LOCATION, ""))) for want in jobs
        }
        return {
            TUNED_MODEL: GeminiProvider(self._gemini, lag_seconds=self.lag),
            TUNING_JOB: VertexProvider(
                regions,
                Bucket(regions, stack.bucket or self._local_bucket, self._tell),
                places=frozenset(places),
                tunable=stack.tunable_base_models,
                lag_seconds=self.lag,
            ),
        }

    def close(self) -> None:
        """Close every connection."""
        for one in self._opened:
            one.close()

    # ---------------------------------------------------------------- endpoints

    @cached_property
    def _endpoint(self) -> str:
        """The Stack's; ManifestError where a credential must not go there on its word."""
        if self._emulator or not self._loaded.stack.endpoint:
            return ""
        ensure_trusted(self._loaded.stack, "spec.endpoint", self._environ)
        return self._loaded.stack.endpoint

    def _open(self, base_url: str | None, environ: Settings, project: str) -> Transport:
        opened = http.connect(
            base_url=base_url,
            environ=environ,
            project=project,
            parallelism=self._parallelism,
            stopping=self._stopping,
        )
        self._opened.append(opened)
        return opened

    @cached_property
    def _gemini(self) -> Transport:
        endpoint = self._endpoint
        base_url = self._emulator or (endpoint if endpoint and not _is_vertex(endpoint) else None)
        return self._open(base_url, self._environ, self._loaded.stack.project or "")

    @cached_property
    def _vertex_url(self) -> str:
        """For every location; "" for Google's own hosts."""
        if self._emulator:
            return self._emulator
        if self._endpoint and _host(self._endpoint) != _GEMINI_HOST:
            return self._endpoint
        return self._environ.get("GOOGLE_VERTEX_BASE_URL", "")

    @cached_property
    def _storage_url(self) -> str:
        """For data sets; "" for the usual one."""
        return "" if self._emulator else self._environ.get("STORAGE_EMULATOR_HOST", "")

    @cached_property
    def _local(self) -> bool:
        return bool(self._vertex_url) and http.is_loopback(self._vertex_url)

    @cached_property
    def _local_bucket(self) -> str:
        return "gs://reconciler" if self._local else ""

    @cached_property
    def _project(self) -> str:
        named = self._loaded.stack.project or self._environ.get("GOOGLE_CLOUD_PROJECT", "")
        return named or (_LOCAL_PROJECT if self._local else "")

    @cached_property
    def _location(self) -> str:
        named = self._loaded.stack.location or self._environ.get("GOOGLE_CLOUD_LOCATION", "")
        return named or (_LOCAL_LOCATION if self._local else "")

    @property
    def location(self) -> str:
        """Where models are that name no location; "" where no kind that is used has one."""
        return self._location if TUNING_JOB in self._used else ""

    @cached_property
    def _regions(self) -> Regions:
        return Regions(
            project=self._project,
            location=self._location,
            open=self._open_vertex,
            base_url=self._vertex_url,
            storage_url=self._storage_url,
        )

    def _vertex_target(self, *, contact: bool) -> Target:
        """Of the first place that is needed; what is offline does not have to name one."""
        from reconciler.providers.vertex.fields import LOCATION, PROJECT
        from reconciler.providers.vertex.regions import host_of

        if not contact:
            url = self._vertex_url or host_of("global")
            return Target(url, http.service_of(url), self._project, credential="")
        want = next((one for one in self._loaded.desired if one.address.kind == TUNING_JOB), None)
        location = "global"  # of what is only recorded, the name says where it is
        if want is not None:
            _, location = self._regions.place(want.attributes.get(PROJECT), want.attributes.get(LOCATION))
        return self._regions.at(location).described(api_key=False)

    def _open_vertex(self, base_url: str) -> Transport:
        if self._storage_url and http.is_loopback(self._storage_url) is not self._local:
            raise UsageError(
                f"STORAGE_EMULATOR_HOST={self._storage_url} and the tuning jobs are not of one sort: one is "
                "an emulator, and jobs would not find their data",
                "Unset STORAGE_EMULATOR_HOST, or set GOOGLE_VERTEX_BASE_URL to an emulator as well",
            )
        ours = self._gemini.destination
        if http.service_of(base_url) != ours.service and self._mixed:
            raise UsageError(
                f"{ours.base_url} and {base_url} are not of one sort: one is an emulator",
                "Set GOOGLE_GEMINI_BASE_URL and GOOGLE_VERTEX_BASE_URL both, or neither",
            )
        scopes = self._environ.get("RECONCILER_SCOPES") or _VERTEX_SCOPES
        environ = self._environ.replaced(RECONCILER_SCOPES=scopes)
        project = "" if self._project == _LOCAL_PROJECT and self._local else self._project
        return self._open(base_url, environ, project)

    @property
    def _mixed(self) -> bool:
        """Whether the Gemini API is part of this run; where nobody is asked, whether it is named."""
        if self._used:
            return set(self._used) != {TUNING_JOB}
        return bool(self._environ.get("GOOGLE_GEMINI_BASE_URL")) or not self._vertex_url


def _host(url: str) -> str:
    return urlsplit(url).hostname or ""


def _is_vertex(url: str) -> bool:
    return _host(url).endswith(("aiplatform.googleapis.com", ".rep.googleapis.com"))
