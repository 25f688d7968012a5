"""Makes random plans, drifts and events: with every action, with hostile text, and with any fields empty."""

from __future__ import annotations

from hypothesis import strategies as st
from msgspec.structs import replace

from reconciler.difference import DataChange, ExampleChange, FieldChange, PermissionChange
from reconciler.events import (
    Billed,
    Completed,
    Detached,
    Event,
    Failed,
    Progress,
    Skipped,
    Started,
    Uploading,
)
from reconciler.model.checks import Check
from reconciler.model.data import DataSet, Example
from reconciler.model.live import Status
from reconciler.model.names import Address, Attributes, Value
from reconciler.model.permission import Permission
from reconciler.model.stack import Guards
from reconciler.plan import steps
from reconciler.plan.change import Action, Bill, Binding, Change, Deposed, Drift, DriftClass, Plan, Reason
from reconciler.plan.inputs import Context, Inputs
from reconciler.state.values import Record, RecordedData, RecordedModel, Verdict
from tests.render.plans import HOSTILE, HYPERPARAMETERS

PATHS = (
    "display_name",
    "description",
    "base_model",
    "temperature",
    "top_k",
    "reader_project_numbers",
    f"{HYPERPARAMETERS}.epoch_count",
    f"{HYPERPARAMETERS}.learning_rate_multiplier",
)
SECRET = "TRAINING-DATA-ITSELF"  # tests look for it in every output

names = st.from_regex(r"[a-z][a-z0-9-]{0,30}", fullmatch=True)
addresses = st.builds(Address, st.sampled_from(["TunedModel", "TuningJob"]), names)
texts = st.one_of(
    st.just(HOSTILE),
    st.text(max_size=60),
    st.text(alphabet="字😀é́a |`<&@#-\x1b\u202e\u2066\n\t\x00\x9b", max_size=60),
    st.just("word " * 40),
)
short_texts = st.text(min_size=1, max_size=12)
ids = st.one_of(st.just(""), names.map(lambda name: f"{name[:31]}-k3j5h2l1"), st.just(HOSTILE))
digests = st.sampled_from(["a1b2c3d4" * 8, "e5f6a7b8" * 8])
floats = st.floats(allow_nan=False, allow_infinity=False, width=32)
counts = st.integers(0, 10**7)
scalars = st.one_of(texts, st.integers(-(10**12), 10**12), floats, st.booleans())
values: st.SearchStrategy[Value] = st.one_of(scalars, st.lists(scalars, max_size=3).map(tuple))
attributes: st.SearchStrategy[Attributes] = st.dictionaries(st.sampled_from(PATHS), values, max_size=5)
permissions = st.builds(
    Permission, st.sampled_from(["USER", "GROUP", "EVERYONE"]), texts, st.sampled_from(["READER", "WRITER"])
)
field_changes = st.builds(
    FieldChange, st.sampled_from(PATHS), st.none() | values, st.none() | values, st.booleans()
)
data_changes = st.builds(
    DataChange,
    st.just("training_data"),
    digests | st.just(""),
    digests | st.just(""),
    st.none() | counts,
    counts,
    st.booleans(),
    st.none() | st.builds(ExampleChange, counts, counts, counts),
)
permission_changes = st.one_of(
    st.builds(PermissionChange, st.none(), permissions),
    st.builds(PermissionChange, permissions, st.none() | permissions),
)
datasets = st.builds(
    DataSet,
    digests,
    counts,
    counts,
    file=st.none() | texts,
    inline=st.just((Example(SECRET, SECRET),)),
    shown=texts,
)
checks = st.builds(Check, texts, texts)
bills = st.builds(
    Bill,
    counts,
    counts,
    st.integers(1, 100),
    st.integers(0, 64),
    counts,
    st.booleans(),
    st.none() | st.floats(0, 10**6),
    st.sampled_from(["USD", "", "EUR"]),
    counts,
    st.booleans(),
    counts,
    st.none() | st.floats(0, 10**6),
)
models = st.builds(
    RecordedModel,
    ids.filter(bool),
    name=texts,
    digest=digests,
    generation=st.integers(0, 15),
    source=texts,
    sent=attributes,
    data=st.lists(
        st.builds(RecordedData, short_texts, digests, counts, counts, st.booleans()), max_size=1
    ).map(tuple),
    status=st.none() | st.sampled_from(Status),
    permissions=st.none() | st.lists(permissions, max_size=2).map(tuple),
    total_steps=st.none() | counts,
    verdict=st.sampled_from(Verdict),
    error=texts,
    deposed=texts,
)
records = st.builds(
    Record,
    addresses,
    st.none() | models,
    st.none() | models,
    st.lists(models, max_size=2).map(tuple),
    st.lists(st.builds(replace, models, held=texts, held_by=texts), max_size=2).map(tuple),
    st.booleans(),
)


