"""Answers read with Google's own protos, which refuse what they do not know."""

import importlib
import json
import warnings
from functools import cached_property
from typing import Any

import pytest
from google.protobuf import json_format

from tests.emulator.conftest import Api

MODEL = "v1beta/tunedModels/m"


class Protos:
    """Google's own messages. Only a worker that uses them spends the time to import them."""

    @cached_property
    def glm(self) -> Any:
        """The protos of the Gemini API."""
        with warnings.catch_warnings():
            # google.api_core warns that support for this version of Python will end.
            warnings.simplefilter("ignore", FutureWarning)
            return importlib.import_module("google.ai.generativelanguage_v1beta")

    @cached_property
    def operations(self) -> Any:
        """The protos of long-running operations."""
        return importlib.import_module("google.longrunning.operations_pb2")


PROTOS = Protos()


@pytest.fixture(params=["training", "trained", "failed", "tuned twice"])
def stage(request: pytest.FixtureRequest, api: Api) -> Api:
    """Return an emulator with the model m at a stage of its life."""
    if request.param == "failed":
        fail = {"code": 3, "message": "bad data"}
        api.control("faults", [{"train": "m", "fail": fail, "at": 0.5}])
    api.create("m", description="d", readerProjectNumbers=["7"], temperature=0.3)
    api.advance(5)
    if request.param != "training":
        api.advance(6)
    if request.param == "tuned twice":
        api.ok("DELETE", MODEL)
        api.create("first")
        api.advance(11)
        source = {"tunedModel": "tunedModels/first"}
        api.create("m", baseModel=None, tunedModelSource=source)
    return api


def strictly(kind: Any, answer: dict[str, Any]) -> Any:
    """Return *answer* read as *kind*; a field that *kind* does not have is an error."""
    return kind.from_json(json.dumps(answer), ignore_unknown_fields=False)


def test_models_are_protos(stage: Api) -> None:
    """Get and list give TunedModels at every stage. Written again, they are the same."""
    answer = stage.ok("GET", MODEL)
    model = strictly(PROTOS.glm.TunedModel, answer)
    assert model.name == "tunedModels/m"
    assert model.state.name == answer["state"]
    assert model.tuning_task.hyperparameters.epoch_count == 5
    assert not model.tuning_task.training_data
    again = json.loads(
        json_format.MessageToJson(PROTOS.glm.TunedModel.pb(model), always_print_fields_with_no_presence=False)
    )
    assert set(again) == set(answer)
    page = strictly(PROTOS.glm.ListTunedModelsResponse, stage.ok("GET", "v1beta/tunedModels"))
    assert [item for item in page.tuned_models if item.name == model.name] == [model]


def test_operations_are_protos(stage: Api) -> None:
    """An answer is an Operation, and its metadata and response have the types that they name."""
    listed = stage.ok("GET", "v1/tunedModels/m/operations")
    operations = json_format.ParseDict(
        listed, PROTOS.operations.ListOperationsResponse(), ignore_unknown_fields=False
    )
    operation = operations.operations[0]
    metadata = unpacked(operation.metadata, PROTOS.glm.CreateTunedModelMetadata)
    assert metadata.tuned_model == "tunedModels/m"
    assert metadata.total_steps == 19
    if operation.HasField("response"):
        assert operation.done
        model = unpacked(operation.response, PROTOS.glm.TunedModel)
        assert model == strictly(PROTOS.glm.TunedModel, stage.ok("GET", MODEL))
    elif operation.HasField("error"):
        assert (operation.done, operation.error.code) == (True, 3)
    else:
        assert not operation.done


def unpacked(packed: Any, kind: Any) -> Any:
    """Return what is in *packed*, which must be a *kind*."""
    message = kind.pb(kind())
    assert packed.Unpack(message)
    return kind.wrap(message)


def test_permissions_are_protos(api: Api) -> None:
    """A permission and a list of permissions fit the protos."""
    api.create("m")
    user = {"granteeType": "USER", "emailAddress": "x@example.com", "role": "WRITER"}
    made = strictly(PROTOS.glm.Permission, api.ok("POST", f"{MODEL}/permissions", json=user))
    assert (made.role.name, made.grantee_type.name) == ("WRITER", "USER")
    answer = api.ok("GET", f"{MODEL}/permissions")
    assert strictly(PROTOS.glm.ListPermissionsResponse, answer).permissions == [made]


def test_base_models_are_protos(api: Api) -> None:
    """Each model of the list is a Model with its limits and methods."""
    page = strictly(PROTOS.glm.ListModelsResponse, api.ok("GET", "v1beta/models"))
    for model in page.models:
        assert model.supported_generation_methods
        assert strictly(PROTOS.glm.Model, api.ok("GET", f"v1beta/{model.name}")) == model


def test_answers_are_protos(api: Api) -> None:
    """A response of a model is a GenerateContentResponse, and the usage adds up."""
    api.create("m")
    api.advance(11)
    prompt = {"contents": [{"parts": [{"text": "one"}]}]}
    answer = api.ok("POST", f"{MODEL}:generateContent", json=prompt)
    answer.pop("modelVersion")  # these protos are older than this field
    response = strictly(PROTOS.glm.GenerateContentResponse, answer)
    assert response.candidates[0].finish_reason.name == "STOP"
    usage = response.usage_metadata
    assert usage.total_token_count == usage.prompt_token_count + usage.candidates_token_count
