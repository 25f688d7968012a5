"""A first day with realistic data, prices and budget, from the export to the bill."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.cli.harness import OTHER_BASE, Project, model, stack
from tests.cli.test_cli_bases import join_lines
from tests.cli.test_tuning_job import job, listed, only, posted, write_data

FEBRUARY = {"RECONCILER_TODAY": "2027-02-10"}
"""A day within 90 days before the end of gemini-3.1-flash-lite, and long before that of its replacement."""
ENDING, REPLACEMENT = "gemini-3.1-flash-lite", "gemini-3.5-flash"
SYSTEM = "Sort the mail. Answer with one word: delivery, refund or account."
MAILS = [
    *((f"Where is parcel {number}?", "delivery") for number in range(10)),
    *((f"I want my money back for order {number}.", "refund") for number in range(10)),
    *((f"I cannot log in as user {number}.", "account") for number in range(10)),
]
HELD_OUT = [("Where is parcel 77?", "delivery"), ("I cannot log in as user 88.", "account")]
PRICE = 10.0
PRICES = {"per_million_tokens": {"default": 8.0, REPLACEMENT: PRICE}, "currency": "EUR"}


def write_export(project: Project, mails: list[tuple[str, str]], *, system: str = SYSTEM) -> None:
    """Write an export of an OpenAI fine-tuning; "" leaves the system message out."""
    first = [{"role": "system", "content": system}] if system else []
    project.write(
        "manifests/export.jsonl",
        "".join(
            json.dumps(
                {
                    "messages": [
                        *first,
                        {"role": "user", "content": asked},
                        {"role": "assistant", "content": answer},
                    ]
                }
            )
            + "\n"
            for asked, answer in mails
        ),
    )


@pytest.fixture
def project(project: Project) -> Project:
    """A project with held-out mails and a raw export, which has repeated lines and a contradiction."""
    project.environ |= {"GOOGLE_VERTEX_BASE_URL": project.service.url, "RECONCILER_LAG_SECONDS": "1"}
    write_export(project, [*MAILS, MAILS[0], MAILS[11], (MAILS[20][0], "other")])
    write_data(project, HELD_OUT, "held-out.jsonl")
    return project


def declare(project: Project, base: str, *, epochs: int | None, **guards: Any) -> None:
    """Declare a job with a check and a Stack with prices. None leaves the epochs to the service."""
    manifest = job(
        "mail-sorter",
        data="export.jsonl",
        spec={} if epochs is None else {"hyper_parameters": {"epoch_count": epochs}},
        base_model=base,
        beside={"checks": [{"file": "held-out.jsonl", "by": "exact", "at_least": 0.9}]},
    )
    if epochs is None:
        del manifest["spec"]["supervised_tuning_spec"]["hyper_parameters"]
    place = {"project": "local", "location": "us-central1", "bucket": "gs://data"}
    project.declare(stack("mail", **place, prices=PRICES, guards=guards), manifest)


def test_a_tuning_job_is_known_before_it_is_paid(project: Project) -> None:
    """Commands show data, retirement date, held-out check and cost before the first create.

    The bill is the service's.
    """
    declare(project, ENDING, epochs=None, max_cost=5)

    told = project.run("data", "mail-sorter", expect=0).out
    assert "  examples        33\n" in told
    assert "  contradictions  1 input has several outputs: lines 21 and 33\n" in told
    assert "repeated        2 of them: lines 1 and 31" in told
    assert "held-out examples of a check: held-out.jsonl\n  examples        2\n" in told

    warned = join_lines(project.run("validate", environ=FEBRUARY, expect=0).err)
    assert "an input has more than one output: lines 21 and 33" in warned
    assert "2 of 33 examples repeat an earlier one" in warned
    end = f"stands on {ENDING}, which retires not before 7 May 2027, in 86 days at the earliest"
    offer = f"{REPLACEMENT} can be tuned instead; it retires not before 19 May 2027."
    assert end in warned
    assert offer in warned

    refused = project.plan(environ=FEBRUARY, expect=1)
    assert "an input has more than one output: lines 21 and 33" in join_lines(refused.err)
    assert end in join_lines(refused.out)
    assert "1 check must pass before it is promoted (2 billed calls)" in refused.out
    assert "declares no epoch_count, so the service chooses the epochs and the cost is unknown" in join_lines(
        refused.out
    )
    assert "max_cost 5: 1 training's cost is unknown: TuningJob/mail-sorter" in join_lines(refused.err)
    assert "Declare epoch_count" in refused.err
    assert "Declare epoch_count" in project.apply(environ=FEBRUARY, expect=1).err

    write_export(project, MAILS)
    declare(project, REPLACEMENT, epochs=4, max_cost=5)
    assert "warning" not in project.run("validate", environ=FEBRUARY, expect=0).all
    planned = project.plan(environ=FEBRUARY)
    assert "Note:" not in planned.out
    assert "about 0.03 EUR\n  about: an estimate (about 4 characters a token)." in planned.out
    estimate = project.plan_json()["reconciler"]["bill"]
    assert (
        estimate["tokens"]
        == 4 * project.run("data", "mail-sorter", "--json").json()["data"][0]["estimated_tokens"]
    )
    dear = project.apply("--max-cost", "0.001", expect=1)
    assert "The bill, 1 training" in dear.out
    assert "over max_cost 0.001: TuningJob/mail-sorter" in join_lines(dear.err)
    assert posted(project.service) == 0
    assert not project.state_file.exists()

    records = project.apply("--json").records()
    assert posted(project.service) == 1
    stats = only(listed(project.service, "tuningJobs"))["tuningDataStats"]["supervisedTuningDataStats"]
    tokens = int(stats["totalBillableTokenCount"])
    billed = only([record for record in records if record["type"] == "billed"])["bill"]
    assert billed["tokens"] == tokens
    assert billed["amount"] == pytest.approx(tokens * PRICE / 1e6)
    assert billed["estimated_tokens"] == estimate["tokens"]
    assert billed["difference_tokens"] == tokens - estimate["tokens"]
    assert abs(billed["difference_tokens"]) < 0.05 * tokens
    total = only(project.run("cost", "--json").json()["totals"])
    assert (total["tokens"], total["amount"], total["estimate"]) == (tokens, billed["amount"], False)
    assert f"{tokens:,} tokens" in project.run("cost").out
    shown = join_lines(project.run("show", "mail-sorter").out)
    assert f"billed {tokens:,} tokens" in shown
    assert "checks passed: held-out.jsonl 2 of 2 (1.00)" in shown
    project.settled()


def test_a_tuned_model_is_known_before_it_is_trained(project: Project) -> None:
    """The same export, budget and held-out mails work with the tutorial's API."""
    write_export(project, [*MAILS, MAILS[0], MAILS[11], (MAILS[20][0], "other")], system="")
    checks = [{"file": "held-out.jsonl", "by": "exact", "at_least": 0.9}]
    manifest = model("mail-sorter", file="export.jsonl", spec={"base_model": OTHER_BASE}, checks=checks)
    project.declare(stack("mail", prices={"per_1000_characters": 0.01, "currency": "EUR"}), manifest)
    warned = join_lines(project.run("validate", expect=0).err)
    assert "an input has more than one output: lines 21 and 33" in warned
    refused = project.apply("--max-cost", "0.001", expect=1)
    assert "1 check must pass before it is promoted (2 billed calls)" in refused.out
    assert "over max_cost 0.001: TunedModel/mail-sorter" in join_lines(refused.err)
    assert project.service.creates() == 0
    write_export(project, MAILS, system="")
    assert "an input" not in project.run("validate", expect=0).all
    amount = project.plan_json("--max-cost", "5")["reconciler"]["bill"]["prices"]["EUR"]
    project.apply("--max-cost", "5")
    assert project.service.creates() == 1
    total = only(project.run("cost", "--json").json()["totals"])
    assert (total["amount"], total["estimate"]) == (pytest.approx(amount), True)
    assert "checks passed: held-out.jsonl 2 of 2 (1.00)" in join_lines(project.run("show", "mail-sorter").out)
    project.settled()
