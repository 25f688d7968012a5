"""`data` describes all data of a model, wherever it is stored, or the data in one file."""

from __future__ import annotations

import json

from tests.cli.harness import Project, model, stack
from tests.cli.test_cli_meaning import upload
from tests.cli.test_tuning_job import job

CONTRADICTION = [("q1", "yes"), ("q2", "no"), ("q1", "no"), ("q3", "yes"), ("q3", "yes")]


def write(project: Project, name: str, pairs: list[tuple[str, str]]) -> None:
    """Write pairs as JSONL."""
    rows = [json.dumps({"text_input": asked, "output": output}) for asked, output in pairs]
    project.write(name, "".join(row + "\n" for row in rows))


def test_all_data_of_a_model_is_told(project: Project) -> None:
    """Training data, validation data and a check's file are compared without contacting a service."""
    write(project, "manifests/t.jsonl", CONTRADICTION)
    write(project, "manifests/v.jsonl", [("q2", "no")])
    write(project, "manifests/h.jsonl", [("q9", "no")])
    manifest = job(data="t.jsonl", beside={"checks": [{"file": "h.jsonl"}]})
    manifest["spec"]["supervised_tuning_spec"]["validation_dataset_uri"] = "v.jsonl"
    project.declare(stack("s", project="p", location="us-central1", bucket="gs://bucket"), manifest)
    result = project.run("data", manifest["metadata"]["name"], expect=0)
    lines = result.out.splitlines()
    assert lines[0] == f"TuningJob/{manifest['metadata']['name']}"
    assert "  contradictions  1 input has several outputs: lines 1 and 3" in lines
    assert "  repeated        1 of them: lines 4 and 5" in lines
    assert "  also trained    1 of them: line 1 is line 2 there" in lines
    assert lines[-1] == "  also trained    none"
    assert result.err == ""
    assert project.service.log() == []
    document = project.run("data", manifest["metadata"]["name"], "--json", expect=0).json()
    assert [data["use"] for data in document["data"]] == ["training", "validation", "check"]
    assert document["data"][0]["contradictions"] == {"count": 1, "pairs": [[1, 3]]}


def count_requests(project: Project) -> tuple[int, int]:
    """Count the requests for objects: those that ask what they are, and those for their content."""
    log = [request for request in project.service.log() if "/o/" in request["path"]]
    project.service.forget_log()
    media = sum(request["query"].get("alt") == "media" for request in log)
    return len(log) - media, media


def test_an_object_in_a_bucket_is_read_and_not_kept(project: Project) -> None:
    """The object is streamed with the credential that is set. Only what was found in it is remembered."""
    project.environ["GOOGLE_VERTEX_BASE_URL"] = project.service.url
    upload(project.service, "train", CONTRADICTION)
    project.declare(stack("s", project="p", location="us-central1"), job(data="gs://bucket/train.jsonl"))
    project.service.forget_log()
    before = sorted(path for path in project.root.rglob("*") if path.is_file())
    name = job()["metadata"]["name"]
    out = project.run("data", name, expect=0).out
    assert "training data: gs://bucket/train.jsonl\n  examples        5\n" in out
    assert "  contradictions  1 input has several outputs: lines 1 and 3\n" in out
    cache = project.root / "state/data-cache.json"
    assert sorted(path for path in project.root.rglob("*") if path.is_file()) == sorted([*before, cache])
    assert "q1" not in cache.read_text()
    assert {method for method, _ in project.service.sent("GET", "POST", "PUT")} == {"GET"}


