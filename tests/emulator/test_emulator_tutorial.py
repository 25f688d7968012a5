"""Google's REST tutorial, as it is written, against the emulator."""

import pathlib
import re
import shutil
import subprocess
import time
from collections.abc import Callable

import pytest
import requests

from tests.emulator.conftest import EXAMPLES, Api

CREATE = """
curl -X POST $base_url/v1beta/tunedModels \\
    -H 'Content-Type: application/json' \\
    -H "Authorization: Bearer ${access_token}" \\
    -H "x-goog-user-project: ${project_id}" \\
    -d '
      {
        "display_name": "number generator model",
        "base_model": "models/gemini-1.0-pro-001",
        "tuning_task": {
          "hyperparameters": {
            "batch_size": 2,
            "learning_rate": 0.001,
            "epoch_count":5,
          },
          "training_data": {
            "examples": {
              "examples": [
                {
                    "text_input": "1",
                    "output": "2",
                },{
                    "text_input": "3",
                    "output": "4",
                },{
                    "text_input": "-3",
                    "output": "-2",
                },{
                    "text_input": "twenty two",
                    "output": "twenty three",
                },{
                    "text_input": "two hundred",
                    "output": "two hundred one",
                },{
                    "text_input": "ninety nine",
                    "output": "one hundred",
                },{
                    "text_input": "8",
                    "output": "9",
                },{
                    "text_input": "-98",
                    "output": "-97",
                },{
                    "text_input": "1,000",
                    "output": "1,001",
                },{
                    "text_input": "10,100,000",
                    "output": "10,100,001",
                },{
                    "text_input": "thirteen",
                    "output": "fourteen",
                },{
                    "text_input": "eighty",
                    "output": "eighty one",
                },{
                    "text_input": "one",
                    "output": "two",
                },{
                    "text_input": "three",
                    "output": "four",
                },{
                    "text_input": "seven",
                    "output": "eight",
                }
              ]
            }
          }
        }
      }' | tee tunemodel.json
"""
LIST = """
curl -X GET ${base_url}/v1beta/tunedModels \\
    -H "Content-Type: application/json" \\
    -H "Authorization: Bearer ${access_token}" \\
    -H "x-goog-user-project: ${project_id}"
"""
STATE = """
curl -X GET ${base_url}/v1beta/${modelname} \\
    -H 'Content-Type: application/json' \\
    -H "Authorization: Bearer ${access_token}" \\
    -H "x-goog-user-project: ${project_id}" | grep state
"""
GENERATE = """
curl -X POST $base_url/v1beta/$modelname:generateContent \\
    -H 'Content-Type: application/json' \\
    -H "Authorization: Bearer ${access_token}" \\
    -H "x-goog-user-project: ${project_id}" \\
    -d '{
        "contents": [{
        "parts": [{
          "text": "LXIII"
          }]
        }]
        }' 2> /dev/null
"""


def test_the_curl_commands_work_as_printed(start: Callable[..., Api], tmp_path: pathlib.Path) -> None:
    """Each shell command of the tutorial, trailing commas and all, does what its page shows."""
    curl = shutil.which("curl")
    assert curl, "this test needs curl"
    api = start(auth="bearer", quota_project_required=True)
    names = {"base_url": api.url, "access_token": "ya29.tutorial", "project_id": "my-project-id"}
    names |= {"no_proxy": "*", "PATH": f"{pathlib.Path(curl).parent}:/usr/bin:/bin"}

    def shell(command: str) -> str:
        done = subprocess.run(
            command, shell=True, env=names, cwd=tmp_path, capture_output=True, text=True, check=True
        )
        return done.stdout

    assert shell(LIST) == "{}\n"
    made = shell(CREATE)
    match = re.fullmatch(
        r"""\{
  "name": "(tunedModels/number-generator-model-[a-z0-9]{12})/operations/[a-z0-9]{12}",
  "metadata": \{
    "@type": "type.googleapis.com/google.ai.generativelanguage.v1beta.CreateTunedModelMetadata",
    "totalSteps": 38,
    "tunedModel": "tunedModels/number-generator-model-[a-z0-9]{12}"
  \}
\}
""",
        made,
    )
    assert match, made
    names["modelname"] = match[1]
    assert shell(STATE) == '  "state": "CREATING",\n'
    api.advance(11)
    assert shell(STATE) == '  "state": "ACTIVE",\n'
    answer = shell(GENERATE)
    assert answer.startswith('{\n  "candidates": [\n    {\n      "content": {\n        "parts": [')
    assert '"finishReason": "STOP",\n      "index": 0,\n' in answer
    assert match[1] in shell(LIST)


def test_the_requests_code_works_as_printed(
    start: Callable[..., Api], capsys: pytest.CaptureFixture[str]
) -> None:
    """The tutorial's Python, its polling loop with it, ends with a model and prints progress."""
    api = start(auth="bearer", quota_project_required=True)
    base_url, access_token, project = api.url, "ya29.tutorial", "my-project"
    headers = {
        "Authorization": "Bearer " + access_token,
        "Content-Type": "application/json",
        "x-goog-user-project": project,
    }
    assert requests.get(url=f"{base_url}/v1beta/tunedModels", headers=headers, timeout=5).json() == {}
    examples = [{"text_input": given, "output": output} for given, output in EXAMPLES]
    operation = requests.post(
        url=f"{base_url}/v1beta/tunedModels",
        headers=headers,
        json={
            "display_name": "number generator",
            "base_model": "models/gemini-1.0-pro-001",
            "tuning_task": {
                "hyperparameters": {
                    "batch_size": 4,
                    "learning_rate": 0.001,
                    "epoch_count": 5,
                },
                "training_data": {"examples": {"examples": examples}},
            },
        },
        timeout=5,
    )
    assert operation.json()["metadata"]["totalSteps"] == 19
    name = operation.json()["metadata"]["tunedModel"]
    tuned_model = requests.get(url=f"{base_url}/v1beta/{name}", headers=headers, timeout=5)
    assert tuned_model.json()["state"] == "CREATING"

    op_json = operation.json()
    response = op_json.get("response")
    error = op_json.get("error")
    while response is None and error is None:
        api.advance(5)
        time.sleep(0)
        operation = requests.get(url=f"{base_url}/v1/{op_json['name']}", headers=headers, timeout=5)
        op_json = operation.json()
        response = op_json.get("response")
        error = op_json.get("error")
        percent = op_json["metadata"].get("completedPercent")
        if percent is not None:
            print(f"{percent:.2f}% - {op_json['metadata']['snapshots'][-1]}")
            print()
    assert error is None
    last = capsys.readouterr().out.strip().splitlines()[-1]
    assert re.fullmatch(
        r"100\.00% - \{'step': 19, 'epoch': 5, 'meanLoss': [0-9.]+, 'computeTime': "
        r"'[-0-9T:]+\.[0-9]{9}Z'\}",
        last,
    )
    m = requests.post(
        url=f"{base_url}/v1beta/{name}:generateContent",
        headers=headers,
        json={"contents": [{"parts": [{"text": "六"}]}]},
        timeout=5,
    )
    assert m.json()["candidates"][0]["content"]["role"] == "model"
