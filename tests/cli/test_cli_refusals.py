"""Refusals come before any call, lock or write (design 2.2, 2.3, 3)."""

from __future__ import annotations

import json

import pytest

from tests.cli.harness import PAIRS, Project, identity, model, stack

CHANGING = ("POST", "PATCH", "DELETE")


def unchanged(project: Project, before: bytes) -> None:
    """Assert that neither the state nor the service has changed since the log was emptied."""
    assert project.state_file.read_bytes() == before
    assert project.service.sent(*CHANGING) == []


@pytest.mark.parametrize("command", ["apply", "destroy"])
def test_without_a_terminal_auto_approve_is_needed(project: Project, command: str) -> None:
    """Without a terminal, apply exits 1 before any lock, write or request."""
    project.declare(model("one"))
    result = project.run(command, expect=1)
    assert "--auto-approve" in result.err
    assert not (project.root / "state").exists()
    assert project.service.creates() == 0


def test_destroy_without_approval_leaves_everything(project: Project) -> None:
    """The refusal comes before anything is deleted."""
    project.declare(model("one"))
    project.apply()
    before = project.state_file.read_bytes()
    project.service.forget_log()
    project.run("destroy", expect=1)
    unchanged(project, before)


def test_another_stacks_manifests_are_refused(project: Project) -> None:
    """The state records its stack's name. Every command refuses another name and names both."""
    project.declare(stack("ours"), model("one"))
    project.apply()
    before = project.state_file.read_bytes()
    project.declare(stack("theirs"), model("one"))
    project.service.forget_log()
    for command in (
        ("apply", "--auto-approve"),
        ("plan",),
        ("destroy", "--auto-approve"),
        ("drift",),
        ("wait",),
        ("import", "one", "x"),
        ("state", "rm", "TunedModel/one"),
    ):
        result = project.run(*command, expect=1)
        assert (
            'the state belongs to the stack "ours", but here the Stack is named "theirs"\n' in result.err
        ), command
    assert project.service.sent() == []
    assert project.state_file.read_bytes() == before


def test_a_nameless_state_takes_the_first_name_and_keeps_its_ids(project: Project) -> None:
    """Records from before the stack had a name keep their ids under the new name."""
    project.declare(model("one"))
    project.apply()
    project.declare(stack("ours"), model("one"))
    project.apply()
    assert project.state()["stack"] == "ours"
    assert project.service.creates() == 1
    assert project.record("one")["id"] == identity("one")
    project.settled()


def test_a_state_of_the_other_service_is_refused(project: Project) -> None:
    """An emulator's endpoint refuses a state of Google before any call."""
    project.declare(model("one"))
    project.apply()
    document = project.state()
    document["service"] = "google"
    project.state_file.write_text(json.dumps(document))
    before = project.state_file.read_bytes()
    project.service.forget_log()
    for command in (
        ("apply", "--auto-approve"),
        ("plan",),
        ("destroy", "--auto-approve"),
        ("drift",),
        ("wait",),
        ("output",),
        ("test",),
        ("generate", "one", "1"),
        ("show", "one"),
    ):
        result = project.run(*command, expect=1)
        assert "records models at Google, but this command talks to an emulator" in result.err
    assert project.service.sent() == []
    assert project.state_file.read_bytes() == before


def test_a_state_of_another_project_is_refused(project: Project) -> None:
    """A state that records its project is refused under another project."""
    project.environ["GOOGLE_CLOUD_PROJECT"] = "alpha"
    project.declare(model("one"))
    project.apply()
    assert project.state()["project"] == "alpha"
    before = project.state_file.read_bytes()
    project.service.forget_log()
    for command in (("plan",), ("apply", "--auto-approve"), ("destroy", "--auto-approve")):
        result = project.run(*command, environ={"GOOGLE_CLOUD_PROJECT": "beta"}, expect=1)
        assert "models of the project alpha, but this command uses beta\n" in result.err, command
    unchanged(project, before)


def test_every_loopback_port_is_the_same_service(project: Project) -> None:
    """A state of the emulator fits the emulator on another port of loopback."""
    project.declare(model("one"))
    project.apply()
    project.plan(environ={"GOOGLE_GEMINI_BASE_URL": project.service.url.replace("127.0.0.1", "localhost")})


def test_more_than_half_missing_is_an_error(project: Project) -> None:
    """If three of four recorded models are gone, the plan fails.

    It names endpoint, project and credential.
    """
    project.environ["RECONCILER_LAG_SECONDS"] = "0.001"
    project.declare(*(model(f"m{n}") for n in range(4)))
    project.apply()
    for n in range(3):
        project.service.delete(identity(f"m{n}"))
    before = project.state_file.read_bytes()
    project.service.forget_log()
    for command in (("plan",), ("apply", "--auto-approve")):
        result = project.run(*command, expect=1)
        assert project.service.url in result.err
        assert "more likely a wrong endpoint, project or credential than a loss" in result.err
    unchanged(project, before)
    project.apply("--max-trainings", "2", expect=1)
    project.apply("--max-trainings", "3", expect=0)
    assert len(project.service.models()) == 4


