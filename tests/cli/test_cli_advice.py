"""The advice in each message fits the situation (style: what, where, why, and what to do now)."""

from __future__ import annotations

import socket

import pytest

from tests.cli.harness import PAIRS, Project, model


@pytest.mark.parametrize(
    ("words", "summary", "command"),
    [
        ("plan --paralelism 3", "there is no option --paralelism. Did you mean --parallelism?", "plan"),
        (
            "plan --parallelism 999",
            "--parallelism: 999 is not a whole number of at least 1 and at most 256",
            "plan",
        ),
        ("plan --max-deletes x", "--max-deletes: 'x' is not a whole number of at least 0", "plan"),
        (
            "emulator --training-seconds -1",
            "--training-seconds: -1.0 is not a number of at least 0 and at most 86400",
            "emulator",
        ),
        ("plan --format pdf", "--format: 'pdf' is not text or markdown", "plan"),
        ("report --output", "--output needs a value", ""),
        ("plan --emulator=3", "--emulator takes no value", ""),
        ("state mv one", "NEW_ADDR is missing", "state mv"),
        ("state rm", "ADDR is missing", "state rm"),
        ("generate one", "PROMPT is missing", "generate"),
        ("plan --emulater", "there is no option --emulater. Did you mean --emulator?", "plan"),
        ("plan --zzz", "there is no option --zzz", "plan"),
        (
            "cost --since yesterday",
            "--since: 'yesterday' is not a day; write YEAR-MONTH-DAY, for example 2026-11-01",
            "cost",
        ),
        ("schema x", "too many arguments: x", "schema"),
        ("state lst", "there is no command 'lst'. Did you mean list?", "state"),
    ],
)
def test_a_wrong_word_is_told_in_our_words(project: Project, words: str, summary: str, command: str) -> None:
    """The message names the wrong word, says what is valid, and points to the command's help."""
    result = project.run(*words.split(), expect=1)
    advice = f"    Try: reconciler {command} --help\n" if command else ""
    assert result.err == f"Error: {summary}\n{advice}"


@pytest.mark.parametrize("command", ["plan", "drift"])
def test_two_forms_of_output_are_refused(project: Project, command: str) -> None:
    """With --json and --format markdown, one of them would be ignored. So neither is taken."""
    result = project.run(command, "--json", "--format", "markdown", expect=1)
    assert "--json and --format markdown are two forms of one output" in result.all


@pytest.mark.parametrize("group", [(), ("state",)])
def test_a_command_without_arguments_shows_its_help(project: Project, group: tuple[str, ...]) -> None:
    """A command without arguments prints its help on stderr and exits 1, without an error message."""
    result = project.run(*group, expect=1)
    assert result.out == ""
    assert result.err == project.run(*group, "--help", expect=0).out


def test_a_plan_file_that_is_not_there_is_not_answered_with_auto_approve(project: Project) -> None:
    """Apply names the missing plan file and does not advise --auto-approve, which would not help."""
    result = project.run("apply", "plan.json", expect=1)
    assert "plan.json: there is no such file" in result.err
    assert "--auto-approve" not in result.err


def test_import_without_a_manifest_asks_for_one(project: Project) -> None:
    """The message asks for a manifest and does not point to `state list`, which would not help."""
    project.declare(model("one"))
    result = project.run("import", "quite-different", "handmade", expect=1)
    assert "Write its manifest first" in result.err
    assert "state list" not in result.err


def test_import_of_what_the_address_has_already_asks_for_nothing(project: Project) -> None:
    """A second import of the same model does not advise moving it to the address that it already has."""
    project.declare(model("one"))
    project.apply()
    result = project.run("import", "one", project.record("one")["id"], expect=1)
    assert "nothing left to import" in result.err
    assert "state mv" not in result.err


def test_mv_says_both_addresses_whole(project: Project) -> None:
    """`state mv` accepts bare names and reports both addresses with their kinds."""
    project.declare(model("one"))
    project.apply()
    result = project.run("state", "mv", "one", "uno", expect=0)
    assert result.out == "TunedModel/one is recorded as TunedModel/uno.\n"


