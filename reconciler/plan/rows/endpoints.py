"""Rows for stable endpoints. They add steps to what the table decides for the model.

declared    recorded  live                        decision
----------  --------  --------------------------  ------------------------------------------------------
yes         no        no                          create it, deploy the model          _switch or _keep
yes         no        labelled as ours            take it up (in a named Stack)        _find
yes         no        another's                   refused; with `adopt` take it over   _find
yes         yes       sends all to the model      nothing; undeploy what it replaced   _keep
yes         yes       another model, or a split   deploy, or give it all requests      _keep
yes         yes       no                          create it again, deploy              _keep
another id  yes       yes                         create the other one, deploy; keep the old one for a while
no          yes       yes                         undeploy and delete it               _remove
no          yes       no                          forget it                            _remove
-           retired   yes                         delete it when its time has come     decide_former
any         any       403                         refused                              _find
checkpoint  yes       serves another checkpoint   choose it, check it, deploy it       _keep
checkpoint  yes       another one is the default  make the chosen one the default      _keep

Rule: a promotion is held until the endpoint sends its requests to the new model. So every list of steps that
promotes a model can carry a switch.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from msgspec import Struct
from msgspec.structs import replace

from reconciler.errors import Diagnostic
from reconciler.formats import add_seconds, format_time, parse_time
from reconciler.identity import digest_owner
from reconciler.model.endpoint import Deployment, LiveEndpoint, Serving
from reconciler.model.live import Status
from reconciler.model.names import Address
from reconciler.plan.case import Answer, Case, refuse, write_place
from reconciler.plan.change import Action, Change, Deposed, Reason
from reconciler.plan.facts import Facts
from reconciler.plan.rows.checkpoints import Pick, choose, pick_checkpoint, set_default, settle_choice
from reconciler.plan.steps import (
    AwaitDeployment,
    AwaitDrain,
    CreateEndpoint,
    DeleteEndpoint,
    DeleteReplaced,
    Deploy,
    Intent,
    Promote,
    RecordIntent,
    Role,
    RunChecks,
    Step,
    Steps,
    Undeploy,
    find_intent,
    find_step,
)
from reconciler.state.values import Record, RecordedEndpoint

_PATH = "serving.endpoint"


class Site(Struct, frozen=True):
    """A declared endpoint and what stands on it.

    Attributes:
        serving: as declared.
        record: with this endpoint as the address's own, and without former ones that are gone.
        endpoint: as recorded.
        live: None if it is to be created.
        owner: the digest that it is labelled with.
        adopts: it is there and not ours, and is taken over.
        mine: deployments of the model that is to have all requests.
        replaced: other deployments that are ours.
        foreign: all others.
        pick: the checkpoint that is to serve.
    """

    serving: Serving
    record: Record
    endpoint: RecordedEndpoint
    live: LiveEndpoint | None
    owner: str
    adopts: bool
    mine: tuple[Deployment, ...]
    replaced: tuple[Deployment, ...]
    foreign: tuple[Deployment, ...]
    pick: Pick

    @property
    def is_right(self) -> bool:
        """Whether it is there, is ours, and sends all requests to the model."""
        return not self.adopts and any(deployment.traffic == 100 for deployment in self.mine)

    @property
    def former(self) -> Deployment | None:
        """The deployment of another checkpoint of the model, which has all requests now."""
        name = self.pick.live.deployable if self.pick.live is not None else ""
        return next((one for one in self.replaced if one.is_of(name) and one.traffic == 100), None)


def serve(case: Case, main: Change) -> Answer:
    """Add to a change what it does to the stable endpoint of its address."""
    serving = _keep_recorded(case)
    main = _add_trial(case, main)
    if serving is None:
        return _remove(case, main) if case.record.endpoint is not None else main
    promote = find_step(main.steps, Promote)
    record = find_intent(main.steps) or case.record
    model = (record.candidate if promote else record.serving) or record.candidate
    pick = pick_checkpoint(case, main, serving, record, model) if model is not None else Pick(None)
    if isinstance(pick, Diagnostic):
        return pick
    site = _find(case, serving, record, pick)
    if isinstance(site, Diagnostic):
        return site
    if promote is not None:
        return _switch(case, main, site)
    is_settled = main.action in {Action.NO_OP, Action.RECORD, Action.UPDATE}
    live = case.find_live(record.serving) if record.serving is not None else None
    if not is_settled or live is None or live.status is not Status.ACTIVE or not live.deployable:
        return main
    return _keep(case, main, site)


def _keep_recorded(case: Case) -> Serving | None:
    """Return what the manifest declares. One that names no endpoint keeps the recorded one: see `Serving`."""
    serving, own = case.desired.serving, case.record.endpoint
    if serving is None or not serving.is_default or own is None:
        return serving
    return replace(serving, endpoint=own.id)


def decide_former(case: Case, main: Change) -> Iterator[Change]:
    """Decide on the endpoints that another one has replaced: delete them when their time has come."""
    record = find_intent(main.steps) or case.record
    for old in record.former_endpoints:
        live = case.facts.observed.endpoints.get(old.name)
        if not old.retired or live is None:
            continue
        about = Change(
            case.desired.address,
            Action.NO_OP,
            Reason.ENDPOINT_RETIRED,
            id=old.id,
            name=old.name,
            deposed=Deposed(),
            place=write_place(case.desired),
        )
        until = _find_end(case, old)
        if case.is_protected:
            yield replace(about, notes=("kept: prevent_destroy protects it until the protection is lifted",))
        elif case.facts.now < until:
            end = format_time(until)
            note = f"kept until {end}: programs that still call this endpoint get answers until then"
            yield replace(about, deposed=Deposed(end), notes=(note,))
        elif foreign := _list_foreign(case.facts, case.record, live):
            yield replace(about, notes=(f"kept: {_name(foreign)} is deployed to it, which is not ours",))
        else:
            step = DeleteEndpoint(old.id, old.name, _list_ids(live.deployments), is_due=True)
            yield replace(about, action=Action.DELETE, steps=(step,))


def remove_endpoints(facts: Facts, record: Record) -> tuple[Steps, Steps] | Diagnostic:
    """Compile what takes a record's endpoints away: steps before its models are deleted, and after."""
    before: list[Step] = []
    after: list[Step] = []
    for endpoint in record.endpoints:
        live = facts.observed.endpoints.get(endpoint.name)
        if why := facts.observed.hidden_endpoints.get(endpoint.name):
            return _refuse_hidden(record.address, endpoint.name, why)
        if live is not None and (foreign := _list_foreign(facts, record, live)):
            return Diagnostic(
                f"{live.name} would be deleted with {record.address}, and {_name(foreign)} is deployed "
                "to it, which is not ours",
                f"Undeploy it first. To keep all and forget {record.address}: "
                f"reconciler state rm {record.address.word}",
                address=str(record.address),
            )
        if live is not None and live.deployments:
            before.append(Undeploy(endpoint.id, _list_ids(live.deployments)))
        after.append(DeleteEndpoint(endpoint.id, endpoint.name if live else ""))
    return tuple(before), tuple(after)


