"""Clients that nobody here wrote, against the emulator."""

import os
import pathlib
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest

from tests.emulator.conftest import EXAMPLES, Api

REPOSITORY = pathlib.Path(__file__).parents[2]
BASE = "models/gemini-1.0-pro-001"


@pytest.fixture
def quick(start: Callable[..., Api]) -> Api:
    """Return an emulator in real time, where a training takes a moment."""
    return start(frozen=False, training_seconds=0.6)


@pytest.fixture
def old_sdk(quick: Api) -> Iterator[ModuleType]:
    """Return google-generativeai, its calls going to the emulator."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import google.generativeai as genai

        genai.configure(api_key="k", transport="rest", client_options={"api_endpoint": quick.url})
        yield genai


def create(genai: ModuleType, **options: Any) -> Any:
    """Start the tutorial's training."""
    return genai.create_tuned_model(
        source_model=BASE,
        training_data=[{"text_input": given, "output": output} for given, output in EXAMPLES],
        epoch_count=5,
        batch_size=4,
        learning_rate=0.001,
        **options,
    )


def test_old_sdk_creates_and_waits(old_sdk: ModuleType) -> None:
    """google-generativeai creates, follows the progress bar to its end, and has the model."""
    operation = create(old_sdk, id="old", display_name="by the old one")
    assert operation.metadata.total_steps == 19
    assert operation.metadata.tuned_model == "tunedModels/old"
    for _ in operation.wait_bar(disable=True):
        pass
    model = operation.result()
    assert model.name == "tunedModels/old"
    assert model.state.name == "ACTIVE"
    assert model.tuning_task.hyperparameters.batch_size == 4
    assert len(model.tuning_task.snapshots) == 19
    assert (model.temperature, model.top_k) == (pytest.approx(0.9), 1)
    again = old_sdk.get_operation(operation.operation.name)
    assert again.metadata.completed_percent == 100


def test_old_sdk_reads_and_changes(old_sdk: ModuleType, quick: Api) -> None:
    """google-generativeai lists, gets, updates by mask, tunes a tuned model, generates and deletes."""
    create(old_sdk, id="old", temperature=0.2).result(timeout=30)
    assert [model.name for model in old_sdk.list_tuned_models()] == ["tunedModels/old"]
    assert old_sdk.get_tuned_model("tunedModels/old").source_model == BASE
    changed = old_sdk.update_tuned_model("tunedModels/old", {"description": "told"})
    assert changed.description == "told"
    assert changed.temperature == pytest.approx(0.2)
    answer = old_sdk.GenerativeModel("tunedModels/old").generate_content("twenty two")
    assert answer.text == "twenty three"
    streamed = old_sdk.GenerativeModel("tunedModels/old").generate_content("eighty", stream=True)
    assert "".join(chunk.text for chunk in streamed) == "eighty one"
    operation = old_sdk.create_tuned_model(
        source_model="tunedModels/old", id="child", training_data=[("1", "2")]
    )
    child = operation.result(timeout=30)
    assert (child.source_model, child.base_model) == ("tunedModels/old", BASE)
    old_sdk.delete_tuned_model("tunedModels/old")
    with pytest.raises(Exception, match=r"404 .*: Tuned model tunedModels/old does not exist"):
        old_sdk.get_tuned_model("tunedModels/old")
    assert "createTunedModel" in old_sdk.get_base_model(BASE).supported_generation_methods
    assert quick.ok("GET", "v1beta/tunedModels")["tunedModels"][0]["name"] == "tunedModels/child"


def test_old_sdk_shares(old_sdk: ModuleType) -> None:
    """Permissions are created, listed, got, updated and deleted, and ownership is transferred."""
    create(old_sdk, id="old")
    permissions = old_sdk.get_tuned_model("tunedModels/old").permissions
    made = permissions.create(role="READER", grantee_type="USER", email_address="x@example.com")
    everyone = permissions.create(role="READER", grantee_type="EVERYONE")
    assert [p.name for p in permissions.list()] == [made.name, everyone.name]
    assert old_sdk.types.Permissions.get(made.name) == made
    made.update({"role": "WRITER"})
    assert old_sdk.types.Permissions.get(made.name).role.name == "WRITER"
    everyone.delete()
    assert len(list(permissions)) == 1
    permissions.transfer_ownership("y@example.com")
    assert [p.role.name for p in permissions] == ["WRITER", "OWNER"]


