"""Prices by token, cost limits and recorded costs, as users see them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.cli.harness import Project, stack

JOBS = "v1/projects/local/locations/us-central1/tuningJobs"
PRICES = {"per_million_tokens": {"default": 8.0, "gemini-3.5-flash": 10.0}, "currency": "EUR"}


@pytest.fixture
def project(project: Project) -> Project:
    """A project with the second API on the same emulator, and thirty examples."""
    project.environ["GOOGLE_VERTEX_BASE_URL"] = project.service.url
    project.environ["RECONCILER_LAG_SECONDS"] = "1"
    lines = [json.dumps({"text_input": f"question {number}", "output": "x" * 400}) for number in range(30)]
    project.write("manifests/n.jsonl", "\n".join(lines) + "\n")
    return project


def job(epochs: int | None = 3) -> dict[str, Any]:
    """A tuning job; None leaves the epochs to the service."""
    hyper = {} if epochs is None else {"hyper_parameters": {"epoch_count": epochs}}
    spec = {
        "base_model": "gemini-3.5-flash",
        "supervised_tuning_spec": {"training_dataset_uri": "n.jsonl", **hyper},
    }
    return {"apiVersion": "reconciler/v1", "kind": "TuningJob", "metadata": {"name": "bot"}, "spec": spec}


def test_what_was_billed_stands_beside_the_estimate(project: Project) -> None:
    """Plan, events, summary, record and `cost` show the service's own count and the estimate's error."""
    project.declare(stack("s", prices=PRICES), job())
    assert "about 0.09 EUR\n  about: an estimate (about 4 characters a token)." in project.plan().out
    planned = project.plan_json()["reconciler"]["bill"]
    records = project.apply("--json").records()
    (billed,) = [record for record in records if record["type"] == "billed"]
    (served,) = project.service.call("GET", JOBS)["tuningJobs"]
    stats = served["tuningDataStats"]["supervisedTuningDataStats"]
    tokens = int(stats["totalBillableTokenCount"])
    assert billed["bill"]["tokens"] == tokens
    assert billed["bill"]["estimated_tokens"] == planned["tokens"]
    assert billed["bill"]["difference_tokens"] == tokens - planned["tokens"]
    assert billed["bill"]["amount"] == pytest.approx(tokens * 10 / 1e6)
    (done,) = [record for record in records if "billed" in record.get("reconciler", {})]
    assert done["reconciler"]["billed"][0]["tokens"] == tokens
    assert f"{tokens:,} tokens" in project.run("show", "bot").out
    assert f"{tokens:,} tokens" in project.run("report").out
    document = project.run("cost", "--json").json()
    assert document["totals"] == [
        {
            "currency": "EUR",
            "estimate": False,
            "trainings": 1,
            "tokens": tokens,
            "amount": billed["bill"]["amount"],
            "unpriced": 0,
        }
    ]
    assert project.state()["version"] == 3
    assert project.run("cost", "--since", "2999-01-01").out.startswith("No cost is recorded")
    assert f"Billed: {billed['bill']['amount']:.2f} EUR" in project.run("cost").out


def test_a_limit_is_kept_in_a_saved_plan_and_refuses_what_is_unknown(project: Project) -> None:
    """A plan over the limit is shown and exits 1. Without epochs the note names the way out."""
    project.declare(stack("s", prices=PRICES), job())
    refused = project.plan("--max-cost", "0.0001", expect=1)
    assert "The bill, 1 training" in refused.out
    assert "over max_cost 0.0001: TuningJob/bot" in refused.err
    project.plan("--out", "p", "--max-cost", "5")
    saved = project.run("show", "--json", "p").json()
    assert saved["reconciler"]["inputs"]["guards"] == {"max_cost": 5}
    assert "cannot be given again" in project.apply("p", "--max-cost", "9", expect=1).err
    project.declare(stack("s", prices=PRICES, guards={"max_cost": 5}), job(None))
    unknown = project.plan(expect=1)
    assert "declares no epoch_count" in unknown.out
    assert "Declare epoch_count" in unknown.err
    for amount in ("nan", "-1", "much"):
        assert "is not an amount" in project.plan("--max-cost", amount, expect=1).err


def test_data_with_images_has_a_lower_bound(project: Project) -> None:
    """The tokens of images are estimated nowhere: `data`, the bill and its total say "at least"."""
    image = {"fileData": {"mimeType": "image/png", "fileUri": "gs://b/a.png"}}
    turns = [
        {"role": "user", "parts": [{"text": "What is this?"}, image]},
        {"role": "model", "parts": [{"text": "a mug"}]},
    ]
    text = project.root.joinpath("manifests/n.jsonl").read_text()
    project.write("manifests/n.jsonl", text + json.dumps({"contents": turns}) + "\n")
    project.declare(stack("s", prices=PRICES), job())
    told = project.run("data", "bot").out
    assert "of texts only: 1 example has images, audio or video" in told
    assert project.run("data", "bot", "--json").json()["data"][0]["multimodal"] == 1
    plan = project.plan().out
    assert "at least: estimated from texts only" in plan
    assert plan.count("at least ") == 2
    assert project.plan_json()["reconciler"]["bill"]["tokens_at_least"] is True
