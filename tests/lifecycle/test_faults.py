"""Faults of the service, through the real transport and provider, against the emulator.

Each row ends in success or in one clear error that says what to do; independent models go on; and the next
run, with the fault gone, converges without a second training.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from reconciler import transport
from reconciler.apply import Settings
from reconciler.backends.memory import MemoryBackend, MemoryStore
from reconciler.errors import ExitCode, ReconcilerError
from reconciler.events import Event, Failed, Progress, Skipped, exit_code
from reconciler.manifests import Loaded
from reconciler.model import Check, Desired, Stack
from reconciler.operation import Operation
from reconciler.plan.values import Context, Inputs
from reconciler.providers.gemini.fields import TUNED_MODEL
from reconciler.providers.gemini.provider import GeminiProvider
from reconciler.statefile import loads
from reconciler.statemgr import StateManager
from tests.cli.harness import Service
from tests.lifecycle.stage import KIND, READER, line, want

COLLECTION, MODEL = "^/v1beta/tunedModels$", "^/v1beta/tunedModels/a-[a-z2-7]{8}$"
CREATE: Mapping[str, Any] = {"method": "POST", "path": COLLECTION}
LIST: Mapping[str, Any] = {"method": "GET", "path": COLLECTION}
POLL: Mapping[str, Any] = {"method": "GET", "path": "^/v1/tunedModels/a-.*/operations/"}
GET: Mapping[str, Any] = {"method": "GET", "path": MODEL}
PATCH: Mapping[str, Any] = {"method": "PATCH", "path": MODEL}
DELETE: Mapping[str, Any] = {"method": "DELETE", "path": MODEL}
GRANT: Mapping[str, Any] = {"method": "POST", "path": "/a-[a-z2-7]{8}/permissions$"}
GRANTS: Mapping[str, Any] = {"method": "GET", "path": "/a-[a-z2-7]{8}/permissions$"}
ASK: Mapping[str, Any] = {"method": "POST", "path": "/a-.*:generateContent$"}
BASES: Mapping[str, Any] = {"method": "GET", "path": "^/v1beta/models$"}
AFTER = {"when": "after"}
RETRY_SOON = {
    "error": {
        "code": 429,
        "status": "RESOURCE_EXHAUSTED",
        "message": "Please retry in 0.2s.",
        "details": [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "0.2s"}],
    }
}
OK, ERROR, UNFINISHED, FAILED = ExitCode.DONE, ExitCode.ERROR, ExitCode.UNFINISHED, ExitCode.FAILED

CREATING = (want("a"), want("b"))
REPLACING = (want("a", epochs=6), want("b", epochs=6))
UPDATING = (want("a", temperature=0.5), want("b", temperature=0.5))
GRANTING = (want("a", permissions=(READER,)), want("b", permissions=(READER,)))
CHECKING = (want("a", epochs=6, checks=(Check("one 1", "1"),)), want("b", epochs=6))


@dataclass(frozen=True)
class Row:
    """A fault.

    Attributes:
        rules: of the emulator.
        code: what the run ends in.
        says: what its error says; "" for none.
        wants: the manifests of the run; anything but CREATING is applied to models that serve already.
        settings: of the emulator.
        forgets: the state is deleted before the run.
    """

    rules: tuple[Mapping[str, Any], ...]
    code: ExitCode = OK
    says: str = ""
    wants: tuple[Desired, ...] = CREATING
    settings: Mapping[str, Any] | None = None
    forgets: bool = False


ROWS = {
    "create: connection reset before the effect": Row(({**CREATE, "drop": True},)),
    "create: reply lost after the effect": Row(({**CREATE, "drop": True, **AFTER},)),
    "create: every reply lost after the effect": Row(({**CREATE, "drop": True, **AFTER, "times": 9},)),
    "create: never arrives": Row(
        ({**CREATE, "drop": True, "times": 4},), FAILED, "whether it was done is not known"
    ),
    "create: lost, and looking is impossible": Row(
        ({**CREATE, "drop": True, **AFTER}, {**GET, "status": 503, "times": 6}), FAILED, "cannot be found out"
    ),
    "create: 500 once": Row(({**CREATE, "error": "internal"},)),
    "create: 503 once": Row(({**CREATE, "error": "unavailable"},)),
    "create: 503 although it was done": Row(({**CREATE, "error": "unavailable", **AFTER},)),
    "create: 504 although it was done": Row(({**CREATE, "error": "deadline", **AFTER},)),
    "create: 503 for ever": Row(({**CREATE, "error": "unavailable", "times": 4},), FAILED, "unavailable"),
    "create: 429 with RetryInfo": Row(({**CREATE, "status": 429, "body": RETRY_SOON, "times": 2},)),
    "create: 429 with limit 0": Row(({**CREATE, "error": "limit_zero"},), FAILED, "quota"),
    "create: 403 for scopes": Row(({**CREATE, "error": "scopes"},), FAILED, "scopes"),
    "create: 403 for the quota project": Row(
        ({**CREATE, "error": "quota_project"},), FAILED, "quota project"
    ),
    "create: 403 because the service is disabled": Row(
        ({**CREATE, "error": "service_disabled"},), FAILED, "disabled"
    ),
    "create: 403 for somebody else's model": Row(({**CREATE, "error": "not_yours"},), FAILED, "permission"),
    "create: 401 once": Row(({**CREATE, "error": "unauthenticated"},), FAILED, "credential"),
    "create: 400": Row(({**CREATE, "status": 400},), FAILED, "invalid argument"),
    "create: a key that is none": Row(({**CREATE, "error": "bad_key"},), FAILED, "API key not valid"),
    "create: 409 for an id that nobody can see": Row(({**CREATE, "status": 409},)),
    "create: reply cut": Row(({**CREATE, "truncate": 20, **AFTER},)),
    "create: garbage in place of a reply": Row(({**CREATE, "garbage": "<html>busy", **AFTER},)),
    "create: garbage and no effect": Row(({**CREATE, "garbage": "{]"},)),
    "create: an empty object in place of an operation": Row(({**CREATE, "garbage": "{}", **AFTER},)),
    "create: sent elsewhere": Row(({**CREATE, "redirect": "http://127.0.0.1:9/"},), FAILED, "redirect"),
    "create: hangs before the effect": Row(({**CREATE, "hang": True},)),
    "create: hangs after the effect": Row(({**CREATE, "hang": True, **AFTER},)),
    "create: slow": Row(({**CREATE, "delay": 0.3},)),
    "create: the model is not to be seen for a while": Row(({"lag": 0.6, "what": "get"},)),
    "create: the list lags, and the state is gone": Row(
        ({"lag": 0.0, "what": "list"},), wants=(want("a"), want("b")), settings={"list_lag_seconds": 60},
        forgets=True,
    ),
    "list: 503 once": Row(({**LIST, "error": "unavailable"},)),
    "list: 503 for ever": Row(({**LIST, "error": "unavailable", "times": 99},), ERROR, "unavailable"),
    "list: 429 with RetryInfo": Row(({**LIST, "status": 429, "body": RETRY_SOON},)),
    "list: cut": Row(({**LIST, "truncate": 5},)),
    "list: garbage for ever": Row(({**LIST, "garbage": "no JSON", "times": 99},), ERROR, "JSON"),
    "list: hangs once": Row(({**LIST, "hang": True},)),
    "list: reset once": Row(({**LIST, "drop": True},)),
    "list: 403 for scopes": Row(({**LIST, "error": "scopes", "times": 99},), ERROR, "scopes"),
    "list: 401": Row(({**LIST, "error": "unauthenticated", "times": 99},), ERROR, "credential"),
    "base models: 503 once": Row(({**BASES, "error": "unavailable"},)),
    "poll: 500 thrice": Row(({**POLL, "error": "internal", "times": 3},)),
    "poll: the operation is lost": Row(({**POLL, "status": 404, "times": 99},)),
    "poll: garbage once": Row(({**POLL, "garbage": "[1"},)),
    "poll: hangs once": Row(({**POLL, "hang": True},)),
    "training: fails": Row(({"train": "^a-", "fail": {"message": "exploded"}},), FAILED, "exploded"),
    "update: reply lost": Row(({**PATCH, "drop": True, **AFTER},), wants=UPDATING),
    "update: 503 once": Row(({**PATCH, "error": "unavailable"},), wants=UPDATING),
    "update: 400": Row(({**PATCH, "status": 400},), FAILED, "invalid argument", wants=UPDATING),
    "update: 403": Row(({**PATCH, "error": "not_yours"},), FAILED, "permission", wants=UPDATING),
    "permissions: reply lost": Row(({**GRANT, "drop": True, **AFTER},), wants=GRANTING),
    "permissions: 403": Row(({**GRANT, "error": "not_yours"},), FAILED, "permission", wants=GRANTING),
    "permissions: 500 once": Row(({**GRANTS, "error": "internal"},), wants=GRANTING),
    "replace: the create is refused": Row(({**CREATE, "status": 400},), FAILED, "invalid", wants=REPLACING),
    "replace: the delete's reply is lost": Row(({**DELETE, "drop": True, **AFTER},), wants=REPLACING),
    "replace: the delete is refused": Row(
        ({**DELETE, "error": "not_yours"},), FAILED, "permission", wants=REPLACING
    ),
    "replace: the delete answers 503 once": Row(({**DELETE, "error": "unavailable"},), wants=REPLACING),
    "check: 500 once": Row(({**ASK, "error": "internal"},), wants=CHECKING),
    "check: 503 for ever": Row(
        ({**ASK, "error": "unavailable", "times": 99},), UNFINISHED, "could not be run", wants=CHECKING
    ),
    "check: 400": Row(({**ASK, "status": 400},), FAILED, "invalid argument", wants=CHECKING),
    "check: hangs once": Row(({**ASK, "hang": True},), wants=CHECKING),
    "check: a wrong answer": Row(
        ({**ASK, "garbage": '{"candidates": [{"content": {"parts": [{"text": "wrong"}]}}]}'},),
        FAILED,
        "a check failed",
        wants=CHECKING,
    ),
}  # fmt: skip


@dataclass
class Runner:
    """Runs of a stack on the emulator; each is a new process as far as the service can tell."""

    service: Service
    store: MemoryStore

    def operation(self, wants: tuple[Desired, ...], **inputs: Any) -> Operation:
        """With a patience of a second."""
        stopping = threading.Event()
        connection = transport.connect(
            base_url=self.service.url,
            environ={
                "RECONCILER_HTTP_TIMEOUT": "0.4",
                "RECONCILER_RETRY_SECONDS": "1.5",
                "GOOGLE_OAUTH_ACCESS_TOKEN": "token",
            },
            parallelism=1,
            stopping=stopping.is_set,
        )
        return Operation(
            loaded=Loaded(wants, Stack(), whole=True, files=("m.yaml",)),
            inputs=Inputs(**inputs),
            kinds={KIND: TUNED_MODEL},
            providers={KIND: GeminiProvider(connection, lag_seconds=1.0)},
            manager=StateManager(MemoryBackend(self.store), operation="apply", who="test"),
            context=Context(endpoint=self.service.url, service="emulator"),
            parallelism=1,
            clock=time.monotonic,
            now=lambda: datetime.now(UTC),
            stopping=stopping,
        )

    def apply(self, wants: tuple[Desired, ...], **inputs: Any) -> list[Event]:
        """Plan and apply."""
        operation = self.operation(wants, **inputs)
        plan, _ = operation.plan()
        settings = Settings(parallelism=1, timeout=30.0, lag=2.0)
        return [
            event
            for event in operation.apply(operation.recheck(plan), settings)
            if not isinstance(event, Progress)
        ]

    def trainings(self) -> Counter[str]:
        """Id to how often a create had its effect."""
        return Counter(
            one["query"]["tunedModelId"]
            for one in self.service.log()
            if one["method"] == "POST" and one["path"].endswith("/tunedModels") and one["effect"]
        )


@pytest.mark.parametrize("name", ROWS)
def test_a_fault_ends_in_success_or_one_clear_error(service: Service, name: str) -> None:
    """And the next run does the rest: nothing is trained twice, and the plan is empty."""
    row = ROWS[name]
    runner = Runner(service, MemoryStore())
    service.settings(**(row.settings or {}))
    if row.wants is not CREATING:
        runner.apply((want("a"), want("b")))
    if row.forgets:
        runner.store = MemoryStore()
    service.fault(*row.rules)
    if row.code is ERROR:
        with pytest.raises(ReconcilerError, match=f"(?i){row.says}") as caught:
            runner.apply(row.wants)
        assert caught.value.detail, "it does not say what to do"
    else:
        events = runner.apply(row.wants)
        told = [line(event) for event in events]
        assert exit_code(events) is row.code, events
        problems = [
            event
            for event in events
            if isinstance(event, Failed) or (isinstance(event, Skipped) and event.unfinished)
        ]
        assert len(problems) == (row.code is not OK), problems
        for problem in problems:
            assert problem.address.name == "a"
            text = problem.error if isinstance(problem, Failed) else problem.reason
            assert row.says.lower() in text.lower()
            assert not isinstance(problem, Failed) or problem.advice, "it does not say what to do"
        assert any(one.startswith("b ") and one.endswith("Completed") for one in told), "b did not go on"
    service.heal()
    service.advance(100)  # what a list did not show yet, it shows by now
    runner.apply(row.wants, retry_failed=True)
    plan, _ = runner.operation(row.wants).plan()
    assert not plan.has_work, plan.changes
    assert set(runner.trainings().values()) == {1}
    assert runner.store.stored is not None
    records = loads(runner.store.stored.data, place="memory").resources.values()
    assert service.models().keys() == {one.serving.id for one in records if one.serving}


def test_there_are_enough_faults() -> None:
    """The promise is thirty; a row that is dropped is missed."""
    assert len(ROWS) >= 55