def _add_trial(case: Case, main: Change) -> Change:
    """Give a copy an endpoint for its checks, because it has none of its own. Delete one that is left over.

    Its id is the copy's, so that it is found again, and the copy is never deleted without it. It is deleted
    once the copy is promoted. What is left over after a crash was approved with the checks.
    """
    if case.kind.trains:
        return main
    steps, record = main.steps, find_intent(main.steps) or case.record
    at = next((number for number, step in enumerate(steps) if isinstance(step, RunChecks)), None)
    model = record.candidate
    if at is None or model is None or find_step(steps, Promote) is None:
        if record.trial is None or record.candidate is not None:
            return main
        return replace(
            main,
            action=Action.RECORD if main.action is Action.NO_OP else main.action,
            reason=Reason.RECORD_ONLY if main.action is Action.NO_OP else main.reason,
            steps=(*steps, DeleteEndpoint(record.trial.id, record.trial.name, trial=True)),
        )
    trial = record.trial if record.trial is not None and record.trial.id == model.id else None
    trial = trial or RecordedEndpoint(model.id)
    owner = digest_owner(case.facts.stack.name, case.facts.state.workspace, case.desired.address)
    prepared = (
        CreateEndpoint(trial.id, owner, trial=True),
        Deploy(Role.CANDIDATE, trial.id, trial=True),
        AwaitDeployment(Role.CANDIDATE, trial.id, trial=True),
    )
    promoted = next(number for number, step in enumerate(steps, 1) if isinstance(step, Promote))
    steps = (
        *steps[:at],
        *prepared,
        *steps[at:promoted],
        DeleteEndpoint(trial.id, trial.name, trial=True),
        *steps[promoted:],
    )
    return replace(main, steps=_put_record(case, steps, replace(record, trial=trial)))


