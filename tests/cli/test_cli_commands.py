"""init, validate, generate, test, schema, report: the commands around the main job (design 2.1, 2.2)."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest
import yaml

from tests.cli.harness import BASE, PAIRS, Project, identity, model, stack

NOWHERE = {"GOOGLE_GEMINI_BASE_URL": "https://192.0.2.1", "GOOGLE_CLOUD_PROJECT": "x"}
"""An address that nobody answers from: what asks there hangs or fails."""

GOOD = """\
apiVersion: reconciler/v1
kind: TunedModel
metadata: {name: one}
spec:
  base_model: models/gemini-1.0-pro-001
  tuning_task: {training_data: {examples: {examples: [{text_input: a, output: b}]}}}
"""


@pytest.mark.parametrize("kind", [None, "TunedModel"])
def test_init_writes_what_plan_takes(project: Project, kind: str | None) -> None:
    """`init` writes a Stack with a random suffix and a valid manifest. A second `init` writes nothing."""
    project.environ["GOOGLE_VERTEX_BASE_URL"] = project.service.url
    given = ["--kind", kind] if kind else []
    first = project.run("init", *given, expect=0)
    assert project.service.url in first.out
    assert f"{kind or 'TuningJob'} can be tuned from: " in first.out
    assert project.run("validate", expect=0).err == ""
    project.plan("--detailed-exitcode", expect=2)
    stacks = [
        path for path in (project.root / "manifests").rglob("*.yaml") if "kind: Stack" in path.read_text()
    ]
    assert len(stacks) == 1
    before = {path: path.read_bytes() for path in project.root.rglob("*") if path.is_file()}
    project.run("init", expect=0)
    assert before == {path: path.read_bytes() for path in project.root.rglob("*") if path.is_file()}
    project.apply()
    assert list(project.run("output", "--format", "json").json()) == [
        f"{kind or 'TuningJob'}/number-generator"
    ]


def test_what_init_writes_is_valid_for_google(project: Project) -> None:
    """The new Stack names a bucket after itself, so validate finds no error before an account exists."""
    google = {"GOOGLE_VERTEX_BASE_URL": None, "GOOGLE_GEMINI_BASE_URL": None, "GOOGLE_CLOUD_PROJECT": "acme"}
    project.run("init", expect=1, environ=google)
    stack = yaml.safe_load((project.root / "manifests/stack.yaml").read_text())
    assert stack["spec"]["bucket"] == f"gs://{stack['metadata']['name']}"
    assert project.run("validate", expect=0, environ=google).err == ""


def test_init_leads_with_what_can_be_tuned_today(project: Project) -> None:
    """Without --kind the first model is a TuningJob, with its training data beside it."""
    project.run("init", "--emulator", expect=0)
    text = (project.root / "manifests/number-generator.yaml").read_text()
    assert "kind: TuningJob" in text
    assert "base_model: gemini-3.1-flash-lite\n" in text
    rows = (project.root / "manifests/data/number-generator.jsonl").read_text().splitlines()
    assert len(rows) == 20
    assert json.loads(rows[0]) == {"text_input": "1", "output": "2"}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, b"state/*.lock\nstate/.*.tmp\nstate/emulator.*\nstate/data-cache.json\n"),
        (b"mine", b"mine\nstate/*.lock\nstate/.*.tmp\nstate/emulator.*\nstate/data-cache.json\n"),
        (
            b"/state/emulator.*\n# mine\n",
            b"/state/emulator.*\n# mine\nstate/*.lock\nstate/.*.tmp\nstate/data-cache.json\n",
        ),
        (
            b"mine\r\nstate/data-cache.json\r\n",
            b"mine\r\nstate/data-cache.json\r\nstate/*.lock\r\nstate/.*.tmp\r\nstate/emulator.*\r\n",
        ),
        (b"\xff\nstate/\n", b"\xff\nstate/\n"),
    ],
    ids=["none", "no line end", "some", "Windows", "all"],
)
def test_init_adds_to_gitignore_what_it_lacks(project: Project, before: bytes | None, after: bytes) -> None:
    """Existing lines of .gitignore stay. Those for locks and the emulator are added once."""
    file = project.root / ".gitignore"
    if before is not None:
        file.write_bytes(before)
    for _ in range(2):
        project.run("init", "--emulator", expect=0)
        assert file.read_bytes() == after


def test_two_inits_have_two_stack_names(project: Project) -> None:
    """Two runs of `init` choose different random suffixes."""
    project.run("init", "--emulator", "a", expect=0)
    project.run("init", "--emulator", "b", expect=0)

    def name(folder: str) -> str:
        return next(
            line
            for path in (project.root / folder).rglob("*.yaml")
            if "kind: Stack" in path.read_text()
            for line in path.read_text().splitlines()
            if "name:" in line
        )

    assert name("a") != name("b")


def test_init_checks_the_endpoint(project: Project) -> None:
    """`init` exits 1 if the endpoint does not answer."""
    nowhere = {"GOOGLE_GEMINI_BASE_URL": "http://127.0.0.1:9"}
    project.run("init", "--kind", "TunedModel", expect=1, environ=nowhere)


def test_validate_is_offline(project: Project) -> None:
    """`validate` works without network, credential or state."""
    project.declare(stack("s"), model("one"))
    result = project.run("validate", expect=0, environ=NOWHERE)
    assert "1 model in 1 file: all valid.\n" in result.all
    assert project.service.sent() == []
    assert not (project.root / "state").exists()


def test_all_problems_at_once_with_their_places(project: Project) -> None:
    """All problems of all files have file:line:column. A typo comes with the nearest known key."""
    project.write("manifests/a.yaml", GOOD.replace("base_model", "base_modle"))
    project.write("manifests/b.yaml", GOOD.replace("one", "Two!").replace("a, output: b", "a, output: 5"))
    project.write("manifests/c.yaml", "apiVersion: reconciler/v1\nkind: TunedModle\nmetadata: {name: c}\n")
    err = project.run("validate", expect=1).err
    for place in (
        "manifests/a.yaml:5:3",
        "manifests/b.yaml:3:",
        "manifests/b.yaml:6:",
        "manifests/c.yaml:2:",
    ):
        assert place in err, err
    assert "spec.base_modle is not a known key\n    Did you mean base_model?\n" in err
    assert "kind is the text 'TunedModle', which is not a known kind\n    Did you mean TunedModel?\n" in err


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ("manifests: error: no manifest found\n",)),
        ("a: [", ("manifests/m.yaml:2:1: error: a value is missing, or a bracket is never closed\n",)),
        ("- 1\n", ("manifests/m.yaml:1:1: error: a manifest is a mapping, not a list\n",)),
        (
            "apiVersion: reconciler/v9\nkind: TunedModel\n",
            ("m.yaml:1:13: error: apiVersion must be reconciler/v1, not the text 'reconciler/v9'\n",),
        ),
        (
            GOOD.replace("name: one", "name: " + "a" * 32),
            ("m.yaml:3:18: error: metadata.name ", " has 32 characters, and at most 31 are allowed\n"),
        ),
        (
            GOOD.replace("name: one", "name: One"),
            ("m.yaml:3:18: error: metadata.name 'One' must begin with a letter a-z",),
        ),
        (GOOD + "---\n" + GOOD, ("m.yaml:10:18: error: TunedModel/one is declared twice, first at ",)),
        (
            GOOD.replace("spec:", "spec:\n  display_name: " + "x" * 41),
            ("m.yaml:5:17: error: spec.display_name has 41 characters, and at most 40",),
        ),
        (
            GOOD.replace("spec:", "spec:\n  temperature: 3"),
            ("m.yaml:5:16: error: spec.temperature is 3, above 1\n",),
        ),
        (
            GOOD.replace("spec:", "spec:\n  temperature: 0.5\n  temperature: 0.6"),
            ("m.yaml:6:3: error: duplicate key 'temperature', first at ",),
        ),
        (
            GOOD.replace(
                "spec:", "spec:\n  base_model: models/x\n  tuned_model_source: {tuned_model: tunedModels/y}"
            ),
            ("m.yaml:6:3: error: spec has both base_model and tuned_model_source\n",),
        ),
        (
            GOOD.replace("spec:", "lifecycle: {keep_deposed: soon}\nspec:"),
            ("m.yaml:4:27: error: lifecycle.keep_deposed 'soon' is not a duration\n",),
        ),
        (
            GOOD.replace("spec:", "lifecycle: {ignore_drift: [{field: temperature, until: someday}]}\nspec:"),
            ("m.yaml:4:56: error: lifecycle.ignore_drift[0].until 'someday' is not a date\n",),
        ),
        (
            GOOD.replace("spec:", "permissions: [{grantee_type: NOBODY, role: READER}]\nspec:"),
            ("m.yaml:4:30: error: permissions[0].grantee_type must be USER, GROUP or EVERYONE",),
        ),
        (
            GOOD.replace("spec:", "checks: [{prompt: a}]\nspec:"),
            ("m.yaml:4:10: error: how the answer is compared is missing\n",),
        ),
        (
            GOOD.replace("[{text_input: a, output: b}]", "[]"),
            ("m.yaml:6:17: error: the data set is empty\n",),
        ),
        (
            GOOD.replace("output: b", "output: b, extra: c"),
            ("m.yaml:6:82: error: ", ".examples[0].extra is not a known key\n"),
        ),
        (
            GOOD + "---\n" + json.dumps(stack("a")) + "\n---\n" + json.dumps(stack("b")),
            ("m.yaml:10:1: error: a second Stack; the first is at manifests/m.yaml:8:1\n",),
        ),
        (
            GOOD.replace("text_input: a", "text_input: &a [1]").replace("output: b", "output: *a"),
            ("m.yaml:6:68: error: ", ".examples[0].text_input must be text, not a list\n"),
        ),
    ],
)
def test_bad_manifests_are_1(project: Project, text: str, words: tuple[str, ...]) -> None:
    """Each bad manifest gives exit 1 and an error with its place, never a traceback."""
    project.write("manifests/m.yaml", text)
    err = project.run("validate", expect=1).err
    for word in words:
        assert word in err, err


def test_yaml_traps(project: Project) -> None:
    """1e-3 is read as a number, and text fields keep the text exactly as written."""
    project.write(
        "manifests/m.yaml",
        GOOD.replace("tuning_task: {", "tuning_task: {hyperparameters: {learning_rate: 1e-3}, "),
    )
    project.apply("--no-wait")
    [live] = project.service.models().values()
    assert abs(live["tuningTask"]["hyperparameters"]["learningRate"] - 0.001) < 1e-9


def test_an_alias_bomb_is_refused(project: Project) -> None:
    """Ten levels of nine aliases do not exhaust the memory."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 11)]
    project.write("manifests/m.yaml", "\n".join(lines) + "\n")
    project.run("validate", expect=1)


