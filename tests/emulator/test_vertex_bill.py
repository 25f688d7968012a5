"""Vertex: what an ended job says of its data and its bill, and of hyperparameters that nobody chose."""

import math
import statistics
from typing import Any

import pytest

from tests.emulator.discovery import google_service
from tests.emulator.vertex_caller import DATA, PLACE, Vertex, jsonl, line, spec

# A token is four characters, of the text that goes in or of the text that comes out. A rest counts as one
# token.
TEXTS = ["one", "three hundred and four", "ü", "ninety nine"]
LONGEST = 131_072 * 4


def count_tokens(text: str) -> int:
    """Return how many tokens a text has."""
    return math.ceil(len(text) / 4)


def read_stats(job: dict[str, Any]) -> dict[str, Any]:
    """Return the statistics of an ended job."""
    stats = job["tuningDataStats"]["supervisedTuningDataStats"]
    assert isinstance(stats, dict)
    return stats


def tune(vertex: Vertex, lines: list[dict[str, Any]], **hyperparameters: Any) -> dict[str, Any]:
    """Tune on these lines of data, and return the ended job."""
    vertex.upload(jsonl(lines))
    return vertex.finished(supervisedTuningSpec=spec(DATA, **hyperparameters))


def read_hyperparameters(job: dict[str, Any]) -> tuple[int, str, float]:
    """Return epochs, adapter size and multiplier of a job."""
    shown = job["supervisedTuningSpec"]["hyperParameters"]
    assert isinstance(shown["epochCount"], str)
    return int(shown["epochCount"]), shown["adapterSize"], shown["learningRateMultiplier"]


@pytest.mark.parametrize("epochs", [1, 7])
def test_the_bill_is_the_data_once_an_epoch(vertex: Vertex, epochs: int) -> None:
    """Tokens and characters of system instruction, input and output are billed once for each epoch."""
    lines = [line(text, text[::-1] + "!") for text in TEXTS]
    stats = read_stats(tune(vertex, lines, epochCount=epochs))
    inputs = [count_tokens("Count on." + text) for text in TEXTS]
    outputs = [count_tokens(text + "!") for text in TEXTS]
    characters = sum(len("Count on.") + len(text) + len(text) + 1 for text in TEXTS)
    assert stats["totalBillableTokenCount"] == str(epochs * sum(inputs + outputs))
    assert stats["totalBillableCharacterCount"] == str(epochs * characters)
    assert stats["totalTuningCharacterCount"] == str(characters)
    assert stats["tuningDatasetExampleCount"] == "4"
    assert stats["tuningStepCount"] == str(math.ceil(epochs * 4 / 8))


def test_all_turns_of_a_chat_are_billed(vertex: Vertex) -> None:
    """All turns but the last are one input text. The last turn is the output."""
    chat = line("one", "two")
    chat["contents"] += [{"role": role, "parts": [{"text": role * 3}]} for role in ("user", "model")]
    stats = read_stats(tune(vertex, [chat], epochCount=1))
    tokens = count_tokens("Count on.one" + "two" + "user" * 3) + count_tokens("model" * 3)
    assert stats["totalBillableTokenCount"] == str(tokens)
    assert stats["userMessagePerExampleDistribution"]["sum"] == "4"


def test_the_distributions_are_those_of_the_data(vertex: Vertex) -> None:
    """Input, output and messages have their sum, bounds, mean, median and percentiles, and all in buckets."""
    texts = ["x" * (4 * number) for number in range(1, 41)]
    lines = [{"contents": line(text, "four")["contents"]} for text in texts]
    stats = read_stats(tune(vertex, lines, epochCount=3))
    tokens = range(1, 41)
    found = stats["userInputTokenDistribution"]
    assert sum(bucket["count"] for bucket in found.pop("buckets")) == 40
    assert found == {
        "sum": str(sum(tokens)),
        "billableSum": str(sum(tokens)),
        "min": 1,
        "max": 40,
        "mean": statistics.mean(tokens),
        "median": statistics.median(tokens),
        "p5": 3,
        "p95": 39,
    }
    assert stats["userOutputTokenDistribution"]["sum"] == "40"
    assert stats["userMessagePerExampleDistribution"]["mean"] == 2


def test_the_statistics_come_with_the_end(vertex: Vertex) -> None:
    """A job has none while it waits or runs, when it is paused, and when it never ran."""
    vertex.api.control("faults", [{"train": "team=red", "end": "JOB_STATE_PAUSED"}])
    job, paused, cancelled = vertex.create(), vertex.create(labels={"team": "red"}), vertex.create()
    vertex.ok("POST", f"{cancelled['name']}:cancel", json={})
    for state in ("PENDING", "RUNNING"):
        assert vertex.state(job) == state
        assert "tuningDataStats" not in vertex.job(job["name"])
        vertex.api.advance(9)
    vertex.api.advance(1)
    assert "tuningDataStats" in vertex.job(job["name"])
    assert "tuningDataStats" not in vertex.job(paused["name"])
    assert "tuningDataStats" not in vertex.job(cancelled["name"])