# -- what is there --------------------------------------------------------------------------------------


def _find(case: Case, serving: Serving, record: Record, pick: Pick) -> Site | Diagnostic:
    """Find the declared endpoint, and whose it is."""
    facts, address = case.facts, case.desired.address
    record = _choose_endpoint(case, serving, record)
    endpoint = record.endpoint or RecordedEndpoint(serving.endpoint)
    if why := facts.observed.hidden_endpoints.get(endpoint.name or str(address)):
        return _refuse_hidden(address, endpoint.name or serving.endpoint, why)
    known = facts.observed.endpoints.get(endpoint.name) if endpoint.name else None
    live = known or (None if endpoint.name else facts.observed.declared_endpoints.get(address))
    owner = digest_owner(facts.stack.name, facts.state.workspace, address)
    adopts = live is not None and not endpoint.name and not _is_ours(case, endpoint, live, owner)
    if adopts and live is not None and not serving.adopt:
        return refuse(
            case.desired,
            f"{address} declares the endpoint {serving.endpoint}, and {live.name} is there and not ours",
            "Declare another id. Only if nobody else needs it: serving.adopt: true takes it over, with what "
            "is deployed to it",
            path=_PATH,
        )
    if live is not None and not adopts:
        endpoint = replace(endpoint, name=live.name, location=live.location)
    there = case.find_live(pick.model) if pick.model is not None else None
    deployments = () if live is None else live.deployments
    mine = tuple(
        one for one in deployments if there is not None and one.is_of(there.deployable) and pick.accepts(one)
    )
    names = _list_deployable(facts, record)
    others = [one for one in deployments if one not in mine]
    replaced = tuple(
        one
        for one in others
        if serving.adopt or one.id == endpoint.deployed or any(one.is_of(name) for name in names)
    )
    foreign = tuple(one for one in others if one not in replaced)
    record = settle_choice(replace(record, endpoint=endpoint), pick)
    return Site(serving, record, endpoint, live, owner, adopts, mine, replaced, foreign, pick)


def _choose_endpoint(case: Case, serving: Serving, record: Record) -> Record:
    """Return the record with the declared endpoint as its own. Another one of before becomes a former one."""
    known = case.facts.observed.endpoints
    gone = {one.name for one in record.former_endpoints if one.retired and one.name not in known}
    former = [one for one in record.former_endpoints if one.name not in gone]
    own = record.endpoint
    if own is not None and _is_declared(own, serving):
        return replace(record, former_endpoints=tuple(former))
    back = next((one for one in former if _is_declared(one, serving)), None)
    former = [one for one in former if one is not back]
    if own is not None and own.name:
        former.append(own)
    new = back or RecordedEndpoint(serving.endpoint, serving.location)
    new = replace(new, deployed="", operation="", since="", retired="", kept_until="")
    return replace(record, endpoint=new, former_endpoints=tuple(former))


def _is_declared(endpoint: RecordedEndpoint, serving: Serving) -> bool:
    return endpoint.id == serving.endpoint and (
        not (serving.location and endpoint.location) or endpoint.location == serving.location
    )


def _is_ours(case: Case, endpoint: RecordedEndpoint, live: LiveEndpoint, owner: str) -> bool:
    """Return whether an endpoint is ours that no run has recorded as created.

    Its label proves that in a named Stack, or together with an intent to create it.
    """
    facts, own = case.facts, case.record.endpoint
    former = case.desired.moved_from or facts.moved.get(case.desired.address)
    owners = {owner}
    if former is not None:
        owners.add(digest_owner(facts.stack.name, facts.state.workspace, former))
    intended = own is not None and own.id == endpoint.id
    return live.owner in owners and (bool(facts.stack.name) or intended)


def _list_deployable(facts: Facts, record: Record) -> list[str]:
    """List the names under which the record's models are deployed."""
    found = [facts.find_live_of(record, model) for model in record.models]
    return [live.deployable for live in found if live is not None and live.deployable]


def _list_foreign(facts: Facts, record: Record, live: LiveEndpoint) -> tuple[Deployment, ...]:
    """List what is deployed to an endpoint of ours and is not ours."""
    names = _list_deployable(facts, record)
    ids = {endpoint.deployed for endpoint in record.endpoints}
    return tuple(
        one for one in live.deployments if one.id not in ids and not any(one.is_of(name) for name in names)
    )