def test_data_outside_the_work_tree_is_refused(project: Project) -> None:
    """A data path is relative to its manifest and must stay inside the git work tree.

    Outside of git it must stay inside the working directory.
    """
    line = '{"text_input": "a", "output": "b"}\n'
    (project.root.parent / "outside.jsonl").write_text(line)
    project.declare(model("one", file="../../outside.jsonl"))
    assert "outside.jsonl" in project.run("validate", expect=1).err
    project.write("data/inside.jsonl", line)
    project.declare(model("one", file="../data/inside.jsonl"))
    project.run("validate", expect=0)
    (project.root / "manifests/link.jsonl").symlink_to(project.root.parent / "outside.jsonl")
    project.declare(model("one", file="link.jsonl"))
    project.run("validate", expect=1)
    subprocess.run(["git", "init", "-q", str(project.root.parent)], check=True, capture_output=True)
    project.declare(model("one", file="../../outside.jsonl"))
    project.run("validate", expect=0)


@pytest.mark.parametrize(
    ("name", "content", "error"),
    [
        ("d.jsonl", "", "d.jsonl: error: the data set is empty"),
        ("d.jsonl", "[1]\n", "d.jsonl:1: error: the file holds a JSON list, not one object per line"),
        ("d.jsonl", '{"text_input": "a"}\n', "d.jsonl:1: error: output is missing"),
        (
            "d.jsonl",
            '{"text_input": "a", "output": "b"}\n{"text_input": "a", "output": 1}\n',
            "d.jsonl:2: error: output must be text, not the number 1",
        ),
        (
            "d.jsonl",
            '{"text_input": "a", "output": "b", "id": "c"}\n',
            "d.jsonl:1: error: 'id' is not a key of training data",
        ),
        ("d.json", "{}", "d.json:1:1: error: the object is empty"),
        ("d.json", "[{}]", "d.json:1:2: error: text_input is missing"),
        ("d.csv", "a,b\n1,2\n", "d.csv:1: error: 'a' is not a column of training data"),
        (
            "d.csv",
            "text_input,output,id\n1,2,3\n",
            "d.csv:1: error: 'id' is not a column of training data",
        ),
        (
            "d.csv",
            "text_input,output\n1\n",
            "d.csv:2: error: the row has 1 field, but the header has 2",
        ),
        ("d.txt", "hello", "models.yaml:17:13: error: d.txt: unsupported file type"),
        ("missing.jsonl", None, "models.yaml:17:13: error: missing.jsonl: there is no such file"),
    ],
)
def test_bad_data_files_are_1(project: Project, name: str, content: str | None, error: str) -> None:
    """Each bad data file is named, with the line number where there is one, and with what is wrong."""
    if content is not None:
        project.write(f"manifests/{name}", content)
    project.declare(model("one", file=name))
    assert project.run("validate", expect=1).err.splitlines()[0] == f"manifests/{error}"