def test_half_missing_is_no_reason_to_stop(project: Project) -> None:
    """If two of four models are missing, they are trained again."""
    project.environ["RECONCILER_LAG_SECONDS"] = "0.001"
    project.declare(*(model(f"m{n}") for n in range(4)))
    project.apply()
    for n in range(2):
        project.service.delete(identity(f"m{n}"))
    project.apply()
    assert len(project.service.models()) == 4


def test_three_of_three_missing_is_no_majority(project: Project) -> None:
    """The plan stops for missing models only if at least four are recorded."""
    project.environ["RECONCILER_LAG_SECONDS"] = "0.001"
    project.declare(*(model(f"m{n}") for n in range(3)))
    project.apply()
    for n in range(3):
        project.service.delete(identity(f"m{n}"))
    project.plan("--detailed-exitcode", expect=2)


def test_max_trainings_is_a_guard(project: Project) -> None:
    """--max-trainings 1 refuses a plan with two trainings before anything is begun."""
    project.declare(model("one"), model("two"))
    for command in (("plan",), ("apply", "--auto-approve")):
        refused = project.run(*command, "--max-trainings", "1", expect=1).err.splitlines()
        assert refused == [
            "Error: the plan starts 2 trainings, over max_trainings 1: TunedModel/one, TunedModel/two",
            "    If you mean it: --max-trainings 2",
        ]
    assert project.service.creates() == 0
    assert not project.state_file.exists()
    project.apply("--max-trainings", "2")


def test_max_deletes_is_a_guard(project: Project) -> None:
    """--max-deletes 0 refuses a plan with a deletion, replaced models included."""
    project.declare(model("one"), model("two"))
    project.apply()
    project.declare(model("two"))
    project.apply("--max-deletes", "0", expect=1)
    assert len(project.service.models()) == 2
    project.declare(model("one"), model("two", pairs=PAIRS[:10]))
    project.apply("--max-deletes", "0", expect=1)
    assert project.service.creates() == 2
    project.apply("--max-deletes", "1")


def test_the_stacks_guards_hold_and_flags_win(project: Project) -> None:
    """Stack.spec.guards limit every plan, unless a flag overrides them."""
    project.declare(stack("s", guards={"max_trainings": 1, "max_deletes": 0}), model("one"), model("two"))
    project.apply(expect=1)
    project.apply("--max-trainings", "5")
    project.declare(stack("s", guards={"max_trainings": 1, "max_deletes": 0}), model("one"))
    project.apply(expect=1)
    project.apply("--max-deletes", "1")
    assert len(project.service.models()) == 1


def test_a_corrupt_state_is_refused_and_left_alone(project: Project) -> None:
    """A corrupt state exits 1, is named in the error, and stays unchanged."""
    project.declare(model("one"))
    project.apply()
    for garbage in (b"", b"{", b"[]", b"\xff\xfe", b"null", b'{"version": 1}'):
        project.state_file.write_bytes(garbage)
        project.service.forget_log()
        for command in (("plan",), ("apply", "--auto-approve"), ("state", "list")):
            assert "state/default.json: the state cannot be read: " in project.run(*command, expect=1).err
        unchanged(project, garbage)


def test_a_newer_state_is_refused(project: Project) -> None:
    """A state of a newer version is refused, and the error says so."""
    project.declare(model("one"))
    project.apply()
    document = {**project.state(), "version": 999}
    project.state_file.write_text(json.dumps(document))
    assert "this state is of version 999; this program knows versions up to 5\n" in project.plan(expect=1).err


def test_a_single_file_only_selects(project: Project) -> None:
    """With a file as PATH, models outside the file are neither changed nor deleted."""
    project.declare(model("one"), file="manifests/one.yaml")
    project.declare(model("two"), file="manifests/two.yaml")
    project.apply("manifests/one.yaml")
    assert list(project.service.models()) == [identity("one")]
    project.apply("manifests/two.yaml")
    assert set(project.service.models()) == {identity("one"), identity("two")}
    project.declare(model("one", pairs=PAIRS[:10]), file="manifests/one.yaml")
    (project.root / "manifests/two.yaml").unlink()
    project.apply("manifests/one.yaml")
    assert set(project.service.models()) == {identity("one", PAIRS[:10]), identity("two")}


def test_destroy_of_a_single_file_deletes_only_its_models(project: Project) -> None:
    """`destroy FILE` deletes only the models of that file."""
    project.declare(model("one"), file="manifests/one.yaml")
    project.declare(model("two"), file="manifests/two.yaml")
    project.apply()
    project.run("destroy", "--auto-approve", "manifests/one.yaml", expect=0)
    assert list(project.service.models()) == [identity("two")]


