"""What tunedModels.create takes, refuses and answers."""

import re
from typing import Any

import pytest

from tests.emulator.conftest import EXAMPLES, Api, body

CREATE = ("POST", "v1beta/tunedModels")


def test_first_answer_is_the_tutorials(api: Api) -> None:
    """A create answers with an operation of three keys. It is not done, and nothing is completed."""
    operation = api.create()
    name = operation["metadata"]["tunedModel"]
    assert re.fullmatch(r"tunedModels/number-generator-[a-z0-9]{12}", name)
    assert re.fullmatch(name + r"/operations/[a-z0-9]{12}", operation["name"])
    assert operation == {
        "name": operation["name"],
        "metadata": {
            "@type": ("type.googleapis.com/google.ai.generativelanguage.v1beta.CreateTunedModelMetadata"),
            "totalSteps": 19,
            "tunedModel": name,
        },
    }


@pytest.mark.parametrize(
    ("examples", "epochs", "batch", "steps"), [(15, 5, 2, 38), (15, 5, 4, 19), (15, 100, 4, 375)]
)
def test_total_steps_are_batches_rounded_up(
    api: Api, examples: int, epochs: int, batch: int, steps: int
) -> None:
    """The step counts seen in Google's documents come out of their own numbers."""
    asked = body(pairs=EXAMPLES[:examples])
    asked["tuningTask"]["hyperparameters"] = {"epochCount": epochs, "batchSize": batch}
    assert api.ok(*CREATE, json=asked)["metadata"]["totalSteps"] == steps


def test_snake_and_camel_are_the_same(api: Api) -> None:
    """Body and query keys are read in either spelling, and answered in camelCase."""
    snake = """{
      "display_name": "n", "base_model": "models/gemini-1.0-pro-001", "top_p": 0.5,
      "tuning_task": {"hyperparameters": {"epoch_count": "7", "learning_rate": "0.002",},
        "training_data": {"examples": {"examples": [{"text_input": "1", "output": "2",},]}}},
      "reader_project_numbers": ["12345678901234567890"],}"""
    assert api.refused(*CREATE, data=snake)[1] == "INVALID_ARGUMENT"
    fits = snake.replace("12345678901234567890", "1234567890123456789")
    made = api.ok("POST", "v1beta/tunedModels?tuned_model_id=snake", data=fits)
    assert made["metadata"]["tunedModel"] == "tunedModels/snake"
    model = api.ok("GET", "v1beta/tunedModels/snake")
    assert model["displayName"] == "n"
    assert model["topP"] == 0.5
    assert model["tuningTask"]["hyperparameters"]["epochCount"] == 7
    assert model["tuningTask"]["hyperparameters"]["learningRate"] == 0.002
    assert model["readerProjectNumbers"] == ["1234567890123456789"]


def test_output_only_fields_are_ignored(api: Api) -> None:
    """A name, a state and times in the body change nothing."""
    api.create("mine", name="tunedModels/other", state=2, createTime="2001-01-01T00:00:00Z")
    model = api.ok("GET", "v1beta/tunedModels/mine")
    assert model["name"] == "tunedModels/mine"
    assert model["state"] == "CREATING"
    assert model["createTime"] > "2002"


def test_unknown_keys_are_named(api: Api) -> None:
    """Each unknown key is reported with its place, in Google's words."""
    asked = body(displayname="x")
    asked["tuningTask"]["trainingData"]["examples"]["examples"][1]["text"] = "y"
    code, status, message = api.refused(*CREATE, json=asked)
    assert (code, status) == (400, "INVALID_ARGUMENT")
    assert message == (
        'Invalid JSON payload received. Unknown name "text" at \'tuned_model.tuning_task.'
        "training_data.examples.examples[1]': Cannot find field.\n"
        "Invalid JSON payload received. Unknown name \"displayname\" at 'tuned_model': "
        "Cannot find field."
    )


def test_unknown_query_parameters_are_refused(api: Api) -> None:
    """A parameter that the method does not have is a 400. System parameters are accepted."""
    assert "Cannot bind query parameter" in api.refused(*CREATE, params={"x": "1"}, json=body())[2]
    api.ok(*CREATE, params={"$alt": "json;enum-encoding=int", "key": "k"}, json=body())