def test_an_unchanged_object_is_not_read_again(project: Project) -> None:
    """One request for its generation tells. Then every word is the same, and a changed object is read."""
    project.environ["GOOGLE_VERTEX_BASE_URL"] = project.service.url
    upload(project.service, "train", CONTRADICTION)
    upload(project.service, "held", [("q2", "no"), ("q9", "no")])
    manifest = job(data="gs://bucket/train.jsonl")
    manifest["spec"]["supervised_tuning_spec"]["validation_dataset_uri"] = "gs://bucket/held.jsonl"
    project.declare(stack("s", project="p", location="us-central1"), manifest)
    name = manifest["metadata"]["name"]
    project.service.forget_log()
    first = project.run("data", name, expect=0).out
    assert "  labels          yes 60 % (3), no 40 % (2)\n" in first
    assert "  also trained    1 of them: line 1 is line 2 there\n" in first
    assert count_requests(project) == (2, 2)
    assert project.run("data", name, expect=0).out == first
    document = project.run("data", name, "--json", expect=0).json()
    assert count_requests(project) == (4, 0)
    written = (project.root / "state/data-cache.json").read_bytes()
    project.run("validate", expect=0)
    assert (project.root / "state/data-cache.json").read_bytes() == written
    upload(project.service, "held", [("q2", "no"), ("q1", "yes")])
    changed = project.run("data", name, expect=0).out
    assert "  also trained    2 of them: line 1 is line 2 there; line 2 is line 1 there\n" in changed
    (project.root / "state/data-cache.json").unlink()
    assert project.run("data", name, expect=0).out == changed
    upload(project.service, "held", [("q2", "no"), ("q9", "no")])
    (project.root / "state/data-cache.json").write_bytes(b"{")
    assert project.run("data", name, "--json", expect=0).json() == document


def test_an_object_that_is_not_there_says_so(project: Project) -> None:
    """A missing object is reported, and the other data sets are still described."""
    project.environ["GOOGLE_VERTEX_BASE_URL"] = project.service.url
    project.declare(stack("s", project="p", location="us-central1"), job(data="gs://bucket/none.jsonl"))
    out = project.run("data", job()["metadata"]["name"], expect=0).out
    assert "  not read        gs://bucket/none.jsonl does not exist\n" in out


def test_an_object_is_not_converted(project: Project) -> None:
    """A line of an object that the service cannot read is an error. Only local files are converted."""
    project.environ["GOOGLE_VERTEX_BASE_URL"] = project.service.url
    upload(project.service, "train", CONTRADICTION)
    row = json.dumps({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]})
    project.service.call(
        "POST", "upload/storage/v1/b/bucket/o?name=m.jsonl&uploadType=media", json.loads(row)
    )
    project.declare(stack("s", project="p", location="us-central1"), job(data="gs://bucket/m.jsonl"))
    err = project.run("data", job()["metadata"]["name"], expect=1).err
    assert "gs://bucket/m.jsonl:1: error: the line has no contents" in err


def test_a_file_needs_no_manifest(project: Project) -> None:
    """The valid part of a file is measured. The errors are printed after it, with exit 1."""
    project.write("d.jsonl", '{"text_input": "a", "output": "b"}\n{"text_input": 3, "output": "b"}\n')
    result = project.run("data", "d.jsonl", expect=1)
    assert "  examples        1\n" in result.out
    assert result.err.startswith("d.jsonl:2: error: text_input must be text")
    document = project.run("data", "d.jsonl", "--json", expect=1).json()
    assert document["data"][0]["errors"][0]["line"] == 2


def test_inline_data_is_told_by_its_numbers(project: Project) -> None:
    """Examples inside a manifest are numbered from 1."""
    project.declare(model("one", pairs=CONTRADICTION))
    assert "examples 1 and 3" in project.run("data", "one", expect=0).out


def test_wrong_words_are_refused(project: Project) -> None:
    """An unknown address, a missing file and a file of another format are refused."""
    project.declare(model("one"))
    assert "Did you mean one?" in project.run("data", "onee", expect=1).err
    assert "there is no such file" in project.run("data", "none.jsonl", expect=1).err
    assert "not a data file" in project.run("data", "./README.md", expect=1).err


def test_other_files_are_not_read(project: Project) -> None:
    """A broken training file of another model has no effect."""
    project.write("manifests/broken.jsonl", "nonsense\n")
    write(project, "manifests/t.jsonl", CONTRADICTION)
    other = job(data="broken.jsonl", metadata={"name": "other"})
    bucket = stack("s", project="p", location="us-central1", bucket="gs://bucket")
    project.declare(bucket, job(data="t.jsonl", metadata={"name": "mine"}), other)
    project.run("data", "mine", expect=0)
    project.run("data", "other", expect=1)
