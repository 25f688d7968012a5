"""Reads the case files of the decision. A case describes a world, and the plan that must come out.

If a change is meant to compile other steps, run `python -m tests.casefiles` and read the diff.

A name stands for a model with everything at its default (tests.worlds). A case says only what differs.
`bot.1` is the id that generation 1 of the manifest `bot` has, by the independent formula; `bot.1@1` the one
that it had by formula 1.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml
from msgspec.structs import replace

from reconciler.difference import FieldChange, PermissionChange
from reconciler.formats import parse_duration
from reconciler.identity import GENERATIONS, digest_owner, digest_questions
from reconciler.model.checks import PROMPTS, Check, Score
from reconciler.model.desired import Desired, IgnoredDrift, Lifecycle, Removal, Replacement
from reconciler.model.endpoint import Checkpoint, Deployment, LiveEndpoint, Serving
from reconciler.model.live import Live, Status
from reconciler.model.names import Address, Attributes
from reconciler.model.permission import Permission
from reconciler.model.stack import DeclaredBase, Guards, Prices, Stack
from reconciler.plan.change import Plan
from reconciler.plan.facts import Facts
from reconciler.plan.inputs import Context, Inputs
from reconciler.plan.rollback import Request, plan_rollback
from reconciler.providers.gemini.fields import HYPERPARAMETERS, PARENT
from reconciler.providers.vertex.fields import MODEL_COPY
from reconciler.state.values import Record, RecordedCheckpoint, RecordedEndpoint, RecordedModel, Verdict
from tests import copy_cases, worlds
from tests.steps_text import describe_changes
from tests.worlds import make_plan

FOLDER = Path(__file__).parent / "cases"
_HYPERPARAMETERS = {"epoch_count", "batch_size", "learning_rate", "learning_rate_multiplier"}
_ATTRIBUTES = {
    "base_model", "parent", "display_name", "description", "temperature", "top_p", "top_k",
    "reader_project_numbers", "data", "without", *_HYPERPARAMETERS,
}  # fmt: skip
_SYMBOL = re.compile(r"([a-z0-9-]+)\.(\d+)(@1)?")


@dataclass(frozen=True)
class Case:
    """One behaviour. The file's name states the claim. The file is read when the case is used."""

    file: Path

    @property
    def name(self) -> str:
        """The claim."""
        return self.file.stem

    @cached_property
    def body(self) -> Mapping[str, Any]:
        """The content of the file."""
        found: Mapping[str, Any] = yaml.load(self.file.read_text(encoding="utf-8"), yaml.CSafeLoader)
        return found

    @property
    def expected(self) -> Mapping[str, Any]:
        """The expected result."""
        expected: Mapping[str, Any] = self.body["expect"]
        return expected

    def id(self, text: str) -> str:
        """Return the id that a case means by a symbol. Any other text is an id already."""
        found = _SYMBOL.fullmatch(text)
        if not found:
            return text
        name, generation = found[1], int(found[2])
        stack = self.body.get("stack", {}).get("name", "")
        if name in self.body.get("made_from", {}):
            made_from = self._resolve(self.body["made_from"][name])
            return copy_cases.id_of(name, generation, made_from, stack)
        body = self.body["desired"][name] or {}
        parent = self.body.get("parents", {}).get(name)
        return worlds.id_of(
            name,
            generation,
            data=body.get("data", "one"),
            attributes=_attributes(body),
            source=f"tunedModels/{self.id(parent)}" if parent else str(_attributes(body).get(PARENT, "")),
            stack=stack,
            former=found[3] is not None,
        )

    def plan(self, facts: Facts) -> Plan:
        """Return the plan for these facts: that of apply, or of the rollback that the case asks for."""
        if "rollback" not in self.body:
            return make_plan(facts)
        asked = self.body["rollback"]
        _only(asked, {"name", "to", "undo"})
        name = asked.get("name", "bot")
        is_copy = name in self.body.get("copies", {})
        address = copy_cases.address(name) if is_copy else worlds.address(name)
        to = self.id(asked.get("to", ""))
        return plan_rollback(facts, Request(address, to, undo=asked.get("undo", False), by="ann@desk"))

    def described(self, plan: Plan) -> str:
        """Return the compiled steps of a plan, with the symbols that a case uses for ids."""
        text = "\n".join(describe_changes(plan.changes))
        for id, symbol in self._symbols().items():
            text = re.sub(rf"(?<![\w-]){re.escape(id)}(?![\w-])", symbol, text)
        return text

    def _resolve(self, text: str) -> str:
        """Replace the symbols in braces by ids: projects/1/locations/us/models/{bot.0}@1."""
        return re.sub(r"\{([a-z0-9-]+\.\d+)\}", lambda found: self.id(found[1]), text)

    def _resolve_parent(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        return {**body, "parent": self._resolve(body["parent"])} if "parent" in body else body

    def _resolve_body(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        return {**body, "source": self._resolve(body["source"])} if "source" in body else body

    def _add_copies(self, facts: Facts) -> Facts:
        """Add what a case says about copies: see `copy_cases`."""
        body = self.body
        if not copy_cases.KEYS & body.keys():
            return facts
        desired = {
            copy_cases.address(name): copy_cases.want(name, self._resolve_body(one))
            for name, one in body.get("copies", {}).items()
        }
        records = {
            copy_cases.address(name): self._record(name, one, self._copy, of=copy_cases.address(name))
            for name, one in body.get("recorded_copies", {}).items()
        }
        shown = {
            self.id(id): copy_cases.live(self._resolve_body(one), self.id(id))
            for id, one in body.get("live_copies", {}).items()
        }
        observed = replace(facts.observed, live={**facts.observed.live, copy_cases.KIND: shown})
        found = {place: self._resolve_text(one) for place, one in body.get("sources", {}).items()}
        return replace(
            facts,
            desired={**dict(sorted({**facts.desired, **desired}.items()))},
            observed=copy_cases.add_sources(observed, found),
            state=replace(facts.state, resources={**facts.state.resources, **records}),
            kinds={**facts.kinds, copy_cases.KIND: MODEL_COPY},
        )

    def _resolve_text(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        return {**body, "text": self._resolve(body["text"])} if "text" in body else body

    def _copy(self, body: Mapping[str, Any] | None) -> RecordedModel | None:
        return (
            None if body is None else copy_cases.record_model(self._resolve_body(body), self.id(body["id"]))
        )

    def _symbols(self) -> dict[str, str]:
        names = [name for name, body in self.body.get("desired", {}).items() if "id" not in (body or {})]
        names += self.body.get("made_from", {})
        symbols = [f"{name}.{number}" for name in names for number in range(GENERATIONS)]
        return {self.id(symbol): symbol for symbol in symbols}

    def world(self) -> Facts:
        """Return the facts that the case describes."""
        body = self.body
        _only(body, copy_cases.KEYS | {
                     "desired", "recorded", "live", "options", "stack", "context", "tunable", "assumed",
                     "forbidden", "odd", "parents", "own", "removed", "chosen_epochs", "rollback",
                     "expect", "steps", "endpoints", "hidden_endpoints"})  # fmt: skip
        context = Context(**body.get("context", {}))
        asked = {worlds.KIND: frozenset(body["tunable"])} if "tunable" in body else {}
        facts = worlds.world(
            [self._want(name, body or {}) for name, body in body.get("desired", {}).items()],
            [self._record(name, fields) for name, fields in body.get("recorded", {}).items()],
            [self._live(id, fields) for id, fields in body.get("live", {}).items()],
            inputs=_inputs(body.get("options", {})),
            stack=_stack(body.get("stack", {})),
            whole=body.get("options", {}).get("whole", True),
            folders=_folders(body.get("options", {})),
            context=context,
            tunable=asked,
            assumed=frozenset({worlds.KIND} if body.get("assumed") else ()),
            odd={(worlds.KIND, self.id(id)): why for id, why in body.get("odd", {}).items()},
            forbidden={(worlds.KIND, self.id(id)): why for id, why in body.get("forbidden", {}).items()},
            **self._observed_endpoints(),
            removals=[
                Removal(worlds.address(name), destroy, "removed.yaml", 1)
                for name, destroy in body.get("removed", {}).items()
            ],
        )
        facts = self._add_copies(facts)
        if not body.get("chosen_epochs"):
            return facts
        kinds = {name: replace(kind, default_epochs=0) for name, kind in facts.kinds.items()}
        return replace(facts, kinds=kinds)

    def _observed_endpoints(self) -> dict[str, Any]:
        """The live endpoints, by their recorded names, or else by the addresses that ask for them."""
        body = self.body
        shown = {id: self._endpoint(id, one or {}) for id, one in body.get("endpoints", {}).items()}
        records = {name: self._record(name, one) for name, one in body.get("recorded", {}).items()}
        copies = {
            name: self._record(name, one, self._copy) for name, one in body.get("recorded_copies", {}).items()
        }
        every = (*records.values(), *copies.values())
        known = {one.name for record in every for one in record.endpoints if one.name}
        asked = {
            worlds.address(name): one["serving"]["endpoint"]
            for name, one in body.get("desired", {}).items()
            if one and "serving" in one
        }
        names = {_endpoint_name(id): one for id, one in shown.items()}
        return {
            "endpoints": {name: one for name, one in names.items() if name in known},
            "declared_endpoints": {
                address: shown[id]
                for address, id in asked.items()
                if id in shown and _endpoint_name(id) not in known
            },
            "hidden_endpoints": {
                key: why
                for id, why in body.get("hidden_endpoints", {}).items()
                for key in (_endpoint_name(id), *(str(one) for one in asked if asked[one] == id))
            },
        }

    def _endpoint(self, id: str, body: Mapping[str, Any]) -> LiveEndpoint:
        _only(body, {"of", "stack", "models"})
        address = worlds.address(body.get("of", "nobody"))
        stack = self.body.get("stack", {}).get("name", "")
        deployments = [self._deployment(text, share) for text, share in body.get("models", {}).items()]
        owner = digest_owner(stack, "default", address) if "of" in body else ""
        return LiveEndpoint(_endpoint_name(id), id, "us", owner, tuple(deployments))

    def _deployment(self, text: str, share: int) -> Deployment:
        """A model on an endpoint: `bot.0`, or `bot.0#3` for its checkpoint 3."""
        model, mark, checkpoint = text.partition("#")
        id = self.id(model)
        return Deployment(f"{id}{mark}{checkpoint}", worlds.deployable(id), checkpoint, share)

    def _want(self, name: str, body: Mapping[str, Any]) -> Desired:
        _only(body, _ATTRIBUTES | {"id", "import", "permissions", "lifecycle", "checks", "labels", "line",
                                   "moved_from", "manifest", "object_size", "serving"})  # fmt: skip
        want = worlds.want(
            name,
            body.get("data", "one"),
            _attributes(body),
            id=body.get("id"),
            imports=body.get("import", ""),
            permissions=_permissions(body.get("permissions")),
            labels=body.get("labels", {}),
            lifecycle=_lifecycle(body.get("lifecycle", {})),
            checks=tuple(Check(*pair) for pair in body.get("checks", ())),
            line=body.get("line", 1),
            moved_from=worlds.address(body["moved_from"]) if "moved_from" in body else None,
            manifest=body.get("manifest", ""),
            serving=_serving(body["serving"]) if "serving" in body else None,
        )
        if "object_size" in body:
            (training,) = want.data
            uri = {"uri": "gs://bucket/data.jsonl", "size": body["object_size"]}
            want = replace(want, data=(replace(training, examples=0, characters=0, file=None, **uri),))
        return replace(want, data=()) if body.get("data") == "none" else want

    def _record(
        self, name: str, body: Mapping[str, Any], copy: Any = None, of: Address | None = None
    ) -> Record:
        _only(
            body,
            {
                "serving",
                "candidate",
                "held",
                "deposed",
                "prevent_destroy",
                "manifest",
                "endpoint",
                "former_endpoints",
                "trial",
            },
        )
        return Record(
            of or worlds.address(name),
            copy(body.get("serving")) if copy else self._model(body.get("serving"), worlds.model),
            copy(body.get("candidate")) if copy else self._model(body.get("candidate"), worlds.candidate),
            tuple(map(copy, body.get("deposed", ()))) if copy else self._models(body.get("deposed", ())),
            tuple(
                replace(model, held="2026-11-21T12:00:00Z", held_by="ann@desk")
                for model in self._models(body.get("held", ()))
            ),
            prevent_destroy=body.get("prevent_destroy", False),
            manifest=body.get("manifest", ""),
            endpoint=self._recorded_endpoint(body["endpoint"]) if "endpoint" in body else None,
            former_endpoints=tuple(map(self._recorded_endpoint, body.get("former_endpoints", ()))),
            trial=self._recorded_endpoint(body["trial"]) if "trial" in body else None,
        )

    def _recorded_endpoint(self, body: Mapping[str, Any]) -> RecordedEndpoint:
        _only(body, {"id", "deployed", "intended", "retired", "kept_until", "interrupted"})
        is_there = not body.get("intended", False)
        id = self.id(body["id"])
        return RecordedEndpoint(
            id,
            "us" if is_there else "",
            _endpoint_name(id) if is_there else "",
            deployed="#".join(
                [
                    self.id(body.get("deployed", "").partition("#")[0]),
                    *body.get("deployed", "").split("#")[1:],
                ]
            ),
            since=worlds.CREATED if "deployed" in body else "",
            interrupted=body.get("interrupted", False),
            retired=body.get("retired", ""),
            kept_until=body.get("kept_until", ""),
        )

    def _models(self, bodies: Iterable[Any]) -> tuple[RecordedModel, ...]:
        return tuple(found for body in bodies if (found := self._model(body, worlds.model)))

    def _model(self, body: Mapping[str, Any] | str | None, make: Any) -> RecordedModel | None:
        if body is None:
            return None
        body = self._resolve_parent({"id": body} if isinstance(body, str) else body)
        _only(body, _ATTRIBUTES | {"id", "status", "permissions", "promoted", "deposed", "kept_until",
                                   "started", "create_time", "error", "verdict", "waiting", "generation",
                                   "digest", "assumed", "model", "checkpoint", "choice", "right",
                                   "checkpoints"})  # fmt: skip
        id = self.id(body["id"])
        symbol = _SYMBOL.fullmatch(body["id"])
        made: RecordedModel = make(id, body.get("data", "one"), _attributes(body))
        made = replace(
            made,
            permissions=_permissions(body.get("permissions")),
            generation=body.get("generation", int(symbol[2]) if symbol else 0),
            error=body.get("error", ""),
            verdict=Verdict(body.get("verdict", "")),
            waiting=body.get("waiting", ""),
            create_time=body.get("create_time", made.create_time),
            promoted=_time(body.get("promoted", True), made.promoted),
            deposed=body.get("deposed", ""),
            kept_until=body.get("kept_until", ""),
            started=body.get("started", made.started),
            source=str(made.sent.get("base_model", made.sent.get(PARENT, ""))),
            model=body.get("model", self._deployable(id, body.get("status", made.status))),
            checkpoint=body.get("checkpoint", ""),
            choice=body.get("choice", ""),
            scores=self._scores(body["right"]) if "right" in body else (),
            checkpoints=tuple(
                RecordedCheckpoint(one, self._scores(right))
                for one, right in body.get("checkpoints", {}).items()
            ),
        )
        if body.get("assumed"):
            made = replace(made, data=tuple(replace(data_set, assumed=True) for data_set in made.data))
        if body.get("data") == "unknown":
            made = replace(made, data=())
        if body.get("status") == "pending":
            return replace(made, status=None, create_time="")
        return replace(made, status=Status(body["status"])) if "status" in body else made

    def _live(self, id: str, body: Mapping[str, Any] | str) -> Live:
        body = self._resolve_parent({"status": body} if isinstance(body, str) else body)
        _only(body, _ATTRIBUTES | {"status", "permissions", "create_time", "error", "traffic",
                                   "checkpoints", "default"})  # fmt: skip
        return worlds.live(
            self.id(id),
            Status(body.get("status", "ACTIVE")),
            _attributes(body),
            permissions=_permissions(body.get("permissions")),
            create_time=body.get("create_time", worlds.CREATED),
            error=body.get("error", ""),
            traffic=tuple(body.get("traffic", ())),
            deployable=self._deployable(self.id(id), body.get("status", "ACTIVE")),
            checkpoints=tuple(
                Checkpoint(str(number), number, 10 * number, f"projects/1/locations/us/endpoints/{number}")
                for number in range(1, body.get("checkpoints", 0) + 1)
            ),
            default_checkpoint=body.get("default", ""),
        )

    def _scores(self, right: int) -> tuple[Score, ...]:
        """Scores with so many right answers to the prompts of the manifest `bot`."""
        checks = [Check(*pair) for pair in self.body["desired"]["bot"]["checks"]]
        return (Score(PROMPTS, digest_questions(checks), right, len(checks)),)

    def _deployable(self, id: str, status: object) -> str:
        """The name of a trained model, in a world with endpoints."""
        return worlds.deployable(id) if "endpoints" in self.body and status == "ACTIVE" else ""


def _endpoint_name(id: str) -> str:
    return f"projects/1/locations/us/endpoints/{id}"


def _serving(body: Mapping[str, Any]) -> Serving:
    _only(body, {"endpoint", "location", "drain", "adopt", "allow_interruption", "checkpoint"})
    drain = {"drain": timedelta(seconds=parse_duration(body["drain"]) or 0)} if "drain" in body else {}
    return Serving(**{**body, **drain})


def _time(said: str | bool, usual: str) -> str:  # noqa: FBT001
    """Read a time of a case: yes means the usual time, no means none."""
    return said if isinstance(said, str) else usual if said else ""


def write_steps() -> None:
    """Write the steps that each case compiles to now into its file."""
    for case in cases("plan"):
        if "error" in case.expected:
            continue
        text = case.file.read_text(encoding="utf-8").partition("\nsteps: |\n")[0].rstrip("\n")
        lines = case.described(case.plan(case.world())).splitlines()
        case.file.write_text("\n  ".join([f"{text}\nsteps: |", *lines]) + "\n", encoding="utf-8")


def cases(folder: str) -> list[Case]:
    """Return all cases of a folder, sorted by name."""
    return [Case(file) for file in sorted((FOLDER / folder).glob("*.yaml"))]


def field_text(change: FieldChange) -> str:
    """Format a change of a field: `epoch_count 5 -> 6!`. The mark says that it forces a replacement."""
    before, after = (
        "none" if value is None else list(value) if isinstance(value, tuple) else value
        for value in (change.before, change.after)
    )
    short = change.path.removeprefix(f"{HYPERPARAMETERS}.")
    return f"{short} {before} -> {after}{'!' if change.forces_replacement else ''}"


def permission_text(change: PermissionChange) -> str:
    """Format a change of a permission: `+ …`, `- …`, or `~ … -> …`."""
    if change.before is None:
        return f"+ {change.after}"
    if change.after is None:
        return f"- {change.before}"
    return f"~ {change.before} -> {change.after.role}"


def _only(body: Mapping[str, Any], keys: set[str]) -> None:
    unknown = set(body) - keys
    if unknown:
        raise ValueError(f"a case file says {sorted(unknown)}, which nothing reads")


def _attributes(body: Mapping[str, Any]) -> Attributes:
    found = dict(worlds.DECLARED)
    for key, value in body.items():
        if key in _ATTRIBUTES - {"data", "without"}:
            path = f"{HYPERPARAMETERS}.{key}" if key in _HYPERPARAMETERS else key
            path = PARENT if key == "parent" else path
            found[path] = tuple(value) if isinstance(value, list) else value
    if "parent" in body:
        del found["base_model"]
    for key in body.get("without", ()):
        del found[f"{HYPERPARAMETERS}.{key}" if key in _HYPERPARAMETERS else key]
    return found


def _permissions(texts: list[str] | None) -> tuple[Permission, ...] | None:
    """Parse permissions such as `GROUP ml@example.com READER` or `EVERYONE READER`."""
    if texts is None:
        return None
    words = [text.split() for text in texts]
    return tuple(Permission(word[0], word[1] if len(word) == 3 else "", word[-1]) for word in words)


def _lifecycle(body: Mapping[str, Any]) -> Lifecycle:
    _only(body, {"prevent_destroy", "ignore_changes", "keep_deposed", "ignore_drift", "replace"})
    ignored = [{key: str(value) for key, value in rule.items()} for rule in body.get("ignore_drift", ())]
    keep = parse_duration(body["keep_deposed"]) if "keep_deposed" in body else None
    return Lifecycle(
        prevent_destroy=body.get("prevent_destroy", False),
        ignore_changes=tuple(body.get("ignore_changes", ())),
        keep_deposed=None if keep is None else timedelta(seconds=keep),
        ignore_drift=tuple(IgnoredDrift(**rule) for rule in ignored),
        replace=Replacement(body.get("replace", "candidate")),
    )


def _inputs(body: Mapping[str, Any]) -> Inputs:
    _only(body, {"targets", "excludes", "replace", "retry_failed", "destroy", "max_trainings", "max_deletes",
                 "max_cost", "whole", "folders"})  # fmt: skip
    return Inputs(
        targets=tuple(body.get("targets", ())),
        excludes=tuple(body.get("excludes", ())),
        replace=tuple(body.get("replace", ())),
        retry_failed=body.get("retry_failed", False),
        destroy=body.get("destroy", False),
        guards=Guards(body.get("max_trainings"), body.get("max_deletes"), body.get("max_cost")),
    )


def _folders(body: Mapping[str, Any]) -> tuple[str, ...] | None:
    return tuple(body["folders"]) if "folders" in body else None


def _base(body: Mapping[str, Any]) -> DeclaredBase:
    retires = str(body.get("retires", ""))
    return DeclaredBase(**{**body, "retires": retires, "place": "stack.yaml:9"})


def _stack(body: Mapping[str, Any]) -> Stack:
    _only(body, {"name", "max_trainings", "max_deletes", "price", "token_prices", "fail_on",
                 "base_models", "retire_within_days"})  # fmt: skip
    return Stack(
        name=body.get("name", ""),
        guards=Guards(body.get("max_trainings"), body.get("max_deletes")),
        prices=Prices(body.get("price"), per_million_tokens=body.get("token_prices", {})),
        fail_on=tuple(body.get("fail_on", ())),
        retire_within=timedelta(days=body.get("retire_within_days", 60)),
        base_models=tuple(_base(base_model) for base_model in body.get("base_models", ())),
    )


if __name__ == "__main__":
    write_steps()