def test_columns_in_camel_case_are_the_apis(project: Project) -> None:
    """The API's own column name textInput is read as text_input."""
    project.write("manifests/d.jsonl", '{"textInput": "a", "output": "b"}\n')
    project.declare(model("one", file="d.jsonl"))
    assert project.run("validate", expect=0).out == "1 model in 1 file: all valid.\n"


def test_example_limits(project: Project) -> None:
    """An input above 40,000 characters or an output above 5,000 is refused offline."""
    project.declare(model("one", pairs=[("x" * 40_001, "y"), ("x", "y" * 5_001)]))
    err = project.run("validate", expect=1).err
    assert "models.yaml:19:7: error: text_input has 40,001 characters, and the service takes 40,000\n" in err
    assert "models.yaml:23:7: error: output has 5,001 characters, and the service takes 5,000\n" in err
    assert err.endswith("\n2 errors.\n")


def test_generate_answers(project: Project) -> None:
    """`generate` prints the model's answer and nothing else on stdout."""
    project.declare(model("one"))
    project.apply()
    assert project.run("generate", "one", "3", expect=0).out == "4\n"
    assert project.run("generate", "TunedModel/one", "3", expect=0).out == "4\n"
    project.run("generate", "two", "3", expect=1)


def test_generate_when_the_service_fails(project: Project) -> None:
    """A refusal by the service is an error with the service's message, never a traceback."""
    project.declare(model("one"))
    project.apply()
    project.service.fault(
        {
            "path": "generateContent",
            "status": 400,
            "times": 9,
            "body": {"error": {"code": 400, "message": "Too odd.", "status": "INVALID_ARGUMENT"}},
        }
    )
    result = project.run("generate", "one", "3")
    assert result.code in {1, 4}
    assert "Too odd." in result.err


