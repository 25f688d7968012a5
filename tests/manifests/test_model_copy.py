"""`kind: ModelCopy` in manifests: where the model comes from, and the endpoint that it has by default."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from reconciler.errors import Diagnostic
from reconciler.identity import digest_manifest
from reconciler.manifests import Loaded
from reconciler.model.checks import Check
from reconciler.model.desired import Desired, Lifecycle, StateSource
from reconciler.model.endpoint import Serving
from reconciler.model.names import Address
from reconciler.providers.vertex.fields import MODEL_COPY

GOOD = Path(__file__).parent.parent / "cases" / "manifests" / "good" / "model-copy.yaml"
MODEL = "{model: projects/p/locations/l/models/m@1}"
COPY = """\
apiVersion: reconciler/v1
kind: ModelCopy
metadata: {name: support, location: europe-west4}
spec: {source: {model: projects/p/locations/l/models/m@1}}
"""
JOB = """\
apiVersion: reconciler/v1
kind: TuningJob
metadata: {name: support}
spec: {base_model: gemini-3.1-flash-lite, supervised_tuning_spec: {training_dataset_uri: data/numbers.jsonl}}
"""

Load = Callable[..., Loaded]
Refused = Callable[..., list[Diagnostic]]


def _load(text: str, workspace: Path, load_manifests: Load) -> dict[str, Desired]:
    (workspace / "manifests" / "case.yaml").write_text(text, encoding="utf-8")
    return {str(model.address): model for model in load_manifests().desired}


def test_a_copy_is_read_as_meant(workspace: Path, load_manifests: Load) -> None:
    """A copy has no data. Its source is one text, and beside it the other state if it is recorded there."""
    found = _load(GOOD.read_text(encoding="utf-8"), workspace, load_manifests)
    support, between, gate, named = (
        found[f"ModelCopy/{name}"] for name in ("support", "between", "gate", "named")
    )
    assert support.attributes == {
        "source": "state gs://acme-dev/models, workspace blue: TuningJob/support",
        "custom_service_account": "exporter@acme-dev.iam.gserviceaccount.com",
        "encryption_spec.kms_key_name": "projects/p/locations/l/keyRings/r/cryptoKeys/k",
        "metadata.project": "acme-prod",
        "metadata.location": "europe-west4",
    }
    assert support.elsewhere == StateSource("gs://acme-dev/models", "blue", Address("TuningJob", "support"))
    assert (support.data, support.imports) == ((), "support-aaaaaaaa")
    assert support.checks == (Check("1", "2"),)
    assert support.lifecycle == Lifecycle(prevent_destroy=True, keep_deposed=timedelta(hours=1))
    assert (between.attributes["source"], between.elsewhere) == ("ModelCopy/support", None)
    assert gate.attributes["source"] == "projects/acme-dev/locations/us-central1/models/8765@2"
    assert named.elsewhere == StateSource("../dev/state", "default", Address("ModelCopy", "support"))


def test_a_copy_has_an_endpoint_of_its_name_by_default(workspace: Path, load_manifests: Load) -> None:
    """Without an endpoint in the manifest it is the copy's name; `endpoint: none` is none."""
    found = _load(GOOD.read_text(encoding="utf-8"), workspace, load_manifests)
    assert {address: model.serving for address, model in found.items()} == {
        "ModelCopy/support": Serving("support", is_default=True),
        "ModelCopy/between": None,
        "ModelCopy/gate": Serving("gate", drain=timedelta(seconds=10), is_default=True),
        "ModelCopy/named": Serving("front", location="europe-west4", adopt=True),
    }


@pytest.mark.parametrize(
    ("serving", "collides"),
    [
        ("{endpoint: support}", False),
        ("{endpoint: support, location: europe-west4}", True),
        ("{endpoint: other, location: europe-west4}", False),
    ],
)
def test_the_default_endpoint_is_one_address_s_own_where_the_copy_is(
    serving: str, workspace: Path, load_manifests: Load, refused: Refused, *, collides: bool
) -> None:
    """An endpoint of the same id is another one in another location, and a mistake in the same."""
    text = f"{COPY}---\n{JOB}serving: {serving}\n"
    (workspace / "manifests" / "case.yaml").write_text(text, encoding="utf-8")
    if not collides:
        assert len(load_manifests().desired) == 2
        return
    (problem,) = refused()
    assert problem.summary == (
        "TuningJob/support and ModelCopy/support have one endpoint, 'support', "
        "first at manifests/case.yaml:3:18"
    )


def test_the_digest_of_a_copy_holds_its_source(workspace: Path, load_manifests: Load) -> None:
    """A saved plan notices another state, workspace, address or model, and no comment."""
    sources = (
        MODEL,
        "{model: projects/p/locations/l/models/m@2}",
        "{state: a, address: TuningJob/support}",
        "{state: b, address: TuningJob/support}",
        "{state: b, workspace: blue, address: TuningJob/support}",
        "{state: b, address: ModelCopy/support}",
    )
    texts = [COPY.replace(MODEL, source) for source in sources]
    copies = [
        _load(text, workspace, load_manifests)["ModelCopy/support"]
        for text in (*texts, f"# a comment\n{texts[0]}")
    ]
    *digests, commented = [digest_manifest(copy, MODEL_COPY) for copy in copies]
    assert len(set(digests)) == len(sources)
    assert commented == digests[0]


def test_a_variable_fills_in_the_state(workspace: Path, load_manifests: Load) -> None:
    """One manifest serves several stacks: the state to copy from may be a variable."""
    text = COPY.replace(MODEL, "{state: '${var.from}', address: TuningJob/a}")
    (workspace / "manifests" / "case.yaml").write_text(text, encoding="utf-8")
    (model,) = load_manifests(variables={"from": "gs://acme-dev/models"}).desired
    assert model.elsewhere == StateSource("gs://acme-dev/models", "default", Address("TuningJob", "a"))