@pytest.mark.parametrize(
    "change",
    [
        {"baseModel": ""},
        {"baseModel": "gemini-1.0-pro-001"},
        {"pairs": []},
        {"pairs": [("a", "")]},
        {"pairs": [("", "b")]},
        {"pairs": [("a" * 40_001, "b")]},
        {"pairs": [("a", "b" * 5_001)]},
        {"displayName": "x" * 41},
        {"temperature": 1.1},
        {"temperature": "warm"},
        {"topP": -0.1},
        {"topK": 0},
        {"topK": 2**31},
        {"displayName": 7},
        {"displayName": ["x"]},
        {"description": "\ud800"},
        {"state": "DONE"},
        {"tuningTask": "x"},
        {"base_model": "models/gemini-1.0-pro-001"},
        {"tunedModelSource": {"tunedModel": "tunedModels/x"}},
        {"tuningTask": {"hyperparameters": {"learningRate": 1, "learningRateMultiplier": 1}}},
    ],
)
def test_bad_fields_are_refused(api: Api, change: dict[str, Any]) -> None:
    """An impossible value is a 400 INVALID_ARGUMENT, and no model is made."""
    assert api.refused(*CREATE, json=body(**change))[:2] == (400, "INVALID_ARGUMENT")
    assert api.ok("GET", "v1beta/tunedModels") == {}


@pytest.mark.parametrize("name", ["epochCount", "batchSize", "learningRate"])
def test_hyperparameters_are_positive(api: Api, name: str) -> None:
    """No hyperparameter may be zero."""
    asked = body()
    asked["tuningTask"]["hyperparameters"] = {name: 0}
    assert api.refused(*CREATE, json=asked)[0] == 400


def test_long_display_names_get_no_hint(api: Api) -> None:
    """More than forty characters get Google's bare sentence. Forty are accepted."""
    assert api.refused(*CREATE, json=body(displayName="x" * 41)) == (
        400,
        "INVALID_ARGUMENT",
        "Request contains an invalid argument.",
    )
    api.create(displayName="x" * 40)


@pytest.mark.parametrize(
    "text", ["{", '{"\\ud800": 1}', "[]", "7", "nan", '{"a": NaN}', '{"a" 1}', "\xff", "[" * 9999]
)
def test_what_is_not_a_json_object_is_refused(api: Api, text: str) -> None:
    """A body that is not JSON, or not an object, is a 400 and never a 500."""
    assert api.refused(*CREATE, data=text.encode("latin-1"))[:2] == (400, "INVALID_ARGUMENT")


def test_commas_inside_texts_stay(api: Api) -> None:
    """Trailing commas are ignored, and commas in texts stay."""
    text = '{"display_name": "a,]", "base_model": "models/gemini-1.0-pro-001", "description": ",}",'
    rest = '"tuning_task": {"training_data": {"examples": {"examples": [{"text_input": "\\",]",'
    api.ok(*CREATE, params={"tunedModelId": "m"}, data=text + rest + '"output": "x,\\\\",},],},},},}')
    model = api.ok("GET", "v1beta/tunedModels/m")
    assert (model["displayName"], model["description"]) == ("a,]", ",}")


@pytest.mark.parametrize("bad", ["A", "1a", "a_b", "a-", "a" * 41, "a.b", "ä"])
def test_bad_ids_are_refused(api: Api, bad: str) -> None:
    """An id is lower case, begins with a letter, and has at most forty characters."""
    assert api.refused(*CREATE, params={"tunedModelId": bad}, json=body())[0] == 400


def test_an_id_is_taken_once(api: Api) -> None:
    """A second creation with the id is a 409, and the first model is untouched."""
    api.create("a" * 40)
    before = api.ok("GET", f"v1beta/tunedModels/{'a' * 40}")
    code, status, _ = api.refused(*CREATE, params={"tunedModelId": "a" * 40}, json=body(displayName="second"))
    assert (code, status) == (409, "ALREADY_EXISTS")
    assert api.ok("GET", f"v1beta/tunedModels/{'a' * 40}") == before