def test_test_runs_every_check(project: Project) -> None:
    """`test` exits 0 if all pass, 4 with both answers if one fails, and 3 if one is unknown."""
    project.declare(
        model("one", checks=[{"prompt": "1", "expect": "2"}]),
        model("two", checks=[{"prompt": "3", "expect": "4"}]),
    )
    project.apply()
    project.run("test", expect=0)
    project.declare(
        model("one", checks=[{"prompt": "1", "expect": "5"}]),
        model("two", checks=[{"prompt": "3", "expect": "4"}]),
    )
    assert project.run("test", expect=4).out.splitlines() == [
        "failed  TunedModel/one  '1' is answered with '2', not '5'",
        "passed  TunedModel/two  '3'",
    ]
    project.service.fault({"path": "generateContent", "status": 503, "times": 99})
    project.run("test", "--target", "two", expect=3)


@pytest.mark.parametrize(
    ("answer", "code", "said"),
    [
        ({"candidates": [{"content": {"parts": [None]}}]}, 3, "parts"),
        ({"candidates": "x"}, 3, "candidates"),
        ({"promptFeedback": {"blockReason": "SAFETY\x1b[31m"}}, 4, "the prompt was blocked (SAFETY"),
        ({"candidates": [{"finishReason": "MAX_TOKENS"}]}, 4, "finished with MAX_TOKENS"),
    ],
)
def test_an_odd_answer_concerns_its_model_alone(
    project: Project, answer: dict[str, Any], code: int, said: str
) -> None:
    """An empty answer fails that model's check and an unreadable one is unknown.

    Other models are still checked.
    """
    checks = [{"prompt": "1", "expect": "2"}]
    project.declare(model("one", checks=checks), model("two", checks=checks))
    project.apply()
    path = f"{identity('one')}:generateContent"
    project.service.fault({"path": path, "status": 200, "body": answer, "times": 9})
    result = project.run("test", expect=code)
    assert said in result.out
    assert "passed  TunedModel/two" in result.out
    assert "\x1b" not in result.all