def test_old_sdk_tells_failures(old_sdk: ModuleType, quick: Api) -> None:
    """It raises a failed training with code and message. A taken id is a conflict."""
    from google.api_core import exceptions

    fail = {"code": 13, "message": "out of chips"}
    quick.control("faults", [{"train": "old", "fail": fail, "at": 0.5}])
    operation = create(old_sdk, id="old")
    with pytest.raises(exceptions.InternalServerError, match="out of chips"):
        operation.result(timeout=30)
    with pytest.raises(exceptions.Conflict):
        create(old_sdk, id="old")


NEW_SDK = """
import sys
from google import genai
from google.genai import types
url, version, full = sys.argv[1], sys.argv[2], sys.argv[3] == "full"
options = types.HttpOptions(base_url=url, api_version="v1beta")
client = genai.Client(api_key="k", vertexai=False, http_options=options)
assert genai.__version__.startswith(version), genai.__version__
if full:
    examples = [types.TuningExample(text_input="twenty two", output="twenty three")]
    config = types.CreateTuningJobConfig(
        epoch_count=5, batch_size=4, learning_rate=0.001, tuned_model_display_name="new")
    job = client.tunings.tune(base_model="models/gemini-1.0-pro-001",
        training_dataset=types.TuningDataset(examples=examples), config=config)
    assert job.state.name in ("JOB_STATE_QUEUED", "JOB_STATE_RUNNING"), job.state
    name = job.name
else:
    name = "tunedModels/old"
import time
for _ in range(100):
    job = client.tunings.get(name=name)
    if job.has_ended: break
    time.sleep(0.05)
assert job.has_succeeded, job.state
assert job.tuned_model.model == name
if full:
    assert name in [item.name for item in client.tunings.list()]
    assert name in [m.name for m in client.models.list(config={"query_base": False})]
assert client.models.get(model=name).name == name
bases = [m.name for m in client.models.list()]
assert "models/gemini-1.0-pro-001" in bases
assert "models/gemini-3.5-flash" not in bases, "it has left the Gemini API"
changed = client.models.update(model=name, config={"display_name": "other", "description": "d"})
assert (changed.display_name, changed.description) == ("other", "d")
answer = client.models.generate_content(model=name, contents="twenty two")
assert answer.text == "twenty three", answer
streamed = client.models.generate_content_stream(model=name, contents="twenty two")
assert "".join(chunk.text for chunk in streamed) == "twenty three"
client.models.delete(model=name)
try:
    client.models.get(model=name)
except genai.errors.ClientError as error:
    assert (error.code, error.status) == (404, "NOT_FOUND")
else:
    raise AssertionError("deleted and yet there")
print("done")
"""


def run_new_sdk(api: Api, version: str, extent: str, **environ: str) -> None:
    """Run the new SDK's life of a model in a process."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", NEW_SDK, api.url, version, extent],
        env={**os.environ, "no_proxy": "*", **environ},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "done\n"


def test_new_sdk_lives_a_whole_life(quick: Api) -> None:
    """google-genai 1.46.0 tunes with data, waits, lists, updates, generates and deletes."""
    run_new_sdk(quick, "1.46.0", "full")


def test_newest_sdk_works_on_what_is_there(quick: Api) -> None:
    """The newest google-genai, which can no longer tune or list here, does all the rest."""
    newest = os.environ.get("RECONCILER_NEWEST_GENAI") or str(REPOSITORY / ".venv/newest-genai")
    if not pathlib.Path(newest, "google", "genai").is_dir():
        pytest.fail(
            f"No google-genai in {newest}: install it with pip install --target, or set"
            " RECONCILER_NEWEST_GENAI."
        )
    quick.create("old")
    run_new_sdk(quick, "", "rest", PYTHONPATH=newest)
