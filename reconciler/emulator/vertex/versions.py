"""Finding the version of a model that a name means."""

from reconciler.emulator.call import Call
from reconciler.emulator.errors import ApiError
from reconciler.emulator.vertex.names import full_name, place
from reconciler.emulator.vertex.records import ModelVersion, Records

ALIVE = "born <= :now AND (died IS NULL OR died > :now)"
HERE = "project = :project AND location = :location"


def versions(call: Call, records: Records, model: str) -> list[ModelVersion]:
    """Return the versions of a model that exist, in order."""
    return records.find(
        ModelVersion,
        f"id = :id AND {HERE} AND {ALIVE}",
        id=model,
        now=call.now,
        order="version",
        **place(call),
    )


def find_version(call: Call, records: Records, model: str, version: str) -> ModelVersion:
    """Return one version: by number, by alias, or the default one, which is the last."""
    found = versions(call, records, model)
    if version not in {"", "default"}:
        found = [item for item in found if version == str(item.version) or version in aliases(item)]
    if found:
        return found[-1]
    rest = f"models/{model}@{version}" if version else f"models/{model}"
    where = place(call)
    name = full_name(where["project"], where["location"], rest)
    raise ApiError(404, f'The Model does not exist: "{name}".')


def aliases(version: ModelVersion) -> list[str]:
    """Return the names a version was given."""
    given: list[str] = version.fields.get("versionAliases", [])
    return given