def _refuse_hidden(address: Address, name: str, why: str) -> Diagnostic:
    return Diagnostic(
        f"{address}: the service refuses to show the endpoint {name}: {why}",
        "Give the account of this credential a role that may read it (roles/aiplatform.user)",
        address=str(address),
    )


# -- what is done ---------------------------------------------------------------------------------------


def _switch(case: Case, main: Change, site: Site) -> Change:
    """Hold a promotion until the endpoint sends its requests to the new model."""
    steps = list(_put_record(case, main.steps, site.record))
    chooses = tuple(choose(case, site.pick, Role.CANDIDATE))
    if site.pick.selection is not None and case.kind.trains:
        steps = [step for step in steps if not isinstance(step, RunChecks)]  # they are run with the choice
    at = next(number for number, step in enumerate(steps) if isinstance(step, Promote))
    interrupts = site.endpoint.interrupted or (site.serving.allow_interruption and bool(site.replaced))
    fallback: list[Step] = []
    if interrupts and site.record.serving is not None and not site.adopts:
        fallback = [
            Deploy(Role.SERVING, site.endpoint.id, is_fallback=True),
            AwaitDeployment(Role.SERVING, site.endpoint.id),
        ]
    deploys = _deploy(case, site, Role.CANDIDATE)
    clears = _clear(case, site)
    return replace(
        main,
        steps=(*steps[:at], *chooses, *deploys, steps[at], *clears, *steps[at + 1 :], *fallback),
        notes=(*main.notes, *_note_foreign(site)),
    )


def _keep(case: Case, main: Change, site: Site) -> Change:
    """Make the endpoint send all requests to the model that serves already."""
    record, endpoint = site.record, site.endpoint
    added: tuple[Step, ...] = ()
    if not site.is_right:
        added = (
            *choose(case, site.pick, Role.SERVING),
            *_deploy(case, site, Role.SERVING),
            *_clear(case, site),
            *_fall_back(site),
        )
    else:
        (mine, *_) = [one for one in site.mine if one.traffic == 100]
        since = endpoint.since if endpoint.deployed == mine.id else ""
        endpoint = replace(
            endpoint,
            deployed=mine.id,
            since=since or case.facts.timestamp,
            operation="",
            interrupted=False,
        )
        record = replace(record, endpoint=endpoint, former_endpoints=_retire(case, record))
        added = tuple(set_default(site.pick, Role.SERVING))
        if site.replaced:
            ids = _list_ids(site.replaced)
            drain = site.serving.drain.total_seconds()
            added = (*added, AwaitDrain(drain), Undeploy(endpoint.id, ids, is_due=True))
    steps = (*_put_record(case, main.steps, record), *added)
    main = replace(main, steps=steps, notes=(*main.notes, *_note_foreign(site)))
    if not site.is_right and main.action is not Action.UPDATE:
        return replace(main, action=Action.UPDATE, reason=_explain(case, site))
    if not site.pick.has_default and main.action is not Action.UPDATE:
        return replace(main, action=Action.UPDATE, reason=Reason.DEFAULT_DIFFERS)
    if steps and main.action is Action.NO_OP:
        return replace(main, action=Action.RECORD, reason=Reason.RECORD_ONLY)
    return main


def _explain(case: Case, site: Site) -> Reason:
    own = case.record.endpoint
    if own is not None and own.id != site.endpoint.id:
        return Reason.ENDPOINT_MOVED
    if site.former is not None:
        return Reason.CHECKPOINT_DIFFERS
    return Reason.ENDPOINT_MISSING if site.live is None else Reason.ENDPOINT_DIFFERS


def _fall_back(site: Site) -> Iterator[Step]:
    """Deploy the former checkpoint again, where it goes first and the other one cannot be deployed."""
    if site.serving.allow_interruption and site.former is not None and site.former.checkpoint:
        former, id = site.former.checkpoint, site.endpoint.id
        yield Deploy(Role.SERVING, id, is_fallback=True, checkpoint=former)
        yield AwaitDeployment(Role.SERVING, id, checkpoint=former)


