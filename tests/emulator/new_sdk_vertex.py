"""Uses google-genai in Vertex mode on an emulator: `python new_sdk_vertex.py URL DATA-URI`.

It uses the newest google-genai if that is on the path, or else the installed one. It prints what it finds as
JSON, and fails if a call does not work.
"""

import json
import sys
import time
from typing import Any

from google import genai
from google.auth.credentials import Credentials
from google.genai import errors, types


class SomebodysCredentials(Credentials):  # type: ignore[misc]
    """A token that never ends."""

    def __init__(self) -> None:
        super().__init__()
        self.token = "t"

    @property
    def expired(self) -> bool:
        """Return False: the token never ends."""
        return False

    def refresh(self, request: object) -> None:
        """Do nothing: the token stays the same."""


def wait(client: Any, job: Any) -> Any:
    """Return a job when it is over."""
    deadline = time.monotonic() + 30
    while not job.has_ended:
        if time.monotonic() > deadline:
            raise TimeoutError(job.state)
        time.sleep(0.1)
        job = client.tunings.get(name=job.name)
    return job


def main(url: str, data: str) -> dict[str, Any]:
    """Tune, look, ask, change and cancel. Return the results."""
    options = types.HttpOptions(base_url=url)
    client = genai.Client(
        vertexai=True,
        project="my-project",
        location="us-central1",
        credentials=SomebodysCredentials(),
        http_options=options,
    )
    dataset = types.TuningDataset(gcs_uri=data)
    config = types.CreateTuningJobConfig(
        tuned_model_display_name="by an SDK",
        description="counts",
        epoch_count=2,
        learning_rate_multiplier=1.5,
        adapter_size=types.AdapterSize.ADAPTER_SIZE_FOUR,
        validation_dataset=types.TuningValidationDataset(gcs_uri=data),
        labels={"team": "red"},
    )
    tune = client.tunings.tune
    job = tune(base_model="gemini-3.1-flash-lite", training_dataset=dataset, config=config)
    began = job.state.name
    job = wait(client, job)
    endpoint, model = job.tuned_model.endpoint, job.tuned_model.model
    found = [item.name for item in client.tunings.list(config={"filter": 'labels.team="red"'})]
    answer = client.models.generate_content(model=endpoint, contents="seven").text
    chunks = client.models.generate_content_stream(model=endpoint, contents="seven")
    streamed = "".join(chunk.text for chunk in chunks)
    tokens = client.models.count_tokens(model=endpoint, contents="seven").total_tokens
    listed = [item.name for item in client.models.list(config={"query_base": False})]
    changed = client.models.update(model=model, config={"display_name": "renamed", "description": "d"})
    second = wait(client, tune(base_model=model, training_dataset=dataset))
    third = tune(base_model="gemini-3.1-flash-lite", training_dataset=dataset)
    client.tunings.cancel(name=third.name)
    third = wait(client, third)
    refusals = []
    for method, arguments in (
        (client.models.delete, {"model": model}),
        (tune, {"base_model": "gemini-2.5-flash", "training_dataset": dataset}),
    ):
        try:
            method(**arguments)
            refusals.append("done")
        except errors.ClientError as error:
            refusals.append(f"{error.code} {error.status}")
    chosen = second.supervised_tuning_spec.hyper_parameters
    bills = [item.tuning_data_stats.supervised_tuning_data_stats for item in (job, second)]
    return {
        "version": genai.__version__,
        "states": [began, job.state.name, second.state.name, third.state.name],
        "error": third.error.code,
        "found": found == [job.name],
        "hyperparameters": str(job.supervised_tuning_spec.hyper_parameters.adapter_size.name),
        "checkpoints": [item.epoch for item in job.tuned_model.checkpoints],
        "answers": [answer, streamed],
        "tokens": tokens,
        "listed": listed == [model.partition("@")[0]],
        "model": [changed.display_name, changed.description, changed.version],
        "got": client.models.get(model=model).display_name,
        "second": second.tuned_model.model.partition("@")[2],
        "refusals": refusals,
        "chosen": [int(chosen.epoch_count), chosen.adapter_size.name, chosen.learning_rate_multiplier],
        "billed": [int(bill.total_billable_token_count) for bill in bills],
        "base label": changed.labels["google-vertex-llm-tuning-base-model-id"],
    }


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))