parents = st.builds(steps.Serves, addresses, texts)
roles = st.sampled_from(steps.Role)
grants = st.lists(permissions, max_size=2).map(tuple)
each_step: list[st.SearchStrategy[steps.Step]] = [
    st.builds(steps.Move, addresses, records),
    st.builds(steps.RecordIntent, records, st.none() | parents),
    st.builds(steps.Adopt, records),
    st.builds(steps.Restore, records, st.none() | parents),
    st.builds(steps.GoBack, records, ids),
    st.builds(steps.DeleteFirst, ids, st.booleans(), st.none() | parents),
    st.builds(steps.Create, ids, st.integers(0, 15), texts, ids, st.booleans(), st.none() | parents),
    st.builds(steps.AwaitTraining),
    st.builds(steps.AwaitEnd, ids, st.booleans()),
    st.builds(steps.Update, roles, attributes, attributes),
    st.builds(steps.SetPermissions, roles, grants, st.lists(permission_changes, max_size=2).map(tuple)),
    st.builds(steps.RunChecks, st.lists(checks, min_size=1, max_size=2).map(tuple)),
    st.builds(
        steps.ChooseCheckpoint,
        roles,
        st.sampled_from(["last", "best", "3"]),
        st.sampled_from(["", "3"]),
        st.lists(checks, max_size=2).map(tuple),
        st.none() | st.integers(0, 10),
    ),
    st.builds(steps.SetDefaultCheckpoint, roles, ids),
    st.builds(
        steps.Promote,
        st.sampled_from(steps.Ending),
        ids,
        texts,
        st.floats(0, 10**6),
        st.none() | attributes,
        st.none() | grants,
        st.sampled_from(Verdict),
    ),
    st.builds(steps.HoldBack, texts, texts),
    st.builds(steps.DeleteReplaced, ids, st.booleans()),
    st.builds(
        steps.Delete, ids, st.booleans(), st.booleans(), st.none() | st.builds(steps.IsAccepted, addresses)
    ),
    st.builds(steps.Forget),
    st.builds(steps.ForgetDeposed, ids),
    st.builds(steps.ReportFailure, texts, texts, st.booleans()),
    st.builds(steps.CreateEndpoint, ids, digests, st.booleans(), st.booleans()),
    st.builds(steps.Deploy, roles, ids, st.lists(ids, max_size=2).map(tuple), st.booleans()),
    st.builds(steps.AwaitDeployment, roles, ids, st.floats(0, 10**6), st.booleans(), st.booleans()),
    st.builds(steps.AwaitDrain, st.floats(0, 10**6)),
    st.builds(steps.Undeploy, ids, st.lists(ids, max_size=2).map(tuple), st.booleans(), st.booleans()),
    st.builds(steps.DeleteEndpoint, ids, texts, st.lists(ids, max_size=2).map(tuple), st.booleans()),
]
"""A strategy for each kind of step."""
any_step: st.SearchStrategy[steps.Step] = st.one_of(each_step)


def changes(actions: st.SearchStrategy[Action] | None = None) -> st.SearchStrategy[Change]:
    """Make changes with these actions. The fields are independent, so a planner would not make them all."""
    return st.builds(
        Change,
        addresses,
        actions if actions is not None else st.sampled_from(Action),
        st.sampled_from(Reason),
        id=ids,
        name=texts,
        serving=ids,
        deposed=st.none() | st.builds(Deposed, texts, st.booleans()),
        before=st.none() | attributes,
        after=st.none() | attributes,
        fields=st.lists(field_changes, max_size=3).map(tuple),
        data=st.lists(data_changes, max_size=1).map(tuple),
        datasets=st.lists(datasets, max_size=1).map(tuple),
        bill=st.none() | bills,
        notes=st.lists(texts, max_size=2).map(tuple),
        place=texts,
        steps=st.lists(any_step, max_size=4).map(tuple),
    )


drifts = st.builds(
    Drift,
    st.none() | addresses,
    st.sampled_from(DriftClass),
    ids,
    texts,
    st.lists(field_changes, max_size=2).map(tuple),
    st.lists(permission_changes, max_size=2).map(tuple),
    st.none() | attributes,
    st.none() | attributes,
    st.booleans(),
    texts,
)
contexts = st.builds(Context, texts, texts, texts, st.sampled_from(["google", "emulator"]), texts)
plans = st.builds(
    Plan,
    st.lists(changes(), max_size=5).map(tuple),
    st.lists(drifts, max_size=3).map(tuple),
    contexts,
    st.builds(
        Inputs,
        st.lists(texts, max_size=2).map(tuple),
        st.dictionaries(short_texts, texts, max_size=2),
        st.lists(short_texts, max_size=2).map(tuple),
        guards=st.builds(Guards, st.none() | counts, st.none() | counts, st.none() | st.floats(0, 10**6)),
    ),
    st.uuids().map(str),
    counts,
    st.dictionaries(
        addresses,
        st.builds(Binding, digests, st.lists(digests, max_size=2).map(tuple), st.just(("",))),
        max_size=2,
    ),
    st.lists(texts, max_size=2).map(tuple),
    st.just("2026-11-22T18:00:00Z"),
)
operations = st.sampled_from(
    ["create", "adopt", "update", "permissions", "check", "promote", "delete", "wait"]
)
seconds = st.floats(0, 10**6)
events: st.SearchStrategy[Event] = st.one_of(
    st.builds(Started, addresses, operations, ids),
    st.builds(
        Progress,
        addresses,
        ids,
        st.none() | st.floats(0, 100),
        st.none() | counts,
        st.none() | counts,
        st.none() | counts,
        st.none() | floats,
        seconds,
        st.none() | seconds,
    ),
    st.builds(Completed, addresses, operations, ids, seconds, texts),
    st.builds(Billed, addresses, ids, counts, st.none() | st.floats(0, 1e6), texts, counts),
    st.builds(Failed, addresses, operations, texts, texts, ids, seconds, st.booleans()),
    st.builds(Skipped, addresses, operations, texts, ids, st.booleans(), trouble=st.booleans()),
    st.builds(Uploading, texts, st.integers(0, 10**9), st.just(10**9)),
    st.builds(Detached, st.sampled_from(["interrupt", "timeout", "no-wait"]), st.lists(addresses).map(tuple)),
)