def test_too_long_examples_are_dropped_with_reasons(vertex: Vertex) -> None:
    """An example that is one token too long is neither trained nor billed.

    It is counted, and named with its reason.
    """
    good = line("one", "two")
    longest = {"contents": line("x" * (LONGEST - 4), "four")["contents"]}
    too_long = {"contents": line("x" * (LONGEST - 4), "four.")["contents"]}
    stats = read_stats(tune(vertex, [good, too_long, longest, too_long], epochCount=2))
    assert stats["tuningDatasetExampleCount"] == "2"
    assert stats["totalTruncatedExampleCount"] == "2"
    assert stats["truncatedExampleIndices"] == ["2", "4"]
    assert len(stats["droppedExampleReasons"]) == 2
    assert all("131072 tokens" in reason for reason in stats["droppedExampleReasons"])
    tokens = count_tokens("Count on.one") + count_tokens("two") + 131_072
    assert stats["totalBillableTokenCount"] == str(2 * tokens)


def test_of_many_dropped_examples_some_are_named(vertex: Vertex) -> None:
    """All are counted. The indices and the reasons are a sample of the same size."""
    too_long = {"contents": line("x" * LONGEST, "two")["contents"]}
    stats = read_stats(tune(vertex, [line("one", "two"), *[too_long] * 25], epochCount=1))
    assert stats["totalTruncatedExampleCount"] == "25"
    assert stats["truncatedExampleIndices"] == [str(number) for number in range(2, 22)]
    assert len(stats["droppedExampleReasons"]) == 20


def test_nothing_is_said_of_drops_where_none_is(vertex: Vertex) -> None:
    """Zeros and empty lists are left out, as proto3 does."""
    stats = read_stats(tune(vertex, [line("one", "two")], epochCount=1))
    names = {"totalTruncatedExampleCount", "truncatedExampleIndices", "droppedExampleReasons"}
    assert not names & stats.keys()


@pytest.mark.parametrize(
    ("examples", "epochs", "size"),
    [(1, 40, "TWO"), (166, 40, "TWO"), (332, 20, "TWO"), (1000, 6, "FOUR"), (7000, 1, "FOUR")],
)
def test_hyperparameters_follow_the_data(vertex: Vertex, examples: int, epochs: int, size: str) -> None:
    """The number of examples chooses what a request leaves out: 166 give 40 epochs and size 2."""
    job = tune(vertex, [line("one", "two")] * examples)
    assert read_hyperparameters(job) == (epochs, f"ADAPTER_SIZE_{size}", 1.0)
    tokens = count_tokens("Count on.one") + count_tokens("two")
    assert read_stats(job)["totalBillableTokenCount"] == str(tokens * examples * epochs)
    last = job["tunedModel"]["checkpoints"][-1]
    assert (last["epoch"], len(job["tunedModel"]["checkpoints"])) == (str(epochs), min(10, epochs))


def test_only_what_is_left_out_is_chosen(vertex: Vertex) -> None:
    """Values of the request stay. A size without a meaning is chosen among those that the base has."""
    given: dict[str, Any] = {
        "epochCount": "5",
        "learningRateMultiplier": 0.5,
        "adapterSize": "ADAPTER_SIZE_SIXTEEN",
    }
    job = vertex.create(supervisedTuningSpec=spec(**given))
    assert read_hyperparameters(job) == (5, "ADAPTER_SIZE_SIXTEEN", 0.5)
    job = vertex.create(supervisedTuningSpec=spec(adapterSize="ADAPTER_SIZE_UNSPECIFIED"))
    assert read_hyperparameters(job) == (40, "ADAPTER_SIZE_TWO", 1.0)
    job = vertex.create(supervisedTuningSpec=spec(), baseModel="translation-llm-002")
    assert read_hyperparameters(job)[1] == "ADAPTER_SIZE_FOUR"


def test_without_fit_data_nothing_is_chosen(vertex: Vertex) -> None:
    """A job whose data cannot be read fails, with the hyperparameters of its request and without a bill."""
    job = vertex.finished(supervisedTuningSpec=spec("gs://training/none.jsonl", epochCount=2))
    assert job["state"] == "JOB_STATE_FAILED"
    assert job["supervisedTuningSpec"]["hyperParameters"] == {"epochCount": "2"}
    assert "tuningDataStats" not in job


def test_google_api_client_reads_bill_and_labels(vertex: Vertex) -> None:
    """google-api-python-client finds the bill on the job, and the labels on model and endpoint."""
    with google_service("aiplatform", vertex.api.url) as service:
        places = service.projects().locations()
        jobs = places.tuningJobs()
        asked = {
            "baseModel": "gemini-3.5-flash-lite",
            "supervisedTuningSpec": {"trainingDatasetUri": DATA},
            "labels": {"team": "red"},
        }
        job = jobs.create(parent=PLACE, body=asked).execute()
        vertex.api.advance(10)
        job = jobs.get(name=job["name"]).execute()
        stats = read_stats(job)
        billed = sum(
            int(stats[f"user{kind}TokenDistribution"]["billableSum"]) for kind in ("Input", "Output")
        )
        assert int(stats["totalBillableTokenCount"]) == 40 * billed
        expected = {
            "team": "red",
            "tune-type": "sft",
            "google-vertex-llm-tuning-base-model-id": "gemini-3_5-flash-lite",
            "google-vertex-llm-tuning-job-id": job["name"].rpartition("/")[2],
        }
        model = places.models().get(name=job["tunedModel"]["model"]).execute()
        endpoint = places.endpoints().get(name=job["tunedModel"]["endpoint"]).execute()
        assert model["labels"] == endpoint["labels"] == expected
        wanted = 'labels.google-vertex-llm-tuning-base-model-id="gemini-3_5-flash-lite"'
        found = places.models().list(parent=PLACE, filter=wanted).execute()["models"]
        assert [item["labels"] for item in found] == [expected]