@pytest.mark.parametrize("name", ["", "42", "ÄÖÜ", "A Very Long Name: with signs & all of 40 char"[:40]])
def test_generated_ids_are_valid(api: Api, name: str) -> None:
    """Whatever the display name, the generated id keeps the rules for ids."""
    made = api.create(displayName=name)["metadata"]["tunedModel"]
    assert re.fullmatch(r"tunedModels/[a-z]([a-z0-9-]{0,38}[a-z0-9])?", made)


def test_gaps_are_filled_from_the_base(api: Api) -> None:
    """Temperature, topP, topK and hyperparameters that are left out are shown with their defaults."""
    api.create("m", tuningTask={"trainingData": body()["tuningTask"]["trainingData"]})
    model = api.ok("GET", "v1beta/tunedModels/m")
    assert (model["temperature"], model["topP"], model["topK"]) == (0.9, 1.0, 1)
    assert model["tuningTask"]["hyperparameters"] == {
        "epochCount": 5,
        "batchSize": 4,
        "learningRate": 0.001,
    }


def test_zero_temperature_is_not_a_gap(api: Api) -> None:
    """A temperature of zero is a value, and is shown."""
    api.create("m", temperature=0)
    assert api.ok("GET", "v1beta/tunedModels/m")["temperature"] == 0


def test_training_data_is_never_returned(api: Api) -> None:
    """No answer about a model has its examples, before or after the training."""
    api.create("m", pairs=[("a-secret-input", "a-secret-output")])
    for _ in range(2):
        operation = api.ok("GET", "v1beta/tunedModels/m/operations")
        answers = (operation, api.ok("GET", "v1beta/tunedModels/m"), api.ok("GET", CREATE[1]))
        assert "secret" not in str(answers)
        assert "trainingData" not in str(answers)
        api.advance(11)


def test_a_tuned_model_can_be_tuned(api: Api) -> None:
    """An ACTIVE source is accepted. The answer names it and its base model."""
    api.create("first")
    asked = body(tunedModelSource={"tunedModel": "tunedModels/first", "baseModel": "models/x"})
    del asked["baseModel"]
    assert api.refused(*CREATE, json=asked)[1] == "FAILED_PRECONDITION"
    api.advance(11)
    api.ok(*CREATE, params={"tunedModelId": "second"}, json=asked)
    model = api.ok("GET", "v1beta/tunedModels/second")
    assert "baseModel" not in model
    assert model["tunedModelSource"] == {
        "tunedModel": "tunedModels/first",
        "baseModel": "models/gemini-1.0-pro-001",
    }
    asked["tunedModelSource"] = {"tunedModel": "tunedModels/none"}
    assert api.refused(*CREATE, json=asked)[0] == 404


def test_four_megabytes_are_the_limit(api: Api) -> None:
    """A body over 4 MB is a 400 in Google's words. A body just below that is read."""
    filler = " " * (4 * 1024 * 1024)
    code, status, message = api.refused(*CREATE, data=filler + "{}")
    assert (code, status) == (400, "INVALID_ARGUMENT")
    assert message == "Request payload size exceeds the limit: 4194304 bytes."
    assert "source model" in api.refused(*CREATE, data=filler[:-2] + "{}")[2]


def test_v1_has_no_tuned_models(api: Api) -> None:
    """Create, get, list, patch and delete under /v1 are the front end's 404, not JSON."""
    api.create("m")
    for method, path in (
        CREATE,
        ("GET", "v1beta/tunedModels"),
        ("GET", "v1beta/tunedModels/m"),
        ("PATCH", "v1beta/tunedModels/m"),
        ("DELETE", "v1beta/tunedModels/m"),
    ):
        response = api.call(method, path.replace("v1beta", "v1"), json={})
        assert response.status_code == 404
        assert response.headers["content-type"].startswith("text/html")
    assert api.ok("GET", "v1alpha/tunedModels/m")["name"] == "tunedModels/m"