def test_a_saved_plan_with_nothing_to_do_says_so(project: Project) -> None:
    """Applying an empty saved plan says that there is nothing to do and does not say "complete"."""
    project.declare(model("one"))
    project.apply()
    project.run("plan", "--out", "plan.json", expect=0)
    assert project.run("apply", "plan.json", expect=0).out == "Nothing to do.\n"


def test_a_variables_file_is_looked_for_in_the_working_directory(project: Project) -> None:
    """The path of a variables file is relative to the working directory, and the error says so."""
    project.declare(model("one"))
    result = project.run("plan", "--var-file", "nowhere", expect=1)
    assert "relative to the working directory" in result.err


def test_a_protected_model_without_manifest_is_told_how_to_go(project: Project) -> None:
    """The advice does not assume that the manifest still exists, and it names the other way to delete."""
    project.declare(model("one", lifecycle={"prevent_destroy": True}), model("two"))
    project.apply()
    project.declare(model("two"))
    result = project.plan(expect=1)
    assert "first apply its manifest with lifecycle.prevent_destroy: false" in result.err
    assert "reconciler state rm TunedModel/one" in result.err


def test_a_port_that_is_taken_is_all_that_the_emulator_speaks_of(project: Project) -> None:
    """Without --data the error about a taken port names the address once. It says nothing about data."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = project.run("emulator", "--port", str(port), expect=1)
    assert f"cannot listen on 127.0.0.1:{port}: Address already in use\n" in result.err
    assert "--data" not in result.err


def test_init_on_the_emulator_goes_on_there(project: Project) -> None:
    """The next command that `init` prints works as printed, without a credential."""
    first = project.run("init", "--emulator", expect=0)
    assert first.out.endswith("reconciler plan --emulator\n")
    vertex = {"GOOGLE_VERTEX_BASE_URL": project.service.url}
    assert "--emulator" not in project.run("init", expect=0, environ=vertex).out
    elsewhere = project.run("init", "--emulator", "my models", expect=0)
    assert elsewhere.out.endswith("reconciler plan --emulator 'my models'\n")


def test_init_names_each_base_model_once(project: Project) -> None:
    """`init` does not offer a base model a second time under its longer publisher name."""
    said = project.run("init", "--emulator", expect=0).out
    (line,) = [line for line in said.splitlines() if line.startswith("TuningJob can be tuned from: ")]
    names = [word.rpartition("/")[2] for word in line.partition(": ")[2].split(", ")]
    assert "gemini-3.1-flash-lite" in names
    assert len(names) == len(set(names))


@pytest.mark.parametrize("given", [(), ("--kind", "TunedModel")], ids=["TuningJob", "TunedModel"])
def test_init_without_a_credential_says_how_to_try_it(project: Project, given: tuple[str, ...]) -> None:
    """`init` tells a user without an account about the emulator, as well as about the ways to log in."""
    google = {"GOOGLE_GEMINI_BASE_URL": None, "GOOGLE_CLOUD_PROJECT": "x"}
    result = project.run("init", *given, expect=1, environ=google)
    assert "GOOGLE_OAUTH_ACCESS_TOKEN" in result.err
    assert "--emulator" in result.err


@pytest.mark.parametrize("content", ["", "apiVersion: reconciler/v1\nkind: Stack\n", '{"a": 1}\n', "hello\n"])
def test_show_of_what_is_no_plan(project: Project, content: str) -> None:
    """Show does not call a manifest a truncated plan."""
    project.write("file", content)
    result = project.run("show", "./file", expect=1)
    assert "file is not a saved plan" in result.err


def test_a_document_that_cannot_be_pushed_is_no_reason_to_delete_the_state(project: Project) -> None:
    """The advice is about the document that was pushed and never suggests deleting the state."""
    project.write("copy.json", '{"a": 1}\n')
    result = project.run("state", "push", "copy.json", expect=1)
    assert "copy.json" in result.err
    assert "reconciler state pull" in result.err
    assert "delete" not in result.err


def test_an_empty_state_says_where_it_is(project: Project) -> None:
    """The note on stderr shows which state is empty, in case it is the wrong folder. Stdout stays a list."""
    listed = project.run("state", "list", expect=0)
    assert listed.out == ""
    assert listed.err == "state/default.json has no records.\n"


def test_advice_on_data_is_given_when_they_are_about_to_be_trained(project: Project) -> None:
    """A plan warns about too few examples in data that it trains on. Models that stay get no warning."""
    project.declare(model("one", pairs=PAIRS[:10]), model("two"))
    assert "10 examples" in project.plan().err
    assert "10 examples" in project.plan("--json").out
    assert "10 examples" in project.apply().err
    project.declare(model("one", pairs=PAIRS[:10]), model("two", hyperparameters={"epoch_count": 2}))
    assert "to replace" in (again := project.plan()).out
    assert again.err == ""
    assert "10 examples" in project.run("validate", expect=0).err


def test_advice_on_many_data_sets_counts_only_those_that_are_trained(project: Project) -> None:
    """Models that stay get no warning, however many of them one file declares."""
    many = [model(f"model-{number}", pairs=PAIRS[:10]) for number in range(8)]
    project.declare(*many)
    assert "6 more places: 10 examples" in project.apply().err
    assert project.plan().err == ""
    project.declare(*many, model("new", pairs=PAIRS[:9]))
    assert project.plan().err.count("of training data") == 1
    assert "7 more places" in project.run("validate", expect=0).err


def test_why_a_model_does_not_serve(project: Project) -> None:
    """The advice differs for a model in training, a failed training and a failed check."""
    project.service.fault({"train": "failing", "fail": {"code": 13, "message": "no"}, "at": 0.5})
    project.declare(
        model("failing"),
        model("refused", pairs=PAIRS[:10], checks=[{"prompt": "1", "expect": "3"}]),
        model("slow"),
    )
    project.apply("--no-wait")
    assert "not promoted yet" in project.run("output", "slow", expect=1).err
    project.run("wait", expect=4)
    failed = project.run("generate", "failing", "1", expect=1).err
    assert "the training of" in failed
    assert "--retry-failed" in failed
    assert "the checks of" in project.run("output", "refused", expect=1).err


@pytest.mark.parametrize(
    ("asked", "advised"),
    [
        ("TunedModel/onne", "Did you mean TunedModel/one?"),
        ("TunedMdl/one", "Did you mean TunedModel/one?"),
        ("onne", "Did you mean one?"),
        ("TunedModel/quite-different", "reconciler state list"),
    ],
)
def test_the_nearest_name_is_near(project: Project, asked: str, advised: str) -> None:
    """Suggestions compare the names only. Two addresses are not similar because they have one kind."""
    project.declare(model("one"))
    project.apply("--no-wait")
    assert advised in project.run("state", "show", asked, expect=1).err


def test_a_plan_of_nothing_and_a_plan_of_deletions_are_not_one(project: Project) -> None:
    """Options that contradict each other are refused. Neither silently wins."""
    project.declare(model("one"))
    assert "Give one of them" in project.plan("--refresh-only", "--destroy", expect=1).err


def test_an_advised_command_works_on_the_same_state(project: Project) -> None:
    """Commands advised after an error, a failed training or a guard repeat the run's --state."""
    place = ("--state", "elsewhere")
    kept, new = model("one", lifecycle={"prevent_destroy": True}), model("three")
    project.declare(kept, model("two"))
    project.apply(*place)
    unknown = project.run("state", "show", "nobody", *place, expect=1)
    assert "reconciler state list --state elsewhere shows" in unknown.err
    assert "reconciler state list --state elsewhere shows" in project.run("show", "xyz", *place, expect=1).err
    project.declare(model("two"))
    refused = project.plan(*place, expect=1)
    assert "reconciler state rm --state elsewhere TunedModel/one" in refused.err
    project.declare(kept, model("two"), new)
    project.service.fault({"train": "three", "fail": {"code": 3, "message": "unfit"}, "at": 0.1})
    failed = project.apply(*place, expect=4)
    assert "reconciler apply --state elsewhere --retry-failed --target TunedModel/three" in failed.err
