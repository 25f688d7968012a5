"""`import --all`: write a manifest for each live model that nobody manages.

Rule: it only writes manifests. It sends GETs, and does not touch the state. The next apply records the
models, and trains none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from msgspec.structs import replace

from reconciler import diff, files
from reconciler.errors import PlanError, ServiceError, UsageError
from reconciler.kind import FieldRole, FieldType
from reconciler.manifests.loading import read_manifest
from reconciler.manifests.writer import Data, comment_out, write_manifest
from reconciler.model.data import DataSet
from reconciler.model.desired import Desired
from reconciler.model.live import Live, Odd
from reconciler.model.names import Address, Value
from reconciler.observe import run_each
from reconciler.operation import Operation
from reconciler.plan.estate import Claims, Estate, Left, Omitted, Wish, Written, choose_name
from reconciler.plan.facts import Facts, Observed
from reconciler.plan.rows.adoption import compare_import
from reconciler.providers import Provider

_CORRECTIONS = 20
"""The number of keys of one manifest that are turned into comments before we give up."""


def survey(operation: Operation, kind: str, wish: Wish) -> Estate:
    """Find the live models of a kind that nobody manages, and make a manifest for each.

    Raises:
        ServiceError, CredentialError, UsageError: the service of this kind could not be asked.
    """
    provider, state = operation.providers[kind], operation.read_state()
    found = list(provider.list(own=True))
    live = {model.id: model for model in found if isinstance(model, Live)}
    facts = operation.build_world(state, Observed(live={kind: live}), operation.loaded.desired)
    omitted = [Omitted(odd.name, Left.ODD, odd.why) for odd in found if isinstance(odd, Odd)]
    omitted += [
        Omitted(ended.name, Left.FAILED if ended.has_failed else Left.GONE) for ended in provider.list_ended()
    ]
    claims = Claims(facts, kind)
    wanted: list[Live] = []
    for model in sorted(live.values(), key=lambda model: (model.create_time, model.id)):
        reason = claims.explain(model, wish)
        if reason is None:
            wanted.append(model)
        else:
            omitted.append(Omitted(model.name, reason))
    made = list(_Maker(operation, provider, facts).make(wanted))
    omitted += [answer for answer in made if isinstance(answer, Omitted)]
    return Estate(tuple(answer for answer in made if isinstance(answer, Written)), tuple(omitted))


def choose_folder(paths: Sequence[str], out: str | None) -> Path:
    """Choose the folder for the manifests: --out, which must be inside a PATH, or else the first PATH.

    Raises:
        UsageError: it is outside of the manifests, hidden from them, or no folder.
    """
    folder = Path(out or paths[0])
    inside = [path for path in paths if folder.resolve().is_relative_to(Path(path).resolve())]
    if not inside:
        raise UsageError(
            f"--out {folder} is not inside {' or '.join(paths)}",
            "The manifests must be among those that plan and apply read",
        )
    steps = folder.resolve().relative_to(Path(inside[0]).resolve()).parts
    if any(step.startswith(".") for step in steps):
        raise UsageError(f"{folder} is hidden, so plan and apply do not read it", "Give another folder")
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file", "Give the folder of the manifests")
    return folder


def write_files(estate: Estate, folder: Path) -> Estate:
    """Write each manifest to a new file in the folder. Never changes a file, and leaves none half written.

    Raises:
        UsageError: the folder is not writable.
    """
    written = []
    files.remove_abandoned_drafts(folder, ".yaml")
    try:
        for manifest in estate.written:
            folder.mkdir(parents=True, exist_ok=True)
            written.append(replace(manifest, file=_create_file(folder, manifest)))
    except OSError as error:
        raise UsageError(
            f"{folder}: {error.strerror or error}",
            f"{len(written)} of {len(estate.written)} manifests were written. "
            "Make it writable, and run this again: it writes the rest",
        ) from error
    return replace(estate, written=tuple(written))


def _create_file(folder: Path, manifest: Written) -> str:
    names = [manifest.address.name, f"{manifest.address.name}-{manifest.address.kind.lower()}"]
    number = 1
    while True:
        name = names.pop(0) if names else f"{manifest.address.name}-{number}"
        path = folder / f"{name}.yaml"
        try:
            files.create(path, manifest.text.encode())
        except FileExistsError:
            number += 1
        else:
            return str(path)


class _Maker:
    """Makes manifests under names that are free."""

    def __init__(self, operation: Operation, provider: Provider, facts: Facts) -> None:
        self._provider, self._facts, self._parallelism = provider, facts, operation.parallelism
        self._kind = facts.kinds[provider.kind.name]
        known = (*facts.desired, *facts.state.resources, *facts.removals)
        self._numbers: dict[str, int] = {}
        self._taken = {address.name for address in known if address.kind == self._kind.name}

    def make(self, models: Sequence[Live]) -> Iterator[Written | Omitted]:
        """Make a manifest for each model, or tell why there is none."""
        uris = sorted({uri for model in models for uri in model.data.values()})
        digests = dict(zip(uris, run_each(self._measure, uris, self._parallelism), strict=True))
        for model in models:
            yield self._make(model, digests)

    def _measure(self, uri: str) -> tuple[str, str]:
        """Measure a data set where it lies. Returns its digest, and the reason why it cannot be read."""
        data = DataSet("", 0, 0, field=self._kind.data_field, uri=uri)
        desired = Desired(Address(self._kind.name, "measured"), {}, (data,))
        try:
            (measured,) = self._provider.measure_data([desired])
        except ServiceError as error:
            return "", error.summary
        digest = measured.data[0].digest
        return digest, "" if digest or not uri.startswith("gs://") else "it does not exist any more"

    def _make(self, live: Live, digests: Mapping[str, tuple[str, str]]) -> Written | Omitted:
        data = [Data(path, uri, digests[uri][1]) for path, uri in live.data.items()]
        if any(found.problem for found in data):  # the service checks one against the other: all or none
            data = [replace(found, problem=found.problem or "left out like the other") for found in data]
        address = Address(self._kind.name, choose_name(self._kind, live, self._taken, self._numbers))
        text = write_manifest(self._kind, address.name, live, data, places=self._find_places(live))
        text, desired, why = self._correct(text)
        if desired is not None:
            why = self._find_difference(desired, live, digests)
        if why:
            return Omitted(live.name, Left.INVALID, why)
        self._taken.add(address.name)
        return Written(address, live.name, text)

    def _correct(self, text: str) -> tuple[str, Desired | None, str]:
        """Turn keys that no manifest can have into comments.

        Returns the text, the model that it declares, and what is wrong if it declares none.
        """
        desired, problems = read_manifest(text, self._kind, self._facts.stack)
        for _ in range(_CORRECTIONS):
            fixes = (comment_out(text, problem.line or 0, problem.summary) for problem in problems)
            corrected = next((fixed for fixed in fixes if fixed is not None), None)
            if corrected is None:
                break
            text = corrected
            desired, problems = read_manifest(text, self._kind, self._facts.stack)
        return text, desired, problems[0].summary if problems else ""

    def _find_places(self, live: Live) -> dict[str, Value]:
        """Find what the manifest must say of where the model lives: what the Stack does not say."""
        effective = self._place(Desired(Address(self._kind.name, "placed"), {}, ())).effective
        found: dict[str, Value] = {}
        for path, field in self._kind.fields.items():
            if field.role is not FieldRole.PLACE or path not in live.attributes:
                continue
            known = live.aliases.get(path, (live.attributes[path],))
            is_default = effective.get(path) in known
            if not is_default or (
                field.type is not FieldType.NAMES and self._facts.stack.location != effective.get(path)
            ):
                found[path] = live.attributes[path]
        return found

    def _place(self, desired: Desired) -> Desired:
        (placed,) = self._provider.measure_data([replace(desired, data=())])
        return placed

    def _find_difference(self, desired: Desired, live: Live, digests: Mapping[str, tuple[str, str]]) -> str:
        """Say why the next apply would refuse or change the model; "" if it only records it."""
        data = tuple(replace(found, digest=found.digest or digests[found.uri][0]) for found in desired.data)
        placed = replace(desired, effective=self._place(desired).effective, data=data)
        there = {path: digests[uri][0] for path, uri in live.data.items()}
        try:
            compare_import(self._facts, placed, live, there)
        except PlanError as error:
            return error.summary
        updates = diff.compare_mutable(live.attributes, placed.attributes, self._kind.fields)
        return "".join(f"{update.path} would be changed" for update in updates[:1])
