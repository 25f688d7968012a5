"""Makes what is measured: manifests, data, and the same number of resources for Terraform.

python -m tests.bench.worlds models FOLDER COUNT
python -m tests.bench.worlds jobs FOLDER COUNT
python -m tests.bench.worlds data FOLDER MEGABYTES
python -m tests.bench.worlds terraform FOLDER COUNT planned|new|sleeping
python -m tests.bench.worlds provided FOLDER COUNT URL PROVIDER
"""

from __future__ import annotations

import hashlib
import json
import random
import sys
import time
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PROJECT, LOCATION = "bench-project", "us-central1"
_SOURCE = "bench.example/bench/gemini"
_A_FILE = 100
"""Manifests in one file."""
_STACK = (
    "apiVersion: reconciler/v1\nkind: Stack\nmetadata: {{name: bench}}\n"
    "spec: {{project: {}, location: {}, bucket: gs://bench-data}}\n"
)
_MODEL = """\
apiVersion: reconciler/v1
kind: TunedModel
metadata:
  name: model-{number:05}
  labels: {{team: team-{team}}}
spec:
  display_name: Model {number}
  base_model: models/gemini-1.5-flash-001-tuning
  temperature: 0.7
  tuning_task:
    hyperparameters: {{batch_size: 2, learning_rate: 0.001, epoch_count: 5}}
    training_data:
      {data}
"""
_EXAMPLES = """\
examples:
        examples:
          - {{text_input: "{0}", output: "{1}"}}
          - {{text_input: "{1}", output: "{2}"}}
          - {{text_input: "{2}", output: "{3}"}}"""
_JOB = """\
apiVersion: reconciler/v1
kind: TuningJob
metadata: {{name: job-{number:05}, labels: {{team: team-{team}}}}}
spec:
  tuned_model_display_name: Job {number}
  base_model: gemini-3.1-flash-lite
  supervised_tuning_spec:
    training_dataset_uri: {data}
    hyper_parameters: {{epoch_count: 3}}
"""


def write_manifests(folder: Path, documents: list[str]) -> None:
    """Write a Stack and these documents, a hundred in a file."""
    target = folder / "manifests"
    target.mkdir(parents=True, exist_ok=True)
    (target / "stack.yaml").write_text(_STACK.format(PROJECT, LOCATION), encoding="utf-8")
    for first in range(0, len(documents), _A_FILE):
        text = "---\n".join(documents[first : first + _A_FILE])
        (target / f"models-{first:05}.yaml").write_text(text, encoding="utf-8")


def make_models(folder: Path, count: int) -> None:
    """So many TunedModels, with three inline examples each."""
    write_manifests(
        folder,
        [
            _MODEL.format(number=number, team=number % 7, data=_EXAMPLES.format(*range(number, number + 4)))
            for number in range(count)
        ],
    )


def make_jobs(folder: Path, count: int) -> None:
    """So many TuningJobs, whose data sets are at the service."""
    data = f"projects/{PROJECT}/locations/{LOCATION}/datasets/{{}}"
    jobs = [_JOB.format(number=at, team=at % 7, data=data.format(at)) for at in range(count)]
    write_manifests(folder, jobs)


def make_data(folder: Path, megabytes: int) -> None:
    """One TuningJob, and its data of so many megabytes: lines of 100 to 700 bytes, always the same."""
    write_manifests(folder, [_JOB.format(number=0, team=0, data="../data/examples.jsonl")])
    (folder / "data").mkdir()
    words = random.Random(1)
    vocabulary = [f"{'aeiou'[at % 5]}{'bdfgklmnprst'[at % 12]}{at:x}" for at in range(995)]
    vocabulary += ["ü", "naïve", 'so"', "note:", "10:30"]
    size = 0
    with (folder / "data" / "examples.jsonl").open("w", encoding="utf-8") as file:
        while size < megabytes * 1_000_000:
            texts = [" ".join(words.choices(vocabulary, k=words.randint(10, 60))) for _ in range(2)]
            line = json.dumps({"text_input": texts[0], "output": texts[1]}, ensure_ascii=False) + "\n"
            size += len(line.encode())
            file.write(line)
    time.sleep(2)  # a file that changed just now is not remembered