def _deploy(case: Case, site: Site, of: Role) -> Iterator[Step]:
    endpoint, replaced = site.endpoint, site.replaced
    if site.live is None or site.adopts:
        yield CreateEndpoint(endpoint.id, site.owner, site.adopts, again=bool(endpoint.name))
    interrupts = site.serving.allow_interruption and bool(replaced)
    if interrupts:
        yield Undeploy(endpoint.id, _list_ids(replaced), interrupts=True)
    rivals = (*replaced, *site.foreign)
    if not site.is_right:  # else it is only recorded
        yield Deploy(
            of,
            endpoint.id,
            _list_ids(one for one in rivals if one.traffic),
            checkpoint=site.pick.chosen,
        )
    yield AwaitDeployment(
        of,
        endpoint.id,
        case.desired.lifecycle.keeps_for.total_seconds(),
        interrupts=interrupts or endpoint.interrupted,
        rivals=bool(rivals),
        checkpoint=site.pick.chosen,
    )
    yield from set_default(site.pick, of)


def _clear(case: Case, site: Site) -> Iterator[Step]:
    """Undeploy what was replaced, and delete an endpoint that was replaced and is not to be kept."""
    if site.replaced and not site.serving.allow_interruption:
        yield AwaitDrain(site.serving.drain.total_seconds())
        yield Undeploy(site.endpoint.id, _list_ids(site.replaced), spares=site.pick.is_open)
    for old in site.record.former_endpoints:
        live = case.facts.observed.endpoints.get(old.name)
        keeps = case.desired.lifecycle.keeps_for != timedelta(0) or case.is_protected
        if old.retired or keeps or live is None or _list_foreign(case.facts, case.record, live):
            continue
        yield DeleteEndpoint(old.id, old.name, _list_ids(live.deployments))


def _remove(case: Case, main: Change) -> Answer:
    """Undeploy and delete the endpoint of an address whose manifest declares none any more."""
    record = find_intent(main.steps) or case.record
    endpoint = case.record.endpoint
    if endpoint is None or main.action is Action.FAILED:
        return main
    live = case.facts.observed.endpoints.get(endpoint.name)
    if live is None:
        steps = _put_record(case, main.steps, replace(record, endpoint=None))
        main = replace(main, steps=steps)
        if main.action is Action.NO_OP:
            main = replace(main, action=Action.RECORD, reason=Reason.RECORD_ONLY)
        return main
    if case.is_protected:
        return refuse(
            case.desired,
            f"the endpoint {endpoint.id} of {case.desired.address} is protected by prevent_destroy and would "
            "be deleted",
            "Declare serving.endpoint again, or lift lifecycle.prevent_destroy first",
        )
    found = remove_endpoints(case.facts, replace(record, endpoint=endpoint, former_endpoints=()))
    if isinstance(found, Diagnostic):
        return found
    deletion = DeleteEndpoint(endpoint.id, endpoint.name, _list_ids(live.deployments))
    at = next(
        (number for number, step in enumerate(main.steps) if isinstance(step, DeleteReplaced)),
        len(main.steps),
    )
    main = replace(main, steps=(*main.steps[:at], deletion, *main.steps[at:]))
    if main.action in {Action.NO_OP, Action.RECORD}:
        main = replace(main, action=Action.UPDATE, reason=Reason.ENDPOINT_REMOVED)
    return main


def _retire(case: Case, record: Record) -> tuple[RecordedEndpoint, ...]:
    now = case.facts.timestamp
    until = add_seconds(now, case.desired.lifecycle.keeps_for.total_seconds())
    return tuple(
        one if one.retired else replace(one, retired=now, kept_until=until) for one in record.former_endpoints
    )


def _put_record(case: Case, steps: Steps, record: Record) -> Steps:
    """Commit a record before the first call, in place of the one that is committed there already."""
    match steps:
        case (Intent() as first, *rest):
            return (replace(first, record=record), *rest)
        case _:
            return steps if record == case.record else (RecordIntent(record), *steps)


def _find_end(case: Case, old: RecordedEndpoint) -> datetime:
    return parse_time(old.kept_until) or case.facts.now


def _list_ids(deployments: Iterable[Deployment]) -> tuple[str, ...]:
    return tuple(deployment.id for deployment in deployments)


def _note_foreign(site: Site) -> tuple[str, ...]:
    if not site.foreign:
        return ()
    return (f"{_name(site.foreign)} stays deployed to {site.endpoint.id} without requests: it is not ours",)


def _name(deployments: Iterable[Deployment]) -> str:
    return ", ".join(f"{one.model.partition('/locations/')[2] or one.model}" for one in deployments)
