"""Checks the keys of one document against each other, as written, so that no mistake hides another."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from reconciler.formats import to_camel_case
from reconciler.kind import Field, Kind, OnChange
from reconciler.manifests.documents import Document, Node
from reconciler.model.endpoint import BEST
from reconciler.problems import find_nearest


def check_choices(
    document: Document,
    choices: Iterable[tuple[str, tuple[str, str], bool]],
    misspelled: Collection[str] = (),
) -> None:
    """Check the API's oneofs: at most one of two keys, or exactly one if one is required.

    `misspelled` has the paths of keys that are there in a wrong spelling, which is reported elsewhere.
    """
    for where, (first, second), required in choices:
        within = document.at(where)
        if not isinstance(within.value, dict):
            continue
        there = [node for node in map(within.at, (first, second)) if node.is_there]
        if len(there) > 1:
            later = max(there, key=lambda node: node.key_place)
            later.error(f"{where} has both {first} and {second}", "Remove one of them.", of_key=True)
        elif required and not there and not {f"{where}.{first}", f"{where}.{second}"} & {*misspelled}:
            summary = f"{where} has neither {first} nor {second}"
            within.error(summary, f"Add {first} or {second}.", of_key=True)


def check_lifecycle_fields(document: Document, where: str, fields: Sequence[Field]) -> Mapping[str, str]:
    """Check that the fields that `lifecycle` names exist and can change in place.

    Returns:
        Maps every spelling of a field's path to the path. Empty without a lifecycle.
    """
    lifecycle = document.at(where)
    if not isinstance(lifecycle.value, dict):
        return {}
    spelled = {way: field.path for field in fields for way in (to_camel_case(field.path), field.path)}
    mutable = {field.path for field in fields if field.on_change is OnChange.UPDATE}
    for item in lifecycle.at("ignore_changes").items:
        _check_field("ignore_changes", item, spelled, mutable)
    for item in lifecycle.at("ignore_drift").items:
        _check_field("ignore_drift", item.at("field"), spelled, mutable)
    return spelled


def _check_field(key: str, node: Node, spelled: Mapping[str, str], mutable: set[str]) -> None:
    name = node.value
    if not isinstance(name, str):
        return
    if name not in spelled:
        near = find_nearest(name, sorted(mutable))
        known = f"Known here: {', '.join(sorted(mutable))}." if mutable else "No field here changes in place."
        advice = f"Did you mean {near}?" if near else known
        node.error(f"{key}: {name!r} is not a field", advice)
    elif spelled[name] not in mutable:
        node.error(
            f"{key}: {name} cannot change in place, so there is nothing to ignore",
            "A change of it in the manifest makes a new model; take the name out.",
        )


def check_permissions(document: Document, kind: Kind) -> None:
    """Check that each grantee is listed once, and has an address only if its type needs one."""
    permissions = document.at("permissions")
    if permissions.value is not None and not kind.permissions:
        permissions.error(
            f"a {kind.name} has no permissions of its own",
            f"Remove the key; {kind.access}." if kind.access else "Remove the key.",
            of_key=True,
        )
    seen: dict[tuple[str, str], Node] = {}
    for item in permissions.items:
        if not isinstance(item.value, dict):
            continue
        grantee, email = item.at("grantee_type").text, item.at("email_address")
        if grantee == "EVERYONE" and email.value is not None:
            email.error("EVERYONE has no email_address", "Remove it.", of_key=True)
        if grantee in {"USER", "GROUP"} and email.value is None:
            item.error(f"a {grantee} needs an email_address", "Add email_address: name@example.com.")
        who = (grantee, email.text.lower())
        if who in seen:
            summary = f"the same grantee as at {seen[who].place}"
            item.error(summary, "Keep one of them: a grantee has one role.")
        seen.setdefault(who, item)


def check_data(document: Document, keys: Sequence[str], misspelled: Collection[str] = ()) -> None:
    """Check that there is training data, unless the manifest takes over a live model.

    `misspelled` is as for `check_choices`.
    """
    if is_there_already(document):
        return
    for key in keys:
        owner, name = document.at("spec"), "spec"
        steps = key.split(".")
        for depth, step in enumerate(steps, 1):
            if not isinstance(owner.value, dict):
                break  # its type is reported elsewhere
            found = owner.at(step)
            if not found.is_there:
                is_meant = ".".join(("spec", *steps[:depth])) in misspelled
                if (depth == len(steps) or len(keys) == 1) and not is_meant:
                    owner.error(f"{name}.{step} is missing", f"Add the key {step}.", of_key=True)
                break
            owner, name = found, f"{name}.{found.key}"


def is_there_already(document: Document) -> bool:
    """Return whether the manifest takes over a live model. That is not trained, so data may be absent."""
    return any(isinstance(document.at(f"metadata.{key}").value, str) for key in ("import", "id"))


def check_checkpoint(document: Document) -> None:
    """Check that there are checks to choose the best checkpoint by."""
    checkpoint = document.at("serving.checkpoint")
    if checkpoint.value == BEST and not any(document.at("checks").items):
        checkpoint.error(
            "serving.checkpoint: best needs checks, which tell how good each checkpoint is",
            "Declare checks beside spec, or write last or the id of a checkpoint.",
        )


def check_pinning(document: Document, kind: Kind) -> None:
    """Check that `id` is set only if the service accepts one, and `delete_first` only with `id`."""
    pinned, imported = document.at("metadata.id"), document.at("metadata.import")
    if pinned.value is not None and not kind.pinned_ids:
        chooser = "the service" if kind.trains else "reconciler"
        summary = f"{chooser} chooses the id of a {kind.name}"
        pinned.error(summary, "Remove metadata.id.", of_key=True)
    named_in_python = document.at(["metadata", "import_"])
    if named_in_python.value is not None:
        named_in_python.error("metadata.import_ is not a known key", "Did you mean import?", of_key=True)
    both = kind.pinned_ids and isinstance(pinned.value, str) and isinstance(imported.value, str)
    if both and imported.text.removeprefix(kind.collection) != pinned.text:
        imported.error(
            f"metadata.import names {imported.text}, and metadata.id pins {pinned.text}",
            "An address is one model: remove one of the two lines.",
        )
    replacement = document.at("lifecycle.replace")
    if replacement.value == "delete_first" and pinned.value is None:
        replacement.error(
            "lifecycle.replace: delete_first needs a pinned metadata.id",
            "Remove it: without a pinned id the successor is trained while the model still serves.",
        )