def make_terraform(folder: Path, count: int, how: str) -> None:
    """So many resources of the kind that Terraform has built in, each with what a manifest declares.

    "planned" has a state in which all are applied: Terraform takes minutes to make one of five thousand.
    """
    blocks, resources = [], []
    provisioner = '\n  provisioner "local-exec" {\n    command = "sleep 2"\n  }' if how == "sleeping" else ""
    for number in range(count):
        declared: dict[str, Any] = {
            "display_name": f"Model {number}",
            "base_model": "models/gemini-1.5-flash-001-tuning",
            "temperature": 0.7,
            "batch_size": 2,
            "epoch_count": 5,
            "text_input": f"{number}",
        }
        text = ", ".join(f"{key} = {json.dumps(value)}" for key, value in declared.items())
        blocks.append(
            f'resource "terraform_data" "m{number:05}" {{\n  input = {{ {text} }}{provisioner}\n}}\n'
        )
        kinds = {key: "string" if isinstance(value, str) else "number" for key, value in declared.items()}
        known = {"value": declared, "type": ["object", kinds]}
        attributes = {
            "id": str(uuid.UUID(int=number)),
            "input": known,
            "output": known,
            "triggers_replace": None,
        }
        resources.append(
            make_resource("terraform_data", number, "terraform.io/builtin/terraform", attributes)
        )
    write_terraform(folder, blocks, resources if how == "planned" else [])


def make_provided(folder: Path, count: int, url: str, provider: Path) -> None:
    """A resource of the Go provider for each model that is at the service, and a state that records them all.

    Terraform takes the provider from its folder, and neither looks for it elsewhere nor checks its digest.
    """
    head = f'terraform {{\n  required_providers {{\n    gemini = {{ source = "{_SOURCE}" }}\n  }}\n}}\n'
    blocks, resources = [head], []
    for number, live in enumerate(list_live(url)):
        used = live["tuningTask"]["hyperparameters"]
        attributes = {
            "id": live["name"].partition("/")[2],
            "display_name": live["displayName"],
            "base_model": live["baseModel"],
            "temperature": live["temperature"],
            "epoch_count": used["epochCount"],
            "batch_size": used["batchSize"],
            "learning_rate": used["learningRate"],
            "data_digest": hashlib.sha256(live["name"].encode()).hexdigest(),
        }
        lines = "".join(f"  {key} = {json.dumps(value)}\n" for key, value in attributes.items())
        blocks.append(f'resource "gemini_tuned_model" "m{number:05}" {{\n{lines}}}\n')
        attributes["description"] = None
        resources.append(make_resource("gemini_tuned_model", number, _SOURCE, attributes))
    if len(resources) != count:
        sys.exit(f"The service has {len(resources)} models instead of {count}")
    write_terraform(folder, blocks, resources)
    (folder / "terraformrc").write_text(
        f'provider_installation {{\n  dev_overrides {{\n    "{_SOURCE}" = "{provider}"\n  }}\n}}\n',
        encoding="utf-8",
    )


def list_live(url: str) -> Iterator[dict[str, Any]]:
    """Yield the tuned models that are at the service."""
    token = ""
    while True:
        page = f"{url}/v1beta/tunedModels?pageSize=1000&pageToken={token}"
        with urllib.request.urlopen(page, timeout=60) as answer:
            listed = json.load(answer)
        yield from listed.get("tunedModels", ())
        token = listed.get("nextPageToken", "")
        if not token:
            return


def make_resource(kind: str, number: int, provider: str, attributes: dict[str, Any]) -> dict[str, Any]:
    """Return a resource as Terraform's state records it."""
    return {
        "mode": "managed",
        "type": kind,
        "name": f"m{number:05}",
        "provider": f'provider["{provider}"]',
        "instances": [{"schema_version": 0, "attributes": attributes, "sensitive_attributes": []}],
    }


def write_terraform(folder: Path, blocks: list[str], resources: list[dict[str, Any]]) -> None:
    """Write a folder of Terraform: its configuration, no settings of a user, and a state if there is one."""
    folder.mkdir(parents=True)
    (folder / "terraformrc").touch()
    (folder / "main.tf").write_text("\n".join(blocks), encoding="utf-8")
    state = {
        "version": 4,
        "terraform_version": "1.3.0",
        "serial": 1,
        "lineage": str(uuid.UUID(int=1)),
        "outputs": {},
        "resources": resources,
        "check_results": None,
    }
    if resources:
        (folder / "terraform.tfstate").write_text(json.dumps(state, indent=2), encoding="utf-8")


def main(what: str, folder: Path, size: int, *rest: str) -> None:
    """Make one world."""
    match what:
        case "models":
            make_models(folder, size)
        case "jobs":
            make_jobs(folder, size)
        case "data":
            make_data(folder, size)
        case "terraform":
            make_terraform(folder, size, *rest)
        case "provided":
            make_provided(folder, size, rest[0], Path(rest[1]))
        case _:
            sys.exit(f"There is no world {what!r}")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), *sys.argv[4:])