def test_target_and_exclude_select(project: Project) -> None:
    """--target selects only the named models, --exclude all others. Both can be repeated."""
    project.declare(*(model(name) for name in ("a", "b", "c")))
    project.apply("--target", "TunedModel/a")
    assert list(project.service.models()) == [identity("a")]
    project.apply("--exclude", "c")
    assert set(project.service.models()) == {identity("a"), identity("b")}
    project.declare(model("c", pairs=PAIRS[:10]))
    assert project.actions("--target", "a") == {"TunedModel/a": [["delete"]]}
    project.apply()
    assert list(project.service.models()) == [identity("c", PAIRS[:10])]


def test_a_label_selects(project: Project) -> None:
    """KEY=VALUE selects models by metadata.labels."""
    project.declare(model("a", metadata={"labels": {"team": "search"}}), model("b"))
    assert project.actions("--target", "team=search") == {"TunedModel/a": [["create"]]}


@pytest.mark.parametrize("option", ["--target", "--exclude", "--replace"])
def test_a_selection_that_means_nothing_is_an_error(project: Project, option: str) -> None:
    """A name without a manifest and without a record is a usage error that repeats the name."""
    project.declare(model("one"))
    assert (
        "nothing is called TunedModel/nonesuch\n" in project.plan(option, "TunedModel/nonesuch", expect=1).err
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ("plan", "--nonsense"),
        ("nonsense",),
        ("apply", "--timeout", "soon"),
        ("apply", "--auto-approve", "--timeout", "366d"),
        ("wait", "--lock-timeout", "99999999d"),
        ("apply", "--parallelism", "0"),
        ("plan", "--format", "xml"),
        ("show", "a", "b", "c"),
        ("output", "--format", "xml"),
        ("plan", "nowhere"),
        ("plan", "--var", "novalue"),
        ("plan", "--var-file", "nowhere.yaml"),
        ("apply", "nowhere.plan", "--auto-approve"),
        ("force-unlock",),
        ("state",),
        ("state", "mv", "a"),
        ("state", "nonsense"),
        ("apply", "--max-trainings", "-1"),
        ("generate", "one"),
        ("emulator", "--port", "99999999"),
        ("plan", "--lock-timeout", "x"),
    ],
)
def test_usage_errors_are_1(project: Project, arguments: tuple[str, ...]) -> None:
    """A wrong command line exits 1 with a message on stderr and nothing on stdout."""
    project.declare(model("one"))
    result = project.run(*arguments, expect=1)
    assert result.err
    assert result.out == ""


def test_no_command_shows_the_commands(project: Project) -> None:
    """Without a command the help is shown, offline. --help exits 0."""
    help_text = project.run("--help", expect=0).out
    for name in (
        "init",
        "validate",
        "plan",
        "apply",
        "destroy",
        "drift",
        "wait",
        "show",
        "output",
        "generate",
        "test",
        "import",
        "state",
        "force-unlock",
        "report",
        "schema",
        "emulator",
    ):
        assert f"\n  {name} " in help_text
        assert project.run(name, "--help", expect=0).out.startswith(f"Usage: reconciler {name} [OPTIONS]")


def test_a_typo_names_the_nearest_command(project: Project) -> None:
    """For `aply` the error suggests apply."""
    assert "there is no command 'aply'. Did you mean apply?\n" in project.run("aply", expect=1).err


def test_what_a_guard_refuses_is_shown_first_and_named_once(project: Project) -> None:
    """The plan is on stdout, the refusal names each model once, and nothing is begun."""
    project.declare(model("one"), model("two"))
    for command in (("plan",), ("apply", "--auto-approve")):
        result = project.run(*command, "--max-trainings", "1", expect=1)
        assert "TunedModel/one will be trained" in result.out
        assert "Plan: 2 to train." in result.out
        assert result.err.count("TunedModel/one") == result.err.count("TunedModel/two") == 1
    records = project.run("plan", "--json", "--max-trainings", "1", expect=1).records()
    kinds = [record["type"] for record in records]
    assert kinds.index("planned_change") < kinds.index("diagnostic")
    assert project.service.creates() == 0


def test_what_prevent_destroy_refuses_is_shown_first(project: Project) -> None:
    """For destroy and for a removed manifest, the plan shows the deletion before the error refuses it."""
    project.declare(model("one", lifecycle={"prevent_destroy": True}), model("two"))
    project.apply()
    result = project.run("destroy", "--auto-approve", expect=1)
    assert "Plan: 2 to delete." in result.out
    assert "TunedModel/one is protected by prevent_destroy" in result.err
    assert "TunedModel/two" not in result.err
    project.declare(model("two"))
    result = project.plan(expect=1)
    assert "TunedModel/one will be deleted" in result.out
    assert "TunedModel/one is protected by prevent_destroy" in result.err
    project.run("wait", expect=0)
    assert len(project.service.models()) == 2