def test_checks_added_later_are_no_change(project: Project) -> None:
    """New checks on a serving model run in `test` and cause no training or promotion."""
    project.declare(model("one"))
    project.apply()
    project.declare(model("one", checks=[{"prompt": "1", "expect": "2"}]))
    project.settled()


def test_schema_is_json_schema(project: Project) -> None:
    """The schema accepts a good manifest's keys, and printing it needs neither network nor manifests."""
    document = project.run("schema", expect=0, environ=NOWHERE).json()
    assert "$schema" in document
    text = json.dumps(document)
    for word in (
        "TunedModel",
        "Stack",
        "keep_deposed",
        "base_model",
        "learning_rate_multiplier",
        "ignore_drift",
    ):
        assert word in text


def test_report_is_one_page(project: Project) -> None:
    """`report` writes one self-contained HTML file with every model."""
    project.declare(model("one"), model("two", pairs=PAIRS[:15]))
    project.apply()
    project.run("report", "-o", "r.html", expect=0)
    page = (project.root / "r.html").read_text()
    assert identity("one") in page
    assert page.startswith("<!doctype html>\n<html lang=")
    assert page.count("<html") == page.count("</html>") == 1
    assert 'src="http' not in page
    assert "@import" not in page


def test_refresh_only_shows_drift_and_changes_nothing(project: Project) -> None:
    """`plan --refresh-only` shows how live models differ and proposes no change."""
    project.declare(model("one", spec={"description": "ours"}))
    project.apply()
    project.service.patch(identity("one"), "description", description="theirs")
    out = project.plan("--refresh-only").out
    assert "    ~ TunedModel/one was changed outside: description\n" in out
    assert "to update" not in out


def test_a_folder_given_as_path(project: Project) -> None:
    """A folder given as PATH is the whole desired set, and its subfolders are read too."""
    project.declare(model("one"), file="prod/deep/er/one.yml")
    project.apply("prod")
    assert list(project.service.models()) == [identity("one")]


def test_the_tutorials_python_body(project: Project) -> None:
    """The tutorial's Python request body, single quotes included, is valid YAML under spec."""
    project.write(
        "manifests/t.yaml",
        f"""\
apiVersion: reconciler/v1
kind: TunedModel
metadata: {{name: number-generator}}
spec: {{
        "display_name": "number generator",
        "base_model": "{BASE}",
        "tuning_task": {{
          "hyperparameters": {{
            "batch_size": 4,
            "learning_rate": 0.001,
            "epoch_count":5,
          }},
          "training_data": {{
            "examples": {{
              "examples": [
                {{
                    'text_input': '1',
                    'output': '2',
                }},{{
                    'text_input': '-3',
                    'output': '-2',
                }}
              ]
            }}
          }}
        }}
      }}
""",
    )
    project.apply("--no-wait")
    assert list(project.service.models()) == [identity("number-generator", [("1", "2"), ("-3", "-2")])]
