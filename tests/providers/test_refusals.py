"""A refused create: which value the service means, and whose it is."""

from __future__ import annotations

import pytest

from reconciler.errors import InvalidArgumentError, NotFoundError, ServiceError, UnavailableError
from reconciler.model.names import Attributes
from reconciler.providers.gemini.fields import TUNED_MODEL
from reconciler.providers.google.refusals import Asked, explain
from reconciler.providers.vertex.fields import TUNING_JOB

SIZE = "supervised_tuning_spec.hyper_parameters.adapter_size"
DECLARED: Attributes = {"base_model": "gemini-3.1-flash-lite", "tuned_model_display_name": "Bot"}
PLACE = "project p, location us-central1"


def asked(**declared: str) -> Asked:
    """A TuningJob with these hyperparameters."""
    spec = "supervised_tuning_spec"
    hyperparameters = {f"{spec}.hyper_parameters.{name}": value for name, value in declared.items()}
    made = {"reconciler_id": "the label is bot-aaaaaaaa, made from metadata.name"}
    return Asked(TUNING_JOB, {**DECLARED, **hyperparameters}, "gemini-3.1-flash-lite", made, PLACE, spec)


def refused(said: str) -> InvalidArgumentError:
    """A 400 with these words."""
    return InvalidArgumentError("refused", "as before", status=400, reason="INVALID_ARGUMENT", said=said)


@pytest.mark.parametrize(
    ("said", "advice"),
    [
        (
            "The adapter size is not supported for this base model.",
            f"spec.{SIZE}, which this manifest does not set: it is the service's own default, and spec.",
        ),
        (
            "Invalid value at 'supervisedTuningSpec.hyperParameters.epochCount'",
            "epoch_count, which this manifest",
        ),
        (
            "learning_rate_multiplier must be above 0",
            "learning_rate_multiplier, which this manifest does not set",
        ),
        (
            "Invalid label value for key reconciler_id",
            "reconciler_id, which is not in the manifest: the label is",
        ),
        ("Location global is not supported", f"the Stack or the environment ({PLACE})"),
        (
            "Base model x is not supported in location global",
            "spec.base_model, which is 'gemini-3.1-flash-lite'",
        ),
        ("Something else is wrong", "as before"),
    ],
)
def test_a_400_names_the_value_and_whose_it_is(said: str, advice: str) -> None:
    """Advice says whether the value is the manifest's, a default of the service, or made by us."""
    assert advice in explain(refused(said), asked()).detail


def test_a_declared_value_is_called_that() -> None:
    """What the manifest sets is not called a default."""
    detail = explain(
        refused("The adapter size is not supported."), asked(adapter_size="ADAPTER_SIZE_TWO")
    ).detail
    assert f"spec.{SIZE}, which is 'ADAPTER_SIZE_TWO' in the manifest" in detail
    assert "default" not in detail


def test_a_404_of_a_create_names_what_can_be_missing() -> None:
    """It says to check base model, place and access, and never that another apply would help."""
    error = NotFoundError(
        "refused", "", status=404, reason="NOT_FOUND", said="Publisher Model x was not found"
    )
    found = explain(error, asked())
    assert (type(found), found.status, found.summary) == (NotFoundError, 404, "refused")
    for word in ("base_model (gemini-3.1-flash-lite)", PLACE, "access"):
        assert word in found.detail
    assert "pply again" not in found.detail


def test_a_404_of_the_gemini_api_names_the_other_kind() -> None:
    """That API has no base model to tune, so the way out is the other kind."""
    error = NotFoundError("refused", "", status=404)
    given = Asked(TUNED_MODEL, {"base_model": "models/x"}, "models/x", {})
    assert "declare kind: TuningJob" in explain(error, given).detail


def test_what_is_no_refusal_of_a_value_is_left_alone() -> None:
    """A failure of another sort keeps its advice."""
    error: ServiceError = UnavailableError("down", "wait", status=503)
    assert explain(error, asked()) is error
