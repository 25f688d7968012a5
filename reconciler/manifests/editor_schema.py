"""Makes the JSON Schema of manifests, so that editors can complete keys and mark mistakes.

It is made from the schemas that read manifests. Rule: it never refuses what `validate` accepts. A JSON
Schema cannot check files, references and limits of a whole request. Only `validate` checks those.
"""

from __future__ import annotations

from typing import Any

from pydantic.json_schema import models_json_schema

from reconciler.formats import to_camel_case
from reconciler.manifests.checks import COMPARISONS, OF_FILE, OF_PROMPT
from reconciler.manifests.envelope import DeclaredCheck
from reconciler.manifests.kinds import KINDS, REMOVED, STACK, find_form
from reconciler.manifests.removed import RemovedManifest
from reconciler.manifests.schema_types import Declared, find_model
from reconciler.manifests.stack import StackManifest
from reconciler.manifests.substitution import REFERENCE_PATTERN

DRAFT = "https://json-schema.org/draft/2020-12/schema"

_REFERENCE = {"type": "string", "pattern": REFERENCE_PATTERN}
_SCALARS = {"string", "integer", "number", "boolean"}
_QUOTED = {"type": "string", "pattern": r"^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?$"}
_NUMBERS = {"integer", "number"}
_NAMES_LIVE = {"anyOf": [{"required": ["import"]}, {"required": ["id"]}]}


def make_json_schema() -> dict[str, object]:
    """Make the schema of a document of any kind; the key `kind` decides which part applies."""
    forms = {kind: find_form(kind) for kind in KINDS}
    manifests: dict[str, type[Declared]] = {
        **{kind: form.manifest for kind, form in forms.items()},
        STACK: StackManifest,
        REMOVED: RemovedManifest,
    }
    names, document = models_json_schema(
        [(model, "validation") for model in manifests.values()],
        by_alias=False,
        ref_template="#/$defs/{model}",
    )
    definitions = {name: _spell_keys(definition) for name, definition in document["$defs"].items()}
    _add_check_forms(definitions[DeclaredCheck.__name__])
    for form in forms.values():
        for where, keys, required in form.choices:
            _add_choice(definitions[_find_model(form.manifest, where).__name__], keys, required=required)
        if not form.data:
            continue
        # a manifest that names a live model needs no training data
        alternatives = [
            {"properties": {"metadata": _NAMES_LIVE}},
            *(_require_key(f"spec.{key}") for key in form.data),
        ]
        definitions[form.manifest.__name__]["allOf"].append({"anyOf": alternatives})
    return {
        "$schema": DRAFT,
        "title": "Reconciler manifest",
        "type": "object",
        "required": ["apiVersion", "kind", "metadata"],
        "properties": {
            "apiVersion": {"const": "reconciler/v1"},
            "kind": {"enum": list(manifests)},
        },
        "allOf": [
            {
                "if": {"properties": {"kind": {"const": kind}}, "required": ["kind"]},
                "then": names[(model, "validation")],
            }
            for kind, model in manifests.items()
        ],
        "$defs": definitions,
    }


def _find_model(manifest: type[Declared], path: str) -> type[Declared]:
    for step in path.split("."):
        manifest = find_model(manifest, step) or manifest
    return manifest


def _add_check_forms(definition: dict[str, Any]) -> None:
    """Allow one prompt with one comparison, or one file. See `checks`."""
    comparisons = [{"allOf": [_require_key("prompt"), _require_key(key)]} for key in COMPARISONS]
    strays = [(key, "prompt") for key in OF_FILE] + [(key, "file") for key in OF_PROMPT]
    rules = [{"not": {"allOf": [_require_key(key), _require_key(form)]}} for key, form in strays]
    definition.setdefault("allOf", []).extend([{"oneOf": [*comparisons, _require_key("file")]}, *rules])


def _add_choice(definition: dict[str, Any], keys: tuple[str, str], *, required: bool) -> None:
    """Allow one of two keys, in either spelling."""
    present = [
        {"anyOf": [{"required": [spelling]} for spelling in dict.fromkeys((key, to_camel_case(key)))]}
        for key in keys
    ]
    rule = {"oneOf": present} if required else {"not": {"allOf": present}}
    definition.setdefault("allOf", []).append(rule)


def _require_key(path: str) -> dict[str, Any]:
    """Require a key, in either spelling of each step."""
    step, _, rest = path.partition(".")
    spellings = dict.fromkeys((step, to_camel_case(step)))
    rules: list[dict[str, Any]] = [{"required": [spelling]} for spelling in spellings]
    if rest:
        rules = [rule | {"properties": {rule["required"][0]: _require_key(rest)}} for rule in rules]
    return rules[0] if len(rules) == 1 else {"anyOf": rules}


def _spell_keys(definition: dict[str, Any]) -> dict[str, Any]:
    """Allow every key of an object in both spellings, but not in both at once."""
    properties: dict[str, object] = {}
    rules: list[object] = []
    required = definition.get("required", [])
    for field, schema in definition.get("properties", {}).items():
        name = field.rstrip("_")  # "import" cannot be a name in Python
        both = list(dict.fromkeys((name, to_camel_case(name))))
        properties.update(dict.fromkeys(both, _adapt_value(schema)))
        present: list[object] = [{"required": [spelling]} for spelling in both]
        if name in required:
            rules.append(present[0] if len(both) == 1 else {"oneOf": present})
        elif len(both) > 1:
            rules.append({"not": {"required": both}})
    spelled: dict[str, object] = {
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
    }
    if "description" in definition:
        spelled["description"] = definition["description"]
    return spelled | ({"allOf": rules} if rules else {})


def _adapt_value(schema: Any) -> Any:
    """Adapt a value's schema to manifests: no null, and a variable in place of any single value."""
    if isinstance(schema, list):
        return [_adapt_value(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "anyOf" in schema:
        alternatives = [choice for choice in schema["anyOf"] if choice != {"type": "null"}]
        rest = {key: value for key, value in schema.items() if key not in {"anyOf", "default", "title"}}
        if len(alternatives) == 1:
            return _adapt_value(rest | alternatives[0])
        return rest | {"anyOf": [*alternatives, _REFERENCE]}
    kept = {key: value for key, value in schema.items() if key not in {"default", "title"}}
    if kept.get("type") in _NUMBERS:
        return {"anyOf": [kept, _QUOTED, _REFERENCE]}
    if kept.get("type") in _SCALARS and len(kept) > 1 and "const" not in kept:
        return {"anyOf": [kept, _REFERENCE]}
    if kept.get("type") in _SCALARS - {"string"}:
        return {"anyOf": [kept, _REFERENCE]}
    return {key: value if key == "required" else _adapt_value(value) for key, value in kept.items()}
