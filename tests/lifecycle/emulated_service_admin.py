"""Looks into an emulator and changes it behind the tool's back.

What was trained is read from the emulator's log and lists, and from the requests that were sent.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from reconciler.model.live import Status
from reconciler.model.permission import Permission
from reconciler.providers.gemini.fields import TUNED_MODEL
from reconciler.providers.vertex import labels
from reconciler.providers.vertex.fields import TUNING_JOB
from tests.fakes import BASES
from tests.lifecycle.apis import APIS
from tests.lifecycle.emulated_simulation import HOME, RUNNING, EmulatedSimulation
from tests.lifecycle.service_admin import FOREIGN_EPOCHS, STRANGERS, Trained
from tests.lifecycle.story import Story

TRAINING_SECONDS = 40.0
"""How long a training takes in the simulations that use this."""
_STATUS = {"CREATING": Status.CREATING, "ACTIVE": Status.ACTIVE, "FAILED": Status.FAILED}
_WELL = frozenset({"JOB_STATE_SUCCEEDED", "JOB_STATE_PARTIALLY_SUCCEEDED"})
_STRANGE_OBJECT = "strange.jsonl"
_SPEC = "supervisedTuningSpec"


class EmulatedServiceAdmin:
    """See ServiceAdmin."""

    def __init__(self, sim: EmulatedSimulation) -> None:
        self.sim = sim
        self._emulator = sim.emulator
        self._base: list[dict[str, Any]] = []
        self._lag = 0.0
        self._logged, self._created = 0, list[str]()
        self._words: dict[str, str] = {}

    # -- doing -------------------------------------------------------------------------------------

    def begin(self, story: Story) -> None:
        """See ServiceAdmin.begin.

        The lag is the same for this admin, so a list catches up before a training ends.
        """
        emulator = self._emulator
        line = {"contents": [{"role": role, "parts": [{"text": "9"}]} for role in ("user", "model")]}
        query = f"uploadType=media&name={_STRANGE_OBJECT}"
        emulator.call("POST", f"upload/storage/v1/b/data/o?{query}", line)
        for id in STRANGERS[TUNED_MODEL.name]:
            numbers = {"epochCount": FOREIGN_EPOCHS, "batchSize": 1, "learningRate": 0.001}
            examples = {"examples": {"examples": [{"textInput": "9", "output": "9"}]}}
            task = {"hyperparameters": numbers, "trainingData": examples}
            body = {"displayName": id, "baseModel": BASES[TUNED_MODEL.name], "tuningTask": task}
            emulator.call("POST", f"v1beta/tunedModels?tunedModelId={id}", body)
        for id in STRANGERS[TUNING_JOB.name]:
            spec = {
                "trainingDatasetUri": f"gs://data/{_STRANGE_OBJECT}",
                "hyperParameters": {"epochCount": str(FOREIGN_EPOCHS)},
            }
            body = {"baseModel": BASES[TUNING_JOB.name], _SPEC: spec, "labels": {labels.ID: id}}
            emulator.call("POST", f"{HOME}/tuningJobs", body)
        self.sim.clock.sleep(1000)
        self._logged = emulator.log()[-1]["sequence"]
        self._lag = min(story.list_lag, TRAINING_SECONDS - 5)
        emulator.adjust(
            list_lag_seconds=self._lag,
            delete_creating="refuse" if story.keeps_creating else "allow",
            vertex_concurrent_jobs=1 if story.crowded else 4,
            vertex_over_quota="refuse" if story.crowded else "queue",
        )
        self._base = [{"train": f"^{labels.ID}=", "uncancellable": True}] if story.keeps_creating else []
        self._rules = list(self._base)
        self.heal()

    def forget(self) -> None:
        """See ServiceAdmin.forget. Jobs that no list shows yet would be trained again, as is documented."""
        self.sim.clock.sleep(self._lag)
        self.sim.store.stored = None

    def fail(self, name: str) -> None:
        """See ServiceAdmin.fail."""
        failing = {"train": f"^({labels.ID}=)?{name}-", "fail": {"message": "out of luck"}}
        self._rules = [failing, *self._base] if name else list(self._base)
        self.heal()

    def fault(self, method: str, what: str, times: int) -> None:
        """See ServiceAdmin.fault. A fault that only a fake can have does nothing."""
        if what in _FAULTS:
            self._emulator.fault(
                api.rule(call, **_FAULTS[what], times=times)
                for api in APIS.values()
                for call in api.calls_of(method)
            )

    def heal(self) -> None:
        """See ServiceAdmin.heal."""
        self._emulator.heal()
        self._emulator.fault(self._rules)

    def vanish(self, trained: Trained) -> bool:
        """See ServiceAdmin.vanish."""
        emulator = self._emulator
        if not trained.key.startswith(TUNING_JOB.name):
            return emulator.sent("DELETE", f"v1beta/tunedModels/{trained.id}")
        self.disconnect(trained)
        emulator.adjust(vertex_operation_seconds=0, vertex_cancel_seconds=0)
        emulator.sent("POST", f"v1/{trained.key.partition(' ')[2]}:cancel", {})
        for model in self._of("models", trained.id):
            emulator.call("DELETE", f"v1/{model['name']}")
        emulator.adjust(vertex_operation_seconds=0.5, vertex_cancel_seconds=0.5)
        return not emulator.is_alive(TUNING_JOB, trained.id)

    def disconnect(self, trained: Trained) -> None:
        """See ServiceAdmin.disconnect."""
        sim, emulator = self.sim, self._emulator
        sim.clock.sleep(1)  # an operation that a killed run began has ended by then
        emulator.tell(sim.clock())
        emulator.adjust(vertex_operation_seconds=0)
        for endpoint in self._of("endpoints", trained.id):
            for deployed in endpoint.get("deployedModels", []):
                emulator.call(
                    "POST", f"v1/{endpoint['name']}:undeployModel", {"deployedModelId": deployed["id"]}
                )
            emulator.call("DELETE", f"v1/{endpoint['name']}")
        emulator.adjust(vertex_operation_seconds=0.5)

    def _of(self, collection: str, id: str) -> list[dict[str, Any]]:
        return [item for item in self._emulator.listed(collection) if item["labels"][labels.ID] == id]

    # -- seeing ------------------------------------------------------------------------------------

    def trainings(self) -> list[Trained]:
        """See ServiceAdmin.trainings."""
        self._emulator.tell(self.sim.clock())
        return [*self._tuned_models(), *self._jobs()]

    def _tuned_models(self) -> Iterator[Trained]:
        """Return every create in the log that took effect, with the body that was sent."""
        for entry in self._emulator.log(after=self._logged):
            self._logged = entry["sequence"]
            made = entry["method"] == "POST" and entry["path"].endswith("/tunedModels")
            if made and entry["credential"] == "bearer":
                self._created.append(entry["query"]["tunedModelId"] if entry["effect"] else "")
        last = {id: number for number, id in enumerate(self._created)}
        for number, id in enumerate(self._created):
            if not id:
                continue
            sent = self.sim.creates[number]
            shown = self._emulator.tuned_model(id) if last[id] == number else {}
            task = sent["tuningTask"]
            parent = sent.get("tunedModelSource", {}).get("tunedModel", "")
            yield Trained(
                key=f"{TUNED_MODEL.name} {number}",
                id=id,
                source=parent.removeprefix("tunedModels/") or sent["baseModel"],
                data=task["trainingData"]["examples"]["examples"][0]["textInput"].partition(" ")[0],
                epochs=task["hyperparameters"]["epochCount"],
                alive=bool(shown),
                status=_STATUS[shown.get("state", "ACTIVE")],
                description=shown.get("description", ""),
            )

    def _jobs(self) -> Iterator[Trained]:
        """Every job. The service cannot delete jobs."""
        emulator, strangers = self._emulator, STRANGERS[TUNING_JOB.name]
        models = {model["name"]: model for model in emulator.listed("models")}
        endpoints = {endpoint["name"] for endpoint in emulator.listed("endpoints")}
        for job in emulator.listed("tuningJobs"):
            id, tuned = job["labels"][labels.ID], job.get("tunedModel", {})
            if id in strangers:
                continue
            model = models.get(tuned.get("model", "").partition("@")[0])
            well = job["state"] in _WELL and (model is None or tuned.get("endpoint") in endpoints)
            running = job["state"] in RUNNING
            yield Trained(
                key=f"{TUNING_JOB.name} {job['name']}",
                id=id,
                source=job["labels"].get(labels.PARENT) or job["baseModel"],
                data=self._word(job[_SPEC]["trainingDatasetUri"]),
                epochs=int(job[_SPEC]["hyperParameters"]["epochCount"]),
                alive=running or bool(model) or tuned.get("endpoint") in endpoints,
                status=Status.CREATING if running else Status.ACTIVE if well else Status.FAILED,
                description=(model or {}).get("description", ""),
            )

    def _word(self, uri: str) -> str:
        if uri not in self._words:
            name = uri.removeprefix("gs://data/")
            first = self._emulator.text(f"storage/v1/b/data/o/{name}?alt=media").partition("\n")[0]
            self._words[uri] = json.loads(first)["contents"][0]["parts"][0]["text"].partition(" ")[0]
        return self._words[uri]

    def strangers(self) -> dict[str, int]:
        """See ServiceAdmin.strangers."""
        found = {
            id: int(model["tuningTask"]["hyperparameters"]["epochCount"])
            for id in STRANGERS[TUNED_MODEL.name]
            if (model := self._emulator.tuned_model(id)) and not self.permissions(id)
        }
        kept = self._emulator.alive(TUNING_JOB)
        return found | {id: FOREIGN_EPOCHS for id in STRANGERS[TUNING_JOB.name] if id in kept}

    def permissions(self, id: str) -> frozenset[Permission]:
        """See ServiceAdmin.permissions."""
        reply = self._emulator.call("GET", f"v1beta/tunedModels/{id}/permissions?pageSize=100")
        return frozenset(
            Permission(permission["granteeType"], permission.get("emailAddress", ""), permission["role"])
            for permission in reply.get("permissions", [])
            if permission["role"] != "OWNER"
        )


_FAULTS: dict[str, dict[str, Any]] = {
    "unavailable": {"error": "unavailable"},
    "lost": {"drop": True, "when": "after"},
    "refused": {"status": 400},
    "limited": {"error": "rate_limited"},
}
