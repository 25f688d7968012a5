"""Representative plans, drifts, records and events, for every test that needs something to show."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from reconciler.difference import DataChange, FieldChange, PermissionChange
from reconciler.model.checks import Check, Score
from reconciler.model.data import DataSet, Example
from reconciler.model.live import Live, Snapshot, Status
from reconciler.model.names import Address, Attributes
from reconciler.model.permission import Permission
from reconciler.model.stack import Guards
from reconciler.plan.base_models import BaseEnd
from reconciler.plan.case import RETRY_ADVICE
from reconciler.plan.change import Action, Bill, Binding, Change, Deposed, Drift, DriftClass, Plan, Reason
from reconciler.plan.compile import compile_deletion, compile_promotion, compile_training
from reconciler.plan.inputs import Context, Inputs
from reconciler.plan.status import Condition, ModelStatus
from reconciler.plan.steps import (
    Adopt,
    AwaitDeployment,
    AwaitDrain,
    AwaitTraining,
    ChooseCheckpoint,
    Create,
    CreateEndpoint,
    Delete,
    DeleteEndpoint,
    DeleteFirst,
    DeleteReplaced,
    Deploy,
    Ending,
    Forget,
    GoBack,
    HoldBack,
    IsAccepted,
    Move,
    Promote,
    RecordIntent,
    ReportFailure,
    Restore,
    Role,
    Serves,
    SetDefaultCheckpoint,
    SetPermissions,
    Step,
    Steps,
    Undeploy,
    Update,
)
from reconciler.providers.gemini.fields import TUNED_MODEL
from reconciler.providers.vertex.fields import MODEL_COPY, TUNING_JOB
from reconciler.state.values import Record, RecordedData, RecordedEndpoint, RecordedModel, State, Verdict

KINDS = {kind.name: kind for kind in (TUNED_MODEL, TUNING_JOB, MODEL_COPY)}
BASE = "models/gemini-1.5-flash-001-tuning"
OLD_DIGEST = "a1b2c3d4" * 8
NEW_DIGEST = "e5f6a7b8" * 8
CONTEXT = Context(
    endpoint="https://generativelanguage.googleapis.com",
    project="tuned-prod",
    credential="access token",
    service="google",
    stack="search-k3x9",
)
GROUP = Permission("GROUP", "ml@example.com", "READER")
WRITER = Permission("USER", "ann@example.com", "WRITER")
DATA = DataSet(NEW_DIGEST, 18, 812, file="manifests/data/numbers.jsonl", shown="data/numbers.jsonl")
HYPERPARAMETERS = "tuning_task.hyperparameters"
ATTRIBUTES: Attributes = {
    "display_name": "number generator model",
    "description": "counts up",
    "base_model": BASE,
    "temperature": 0.7,
    "top_k": 40,
    "reader_project_numbers": (123, 456),
    f"{HYPERPARAMETERS}.batch_size": 2,
    f"{HYPERPARAMETERS}.epoch_count": 5,
    f"{HYPERPARAMETERS}.learning_rate": 0.001,
}


def address(name: str, kind: str = "TunedModel") -> Address:
    """An address of the kind that most tests use."""
    return Address(kind, name)


def model(id: str, **changes: object) -> RecordedModel:
    """A recorded model that serves."""
    base = RecordedModel(
        id=id,
        name=f"tunedModels/{id}",
        digest=OLD_DIGEST,
        source=BASE,
        sent=ATTRIBUTES,
        data=(RecordedData("training_data", OLD_DIGEST, 15, 640),),
        status=Status.ACTIVE,
        permissions=(GROUP,),
        operation=f"tunedModels/{id}/operations/k4a1",
        total_steps=38,
        verdict=Verdict.PASSED,
        started="2026-11-22T10:00:00Z",
        create_time="2026-11-22T10:00:01.123456Z",
        completed="2026-11-22T10:12:30Z",
        promoted="2026-11-22T10:12:41Z",
    )
    return replace(base, **changes)


HELD_MARKS = {"held": "2026-11-22T17:00:00Z", "held_by": "ann@desk"}
TWO_CHECKS = (Check("LXIII", "LXIV"), Check("seven", "eight"))


def promotion(ending: Ending, replaces: str = "", *checks: Check, kept: str = "", **more: Any) -> Steps:
    """The steps from a trained model to one that serves."""
    promote = Promote(ending, replaces, kept, **more)
    return tuple(compile_promotion(checks, promote, deletes_replaced=bool(replaces) and not kept))


def training(create: Create, promote: Steps, *before: Step, first: DeleteFirst | None = None) -> Steps:
    """The steps of a training and of what follows it."""
    return (*before, *compile_training(create, delete_first=first), *promote)


def create(name: str = "number-generator", **changes: object) -> Change:
    """A training of something new."""
    id = f"{name}-k3j5h2l1"
    base = Change(
        address(name),
        Action.CREATE,
        Reason.NOT_LIVE,
        id=id,
        after=ATTRIBUTES,
        datasets=(DATA,),
        bill=Bill(18, 812, 5, 2, 45, price=0.03, currency="USD"),
        place=f"manifests/{name}.yaml:1",
        steps=training(
            Create(id, source=BASE),
            (
                SetPermissions(
                    Role.CANDIDATE,
                    (GROUP, WRITER),
                    (PermissionChange(None, GROUP), PermissionChange(None, WRITER)),
                ),
                *promotion(Ending.CREATE, "", *TWO_CHECKS),
            ),
            RecordIntent(Record(address(name), candidate=model(id, status=None, verdict=Verdict.NONE))),
        ),
    )
    return replace(base, **changes)


CREATE = create()
CREATE_INLINE = create(
    "greeter",
    after={"display_name": "greeter", "tuned_model_source.tuned_model": "TunedModel/number-generator"},
    datasets=(DataSet(OLD_DIGEST, 2, 24, inline=(Example("hi", "hello"), Example("bye", "goodbye"))),),
    bill=Bill(2, 24, 5, 4, 3, estimated=True),
    notes=("live tunedModels/greeter-aaaaaaaa may be an earlier generation of it",),
    steps=training(
        Create(
            "greeter-k3j5h2l1",
            after=Serves(address("number-generator"), "tunedModels/number-generator-k3j5h2l1"),
        ),
        promotion(Ending.CREATE),
    ),
)
ADOPT = Change(
    address("adopted"),
    Action.ADOPT,
    Reason.FOUND_LIVE,
    id="adopted-v1",
    name="tunedModels/adopted-v1",
    before=ATTRIBUTES,
    after=ATTRIBUTES,
    datasets=(DATA,),
    notes=("its id is pinned and proves nothing about its data, so the manifest's digest is assumed",),
    place="manifests/adopted.yaml:12",
    steps=(
        Adopt(Record(address("adopted"), candidate=model("adopted-v1"))),
        *promotion(Ending.ADOPT),
    ),
)
WAIT = Change(
    address("slow"),
    Action.WAIT,
    Reason.IN_TRAINING,
    id="slow-bbbbbbbb",
    after=ATTRIBUTES,
    steps=(AwaitTraining(), *promotion(Ending.CREATE)),
)
COMPLETE = Change(
    address("finished"),
    Action.COMPLETE,
    Reason.TRAINED,
    id="finished-cccccccc",
    serving="finished-aaaaaaaa",
    before=ATTRIBUTES,
    after=ATTRIBUTES,
    fields=(FieldChange("description", "counts up", "counts further"),),
    place="manifests/finished.yaml:1",
    steps=(
        Update(Role.CANDIDATE, {"description": "counts further"}, ATTRIBUTES),
        SetPermissions(Role.CANDIDATE, (GROUP,), (PermissionChange(None, GROUP),)),
        *promotion(Ending.CREATE, "finished-aaaaaaaa", Check("one", "two")),
    ),
)
HELD_BACK = replace(COMPLETE, fields=(), steps=(HoldBack(),))


def checked(verdict: Verdict, *checks: Check) -> Change:
    """A trained candidate whose checks were run before."""
    return Change(
        address("unproven"),
        Action.COMPLETE,
        Reason.CHECKS_FAILED,
        id="unproven-dddddddd",
        name="tunedModels/unproven-dddddddd",
        serving="unproven-aaaaaaaa",
        before=ATTRIBUTES,
        after=ATTRIBUTES,
        place="manifests/unproven.yaml:1",
        steps=promotion(
            Ending.CREATE,
            "unproven-aaaaaaaa",
            *checks,
            verdict=verdict,
            scores=(Score("prompts", "a1", 1, 2), Score("data/held-out.jsonl", "b2", 40, 50)),
            rivals=(Score("prompts", "a1", 2, 2), Score("data/held-out.jsonl", "c3", 46, 50)),
        ),
    )


CHECK_AGAIN = checked(Verdict.FAILED, Check("one", "two"), Check("two", "three"))
UPDATE = Change(
    address("support-bot"),
    Action.UPDATE,
    Reason.FIELDS_DIFFER,
    id="support-bot-dddddddd",
    name="tunedModels/support-bot-dddddddd",
    serving="support-bot-dddddddd",
    before=ATTRIBUTES,
    after={**ATTRIBUTES, "temperature": 0.2, "display_name": "support"},
    fields=(
        FieldChange("display_name", "number generator model", "support"),
        FieldChange("temperature", 0.7, 0.2),
        FieldChange("top_p", None, 0.95),
        FieldChange("description", "counts up", None),
        FieldChange("reader_project_numbers", (123,), (123, 456)),
    ),
    place="manifests/support.yaml:3",
    steps=(
        Update(Role.SERVING, {"display_name": "support", "temperature": 0.2}),
        SetPermissions(
            Role.SERVING,
            (GROUP, Permission("USER", "bob@example.com", "WRITER")),
            (
                PermissionChange(None, GROUP),
                PermissionChange(WRITER, None),
                PermissionChange(
                    Permission("USER", "bob@example.com", "READER"),
                    Permission("USER", "bob@example.com", "WRITER"),
                ),
            ),
        ),
    ),
)
REPLACE = Change(
    address("roman"),
    Action.REPLACE,
    Reason.DATA_CHANGED,
    id="roman-ffffffff",
    serving="roman-eeeeeeee",
    before=ATTRIBUTES,
    after={**ATTRIBUTES, f"{HYPERPARAMETERS}.epoch_count": 8},
    fields=(FieldChange(f"{HYPERPARAMETERS}.epoch_count", 5, 8, forces_replacement=True),),
    data=(DataChange("training_data", OLD_DIGEST, NEW_DIGEST, 15, 18),),
    datasets=(DATA,),
    bill=Bill(18, 812, 8, 2, 72, price=0.05, currency="USD"),
    place="manifests/roman.yaml:1",
    steps=training(
        Create("roman-ffffffff", source=BASE, replaces="roman-eeeeeeee"),
        promotion(Ending.REPLACE, "roman-eeeeeeee", Check("LXIII", "LXIV")),
        RecordIntent(Record(address("roman"), serving=model("roman-eeeeeeee"))),
    ),
)
REPLACE_KEPT = replace(
    REPLACE,
    address=address("protected"),
    reason=Reason.REQUESTED,
    id="protected-22222222",
    serving="protected-11111111",
    fields=(),
    data=(),
    place="manifests/protected.yaml:1",
    steps=training(
        Create("protected-22222222", 1, BASE, "protected-11111111"),
        promotion(Ending.REPLACE, "protected-11111111", kept="prevent_destroy protects it"),
    ),
)
REPLACE_IN_PLACE = replace(
    REPLACE,
    address=address("pinned"),
    reason=Reason.IMMUTABLE_CHANGED,
    id="pinned-v1",
    serving="pinned-v1",
    data=(),
    place="manifests/pinned.yaml:1",
    steps=training(
        Create("pinned-v1", source=BASE),
        (Promote(Ending.REPLACE, "pinned-v1"),),
        first=DeleteFirst("pinned-v1"),
    ),
)
RESTORE = Change(
    address("undone"),
    Action.RESTORE,
    Reason.TRAINED_BEFORE,
    id="undone-33333333",
    serving="undone-44444444",
    before=ATTRIBUTES,
    after=ATTRIBUTES,
    place="manifests/undone.yaml:1",
    steps=(
        Restore(
            Record(address("undone"), serving=model("undone-44444444"), candidate=model("undone-33333333"))
        ),
        *promotion(Ending.RESTORE, "undone-44444444"),
    ),
)
GO_BACK = Change(
    address("worse"),
    Action.ROLLBACK,
    Reason.ROLLBACK,
    id="worse-33333333",
    name="tunedModels/worse-33333333",
    serving="worse-44444444",
    before=ATTRIBUTES,
    after=ATTRIBUTES,
    notes=(
        (
            "worse-44444444 is held back. This ends with another training in the manifest, or with: "
            "reconciler rollback --undo TunedModel/worse"
        ),
    ),
    place="manifests/worse.yaml:1",
    steps=(
        GoBack(
            Record(
                address("worse"),
                serving=model("worse-33333333"),
                held=(model("worse-44444444", **HELD_MARKS),),
            ),
            "worse-44444444",
        ),
    ),
)
HELD = Change(
    address("back"),
    Action.NO_OP,
    Reason.HELD_BACK,
    id="back-44444444",
    deposed=Deposed(held=True),
    before=ATTRIBUTES,
    notes=(
        (
            "held back since 2026-11-22T17:00:00Z by ann@desk, and back-33333333 serves. This ends with "
            "another training in the manifest, or with: reconciler rollback --undo TunedModel/back"
        ),
    ),
)
DELETE = Change(
    address("retired"),
    Action.DELETE,
    Reason.NOT_DECLARED,
    id="retired-55555555",
    name="tunedModels/retired-55555555",
    serving="retired-55555555",
    before=ATTRIBUTES,
    steps=(Delete("retired-55555555"),),
)
DELETE_DEPOSED = Change(
    address("roman"),
    Action.DELETE,
    Reason.UNUSED,
    id="roman-00000000",
    deposed=Deposed(),
    before=ATTRIBUTES,
    notes=("it is still training: what it trained so far is not refunded",),
    steps=tuple(
        compile_deletion(
            Delete("roman-00000000", deposed=True, trains=True, after=IsAccepted(address("roman")))
        )
    ),
)
FORGET = Change(
    address("lost"),
    Action.FORGET,
    Reason.GONE,
    id="lost-66666666",
    before=ATTRIBUTES,
    steps=(Forget(),),
)
MOVE = Change(
    address("faq-new"),
    Action.MOVE,
    Reason.RENAMED,
    id="faq-55555555",
    name="tunedModels/faq-55555555",
    serving="faq-55555555",
    before=ATTRIBUTES,
    after=ATTRIBUTES,
    notes=("add metadata.moved_from: faq to its manifest, so that it is found if the state is lost",),
    steps=(Move(address("faq"), Record(address("faq-new"), serving=model("faq-55555555"))),),
)
RECORD = Change(
    address("refreshed"),
    Action.RECORD,
    Reason.RECORD_ONLY,
    id="refreshed-77777777",
    steps=(RecordIntent(Record(address("refreshed"), serving=model("refreshed-77777777"))),),
)
FAILED = Change(
    address("broken"),
    Action.FAILED,
    Reason.FAILED,
    id="broken-88888888",
    after=ATTRIBUTES,
    place="manifests/broken.yaml:7",
    steps=(
        ReportFailure(
            "13 INTERNAL: the training diverged at step 12: mean loss is not a number",
            RETRY_ADVICE,
            trained=True,
        ),
    ),
)
FAILED_PARENT = Change(
    address("child"),
    Action.FAILED,
    Reason.PARENT_FAILED,
    after=ATTRIBUTES,
    place="manifests/broken.yaml:30",
    steps=(
        ReportFailure(
            "TunedModel/broken failed, so nothing can be tuned from it",
            "Nothing is done for it until TunedModel/broken serves: see there.",
        ),
    ),
)
NO_OP = Change(
    address("steady"),
    Action.NO_OP,
    id="steady-99999999",
    serving="steady-99999999",
    before=ATTRIBUTES,
    after=ATTRIBUTES,
    place="manifests/steady.yaml:1",
)

CHANGED = Drift(
    address("support-bot"),
    DriftClass.CHANGED,
    "support-bot-dddddddd",
    "tunedModels/support-bot-dddddddd",
    fields=(FieldChange("temperature", 0.7, 0.9), FieldChange("description", "counts up", None)),
    permissions=(PermissionChange(None, WRITER),),
    before={"temperature": 0.7, "description": "counts up"},
    after={"temperature": 0.9},
)
MISSING = Drift(address("lost"), DriftClass.MISSING, "lost-66666666", before=ATTRIBUTES)
FAILED_DRIFT = Drift(
    address("broken"), DriftClass.FAILED, "broken-88888888", detail="13 INTERNAL: the training diverged"
)
UNMANAGED = Drift(None, DriftClass.UNMANAGED, "by-hand-1", "tunedModels/by-hand-1", fails=False)
RETIRED = Drift(
    address("steady"),
    DriftClass.BASE_RETIRED,
    "steady-99999999",
    fails=False,
    detail=f"{BASE} no longer offers createTunedModel",
)
ENDING = Drift(
    address("steady"),
    DriftClass.BASE_RETIRED,
    "steady-99999999",
    fails=False,
    detail="flash retires not before 1 December 2026, in 9 days at the earliest (according to documents read "
    "on 28 November 2026). newer can be tuned instead; it retires not before 31 January 2028.",
    retires="2026-12-01",
    or_later=True,
    days_left=9,
)
HELD_DRIFT = Drift(
    address("back"),
    DriftClass.HELD_BACK,
    "back-44444444",
    "tunedModels/back-44444444",
    fails=False,
    detail=HELD.notes[0],
)
DRIFTS = (CHANGED, MISSING, FAILED_DRIFT, UNMANAGED, RETIRED, ENDING, HELD_DRIFT)
BASES = {
    "roman-eeeeeeee": BaseEnd(
        BASE,
        "2026-12-01",
        or_later=True,
        days_left=9,
        replacement="newer",
        said="retires not before 1 December 2026, in 9 days at the earliest (according to documents read on "
        "28 November 2026)",
    ),
    "roman-ffffffff": BaseEnd("models/unknown"),
    "steady-99999999": BaseEnd(
        BASE, "2026-10-20", days_left=-33, said="retired on 20 October 2026, 33 days ago"
    ),
    "fresh-12345678": BaseEnd(BASE),
}

CHANGES = tuple(
    sorted(
        (
            CREATE,
            CREATE_INLINE,
            ADOPT,
            WAIT,
            COMPLETE,
            CHECK_AGAIN,
            UPDATE,
            REPLACE,
            REPLACE_KEPT,
            REPLACE_IN_PLACE,
            RESTORE,
            GO_BACK,
            HELD,
            DELETE,
            DELETE_DEPOSED,
            FORGET,
            MOVE,
            RECORD,
            FAILED,
            FAILED_PARENT,
            NO_OP,
        ),
        key=lambda change: change.key,
    )
)

EVERYTHING = Plan(
    changes=CHANGES,
    drift=DRIFTS,
    context=CONTEXT,
    inputs=Inputs(
        paths=("manifests",),
        variables={"team": "search"},
        excludes=("TunedModel/other",),
        guards=Guards(max_trainings=6),
    ),
    lineage="6f1c2f5e-9d0f-4a55-8f0e-1c1f5a0f8a11",
    serial=12,
    bindings={
        CREATE.address: Binding(NEW_DIGEST, (OLD_DIGEST, NEW_DIGEST), ("",)),
        ADOPT.address: Binding(OLD_DIGEST, ("",), (OLD_DIGEST,)),
    },
    notes=("the state was read from a bucket that another project owns",),
    created="2026-11-22T18:00:00Z",
)
SMALL = Plan(changes=(CREATE, NO_OP), context=CONTEXT, created="2026-11-22T18:00:00Z")
NOTHING = Plan(changes=(NO_OP,), context=CONTEXT, created="2026-11-22T18:00:00Z")
EMPTY = Plan(changes=())
WAITING = Plan(changes=(NO_OP, WAIT), context=CONTEXT)

HOSTILE = (
    "evil\x1b[31m\x1b]0;title\x07 <script>alert(1)</script> `code` | @team [red]x[/red]\n\u202egnp.\u2066 ```"
)

SNAPSHOTS = tuple(
    Snapshot(step, 1 + (step - 1) * 5 // 38, round(14 / (1 + step / 4) + (step % 3) * 0.3, 4))
    for step in range(1, 39)
)
RECORD_FULL = Record(
    address("roman"),
    serving=model("roman-eeeeeeee"),
    candidate=model(
        "roman-ffffffff",
        status=Status.CREATING,
        digest=NEW_DIGEST,
        verdict=Verdict.NONE,
        completed="",
        promoted="",
    ),
    deposed=(
        model(
            "roman-00000000",
            status=Status.FAILED,
            generation=1,
            error="13 INTERNAL: the training diverged",
            deposed="2026-11-21T09:00:00Z",
            data=(RecordedData("training_data", OLD_DIGEST, 15, 640, assumed=True),),
        ),
    ),
    prevent_destroy=True,
)
LIVE = Live(
    id="roman-eeeeeeee",
    name="tunedModels/roman-eeeeeeee",
    status=Status.ACTIVE,
    attributes={**ATTRIBUTES, "top_p": 0.95},
    create_time="2026-11-22T10:00:01.123456Z",
    complete_time="2026-11-22T10:12:29.5Z",
    snapshots=SNAPSHOTS,
    permissions=(GROUP,),
)
STATE = State(
    lineage="6f1c2f5e-9d0f-4a55-8f0e-1c1f5a0f8a11",
    serial=12,
    stack="search-k3x9",
    service="google",
    project="tuned-prod",
    resources={
        RECORD_FULL.address: RECORD_FULL,
        address("back"): Record(
            address("back"), serving=model("back-33333333"), held=(model("back-44444444", **HELD_MARKS),)
        ),
        address("steady"): Record(address("steady"), serving=model("steady-99999999")),
        address("fresh"): Record(address("fresh"), candidate=model("fresh-12345678", status=None)),
    },
)

_DATA: dict[str, Any] = {
    "examples": 15,
    "verdict": Verdict.PASSED,
    "base": BaseEnd("models/gemini-1.5-flash-001-tuning"),
}
STATUS = (
    ModelStatus(address("back"), Condition.SERVING, "back-33333333", **_DATA),
    ModelStatus(
        address("back"), Condition.HELD_BACK, "back-44444444", reason="held back since then", **_DATA
    ),
    ModelStatus(address("fresh"), Condition.NOT_STARTED, "fresh-12345678"),
    ModelStatus(address("new"), Condition.NOT_RECORDED, reason="the service has new-1a2b3c4d"),
    ModelStatus(RECORD_FULL.address, Condition.SERVING, "roman-eeeeeeee", mean_loss=1.537, **_DATA),
    ModelStatus(RECORD_FULL.address, Condition.TRAINING, "roman-ffffffff"),
    ModelStatus(address("steady"), Condition.SERVING, "steady-99999999", **_DATA),
)
"""The conditions of the models in STATE, and of one that is not recorded."""


ENDPOINT_NAME = "projects/123/locations/us/endpoints/support"
SWITCH = replace(
    REPLACE,
    address=address("roman", "TuningJob"),
    steps=(
        *(step for step in REPLACE.steps if not isinstance(step, (Promote, DeleteReplaced))),
        CreateEndpoint("support", "d1", again=True),
        Deploy(Role.CANDIDATE, "support", ("42",)),
        AwaitDeployment(Role.CANDIDATE, "support", rivals=True),
        *(step for step in REPLACE.steps if isinstance(step, Promote)),
        AwaitDrain(60.0),
        Undeploy("support", ("42",)),
        *(step for step in REPLACE.steps if isinstance(step, DeleteReplaced)),
    ),
)
INTERRUPT = replace(
    SWITCH,
    address=address("interrupted", "TuningJob"),
    steps=(
        CreateEndpoint("sales", "d2", adopts=True),
        Undeploy("sales", ("43",), interrupts=True),
        Deploy(Role.CANDIDATE, "sales", ("43",)),
        AwaitDeployment(Role.CANDIDATE, "sales", interrupts=True),
        *(step for step in REPLACE.steps if isinstance(step, Promote)),
        Deploy(Role.SERVING, "sales", is_fallback=True),
        AwaitDeployment(Role.SERVING, "sales"),
    ),
)
MOVE_ENDPOINT = replace(
    NO_OP,
    address=address("orders", "TuningJob"),
    action=Action.UPDATE,
    reason=Reason.ENDPOINT_MOVED,
    steps=(
        CreateEndpoint("orders", "d3"),
        Deploy(Role.SERVING, "orders"),
        AwaitDeployment(Role.SERVING, "orders"),
        DeleteEndpoint("old-orders", "projects/123/locations/us/endpoints/old-orders", ("44",)),
    ),
)
LEFT_OVER = replace(
    NO_OP,
    address=address("left", "TuningJob"),
    action=Action.RECORD,
    reason=Reason.RECORD_ONLY,
    steps=(AwaitDrain(60.0), Undeploy("left", ("45",), is_due=True)),
)
DELETE_SERVED = replace(
    DELETE,
    address=address("gone", "TuningJob"),
    steps=(Undeploy("gone", ("46",)), *DELETE.steps, DeleteEndpoint("gone")),
)
FORMER = replace(
    DELETE_DEPOSED,
    address=address("orders", "TuningJob"),
    id="older",
    name="projects/123/locations/us/endpoints/older",
    reason=Reason.ENDPOINT_RETIRED,
    before=None,
    steps=(DeleteEndpoint("older", "projects/123/locations/us/endpoints/older", is_due=True),),
    notes=(),
)
ENDPOINT_GONE = Drift(
    address("roman", "TuningJob"), DriftClass.MISSING, "support", ENDPOINT_NAME, is_endpoint=True
)
ENDPOINTS = Plan(
    changes=(SWITCH, INTERRUPT, MOVE_ENDPOINT, LEFT_OVER, DELETE_SERVED, FORMER),
    drift=(ENDPOINT_GONE, replace(ENDPOINT_GONE, drift_class=DriftClass.CHANGED, detail="x has 40 %")),
    context=CONTEXT,
    created="2026-11-22T18:00:00Z",
)
_ONE, _TWO = Check("one", "1"), Check("two", "2")


def choose(name: str, choice: str, checkpoint: str, checks: tuple[Check, ...], asks: int | None) -> Change:
    """A change that chooses a checkpoint, and switches to it."""
    return replace(
        NO_OP,
        address=address(name, "TuningJob"),
        action=Action.UPDATE,
        reason=Reason.CHECKPOINT_DIFFERS,
        steps=(
            ChooseCheckpoint(Role.SERVING, choice, checkpoint, checks, asks),
            Deploy(Role.SERVING, name, ("42",)),
            AwaitDeployment(Role.SERVING, name),
            SetDefaultCheckpoint(Role.SERVING, checkpoint),
            AwaitDrain(60.0),
            Undeploy(name, ("42",), spares=not checkpoint),
        ),
    )


CHECKPOINTS = Plan(
    changes=(
        choose("by-id", "3", "3", (), 0),
        choose("checked", "3", "3", (_ONE,), 1),
        choose("last", "last", "", (), 0),
        choose("best", "best", "", (_ONE, _TWO), 4),
        choose("best-known", "best", "", (_ONE,), 0),
        choose("best-later", "best", "", (_ONE, _TWO), None),
        replace(
            NO_OP,
            address=address("by-hand", "TuningJob"),
            action=Action.UPDATE,
            reason=Reason.CHECKPOINT_DIFFERS,
            steps=(Deploy(Role.SERVING, "by-hand", ("42",), checkpoint="2"),),
        ),
        replace(
            NO_OP,
            address=address("default", "TuningJob"),
            action=Action.UPDATE,
            reason=Reason.DEFAULT_DIFFERS,
            steps=(SetDefaultCheckpoint(Role.SERVING, "2"),),
        ),
    ),
    context=CONTEXT,
    created="2026-11-22T18:00:00Z",
)
RECORD_SERVED = Record(
    address("roman", "TuningJob"),
    serving=model("roman-eeeeeeee"),
    endpoint=RecordedEndpoint(
        "support", "us", ENDPOINT_NAME, deployed="4242424242", since="2026-11-22T11:00:00Z"
    ),
    former_endpoints=(
        RecordedEndpoint(
            "old",
            "us",
            "projects/123/locations/us/endpoints/old",
            deployed="1234567890",
            since="2026-11-20T11:00:00Z",
            retired="2026-11-22T11:00:00Z",
            kept_until="2026-11-23T11:00:00Z",
        ),
    ),
)
RECORD_CUT = replace(
    RECORD_SERVED,
    endpoint=RecordedEndpoint("support", "us", ENDPOINT_NAME, interrupted=True),
    former_endpoints=(),
)
RECORD_NEW = replace(RECORD_SERVED, endpoint=RecordedEndpoint("support", operation="op"), former_endpoints=())


# -- copies ---------------------------------------------------------------------------------------------

_MODELS = "projects/1/locations/us/models"
_COPIED: Attributes = {"source": f"{_MODELS}/support@1", "metadata.location": "europe-west4"}
_FROM_STATE = (
    "its source is TuningJob/support of gs://acme-dev/models: support-bbbbbbbb, declared in "
    "manifests/support.yaml, serving since 2026-11-20T10:00:00Z; its checks passed there: "
    "prompts 2 of 2 (1.00)"
)


def _copy(name: str, action: Action, reason: Reason, steps: Steps, **more: Any) -> Change:
    return Change(
        address(name, MODEL_COPY.name),
        action,
        reason,
        id=f"{name}-aaaaaaaa",
        after=_COPIED,
        place=f"manifests/{name}.yaml:1",
        steps=steps,
        **more,
    )


_PARENT = Serves(address("support", "TuningJob"), "support-bbbbbbbb")
COPIES = Plan(
    changes=(
        _copy(
            "adopted", Action.ADOPT, Reason.FOUND_LIVE, (AwaitTraining(copies=True), Promote(Ending.ADOPT))
        ),
        replace(
            _copy(
                "blocked",
                Action.FAILED,
                Reason.SOURCE_UNREADABLE,
                (
                    ReportFailure(
                        "the model it is copied from is not known: it is away", "Look there", blocked=True
                    ),
                ),
            ),
            id="",
        ),
        _copy(
            "changed",
            Action.REPLACE,
            Reason.SOURCE_CHANGED,
            training(
                Create("changed-aaaaaaaa", 0, f"{_MODELS}/support@1", "changed-11111111", copies=True),
                promotion(
                    Ending.REPLACE, "changed-11111111", Check("1", "2"), kept="keep_deposed keeps it for 24h"
                ),
            ),
            serving="changed-11111111",
            before={**_COPIED, "source": f"{_MODELS}/former@1"},
            fields=(
                FieldChange("source", f"{_MODELS}/former@1", f"{_MODELS}/support@1", forces_replacement=True),
            ),
            notes=(_FROM_STATE,),
        ),
        _copy(
            "copied",
            Action.COMPLETE,
            Reason.COPIED,
            (
                CreateEndpoint("copied-aaaaaaaa", trial=True),
                Deploy(Role.CANDIDATE, "copied-aaaaaaaa", trial=True),
                AwaitDeployment(Role.CANDIDATE, "copied-aaaaaaaa", trial=True),
                *promotion(Ending.COPY, "", Check("1", "2")),
                DeleteEndpoint("copied-aaaaaaaa", trial=True),
            ),
        ),
        _copy(
            "later",
            Action.CREATE,
            Reason.NOT_LIVE,
            training(
                Create("later-aaaaaaaa", 0, "TuningJob/support", after=_PARENT, copies=True),
                promotion(Ending.COPY),
            ),
            notes=("its id follows from what TuningJob/support serves, and is known then",),
        ),
        _copy(
            "moved",
            Action.MOVE,
            Reason.COPY_RENAMED,
            (Move(address("old", "ModelCopy"), Record(address("moved", "ModelCopy"))),),
        ),
        _copy(
            "new",
            Action.CREATE,
            Reason.NOT_LIVE,
            training(Create("new-aaaaaaaa", 0, f"{_MODELS}/support@1", copies=True), promotion(Ending.COPY)),
        ),
        _copy("restored", Action.RESTORE, Reason.COPIED_BEFORE, promotion(Ending.RESTORE)),
        _copy("waited", Action.WAIT, Reason.IN_COPY, (AwaitTraining(copies=True), *promotion(Ending.COPY))),
    ),
    context=CONTEXT,
    created="2026-11-22T12:00:00Z",
    notes=(
        "ModelCopy/kept: the model it is copied from is not known: it is away. What is copied already stays.",
    ),
)
