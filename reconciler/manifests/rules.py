"""Rules between the keys of one document, held on what is written, so that one wrong key hides none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from reconciler.kind import Field, Kind, OnChange
from reconciler.manifests.located import Path, YamlList, YamlMap, locate, value_at
from reconciler.manifests.spelling import spelled_path, spellings
from reconciler.problems import Place, Problems, find_nearest


def _place(body: YamlMap, path: Path, file: str, *, of_key: bool = False) -> Place:
    return Place(file, *(locate(body, path, of_key=of_key) or body.mark))


def check_choices(
    body: YamlMap, choices: Iterable[tuple[str, tuple[str, str], bool]], file: str, problems: Problems
) -> None:
    """The API's oneofs: not both keys, and, where one is required, not neither."""
    for where, (first, second), required in choices:
        path = spelled_path(body, where)
        within = value_at(body, path)
        if not isinstance(within, YamlMap):
            continue
        written = [spelled_path(within, key)[0] for key in (first, second)]
        there = [key for key in written if key in within]
        if len(there) > 1:
            later = max(there, key=lambda key: locate(within, [key], of_key=True) or (0, 0))
            problems.error(
                _place(within, [later], file, of_key=True),
                f"{where} has both {first} and {second}",
                "Remove one of them.",
            )
        elif required and not there:
            problems.error(
                _place(body, path, file, of_key=True),
                f"{where} has neither {first} nor {second}",
                f"Add {first} or {second}.",
            )


def check_lifecycle_fields(
    body: YamlMap, where: str, fields: Sequence[Field], file: str, problems: Problems
) -> Mapping[str, str]:
    """The fields that lifecycle names must exist and be able to change in place; answers their spellings."""
    lifecycle = spelled_path(body, where)
    if not isinstance(value_at(body, lifecycle), YamlMap):
        return {}
    spelled = spellings(fields)
    mutable = {field.path for field in fields if field.on_change is OnChange.UPDATE}
    for key, leaf in (("ignore_changes", None), ("ignore_drift", "field")):
        path = [*lifecycle, *spelled_path(value_at(body, lifecycle), key)]
        items = value_at(body, path)
        for number in range(len(items)) if isinstance(items, YamlList) else ():
            item: list[str | int] = [*path, number, *([leaf] if leaf else [])]
            name = value_at(body, item)
            if not isinstance(name, str):
                continue
            place = _place(body, item, file)
            if name not in spelled:
                near = find_nearest(name, sorted(mutable))
                advice = f"Did you mean {near}?" if near else f"Known here: {', '.join(sorted(mutable))}."
                problems.error(place, f"{key}: {name!r} is not a field", advice)
            elif spelled[name] not in mutable:
                problems.error(
                    place,
                    f"{key}: {name} cannot change in place, so there is nothing to ignore",
                    "A change of it in the manifest is a new training; take the name out.",
                )
    return spelled


def check_permissions(body: YamlMap, kind: Kind, file: str, problems: Problems) -> None:
    """Each grantee once, with an address exactly where one is needed."""
    items = body.get("permissions")
    if items is not None and not kind.permissions:
        problems.error(
            _place(body, ["permissions"], file, of_key=True),
            f"a {kind.name} has no permissions of its own",
            "Remove the key; its access is the project's IAM.",
        )
    seen: dict[tuple[object, str], Place] = {}
    for number, item in enumerate(items) if isinstance(items, YamlList) else ():
        if not isinstance(item, YamlMap):
            continue
        place = _place(body, ["permissions", number], file)
        grantee = item.get("grantee_type", item.get("granteeType"))
        email = item.get("email_address", item.get("emailAddress"))
        if grantee == "EVERYONE" and email is not None:
            key = spelled_path(item, "email_address")
            problems.error(
                _place(item, key, file, of_key=True), "EVERYONE has no email_address", "Remove it."
            )
        if grantee in {"USER", "GROUP"} and email is None:
            problems.error(
                place, f"a {grantee} needs an email_address", "Add email_address: name@example.com."
            )
        who = (grantee, email.lower() if isinstance(email, str) else "")
        if who in seen:
            problems.error(
                place, f"the same grantee as at {seen[who]}", "Keep one of them: a grantee has one role."
            )
        seen.setdefault(who, place)


def check_data(body: YamlMap, keys: Iterable[str], file: str, problems: Problems) -> None:
    """The training data must be there, except of a model that is there already, which the manifest names."""
    if is_there_already(body):
        return
    for key in keys:
        path = spelled_path(body, f"spec.{key}")
        steps = key.split(".")
        owners = [value_at(body, path[:end]) for end in range(1, len(path))]
        if not all(one is None or isinstance(one, YamlMap) for one in owners):
            continue  # told by its type
        depth = next((end for end, one in enumerate(owners) if one is None), len(owners))
        owner = owners[depth - 1] if depth else None
        is_choice = len(tuple(keys)) > 1 and depth < len(steps)
        if not isinstance(owner, YamlMap) or is_choice or path[depth] in owner:
            continue
        name = ".".join([*map(str, path[:depth]), steps[depth - 1]])
        problems.error(
            _place(body, path[:depth], file, of_key=True),
            f"{name} is missing",
            f"Add the key {steps[depth - 1]}.",
        )


def is_there_already(body: YamlMap) -> bool:
    """Whether the manifest names a live model as its own: then it may go without data, and is not trained."""
    return any(isinstance(value_at(body, ["metadata", key]), str) for key in ("import", "id"))


def check_pinning(body: YamlMap, kind: Kind, file: str, problems: Problems) -> None:
    """`id` only where the service takes one; delete_first only under such an id."""
    pinned = value_at(body, ["metadata", "id"])
    if pinned is not None and not kind.pinned_ids:
        problems.error(
            _place(body, ["metadata", "id"], file, of_key=True),
            f"the service chooses the id of a {kind.name}",
            "Remove metadata.id.",
        )
    imported = value_at(body, ["metadata", "import"])
    if value_at(body, ["metadata", "import_"]) is not None:  # what Python calls the key
        problems.error(
            _place(body, ["metadata", "import_"], file, of_key=True),
            "metadata.import_ is not a known key",
            "Did you mean import?",
        )
    both = kind.pinned_ids and isinstance(pinned, str) and isinstance(imported, str)
    if both and str(imported).removeprefix(kind.collection) != pinned:
        problems.error(
            _place(body, ["metadata", "import"], file),
            f"metadata.import names {imported}, and metadata.id pins {pinned}",
            "An address is one model: remove one of the two lines.",
        )
    if value_at(body, ["lifecycle", "replace"]) == "delete_first" and pinned is None:
        problems.error(
            _place(body, ["lifecycle", "replace"], file),
            "lifecycle.replace: delete_first makes sense under a pinned metadata.id only",
            "Remove it: under ids of our own the successor is trained beside the serving model.",
        )
