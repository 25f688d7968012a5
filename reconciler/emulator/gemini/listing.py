"""tunedModels.list: pages in order of creation, and the filter.

Ten thousand models must list fast: a model that has settled is kept as text and goes out as it is.
"""

import re

from reconciler.emulator.call import Call, Reply, page_size
from reconciler.emulator.database import Model
from reconciler.emulator.errors import invalid
from reconciler.emulator.gemini.resources import tuned_model_text
from reconciler.emulator.json_text import shifted
from reconciler.emulator.paging import decode, encode

_MOST_TERMS = 100  # SQLite has a limit of its own, and no good words for it
_MINE = "owner = ?"
_SHARED = "EXISTS (SELECT 1 FROM permissions p WHERE p.model = models.seq AND p.email = ? AND p.role IN ({}))"
_FILTERS = {
    "owner:me": _MINE,
    "writers:me": _SHARED.format("'WRITER', 'OWNER'"),
    "readers:me": _SHARED.format("'READER', 'WRITER', 'OWNER'"),
}
_FOR_EVERYONE = "EXISTS (SELECT 1 FROM permissions p WHERE p.model = models.seq AND p.grantee = 'EVERYONE')"


def list_models(call: Call) -> Reply:
    """tunedModels.list."""
    parameters = call.parameters("page_size", "page_token", "filter")
    size = page_size(parameters, 10, 1000)
    wanted = parameters.get("filter", "")
    after = decode(parameters.get("page_token", ""), "tunedModels", wanted)
    where, values = _condition(wanted, call.principal.email)
    found = call.store.models(after, size + 1, f"listed <= ? AND ({where})", (call.now, *values))
    texts, last = [], after
    for item in found[:size]:
        if isinstance(item, Model):
            last, text = item.seq, tuned_model_text(call, item)
        else:
            last, text = item
        texts.append(shifted(text, 4))
    if not texts:
        return Reply(payload={})
    answer = '{\n  "tunedModels": [\n    ' + ",\n    ".join(texts) + "\n  ]"
    if len(found) > size:
        answer += f',\n  "nextPageToken": "{encode(last, "tunedModels", wanted)}"'
    return Reply(text=answer + "\n}")


def _condition(wanted: str, me: str) -> tuple[str, list[object]]:
    """Return a filter as SQL and its values."""
    conditions: list[str] = []
    values: list[object] = []
    everyone = False
    terms = re.findall(r'"[^"]*"|\S+', wanted)
    if len(terms) > _MOST_TERMS:
        raise invalid(f"Invalid filter: more than {_MOST_TERMS} terms.", field="filter")
    for term in terms:
        if term == "readers:everyone":
            conditions.append(_FOR_EVERYONE)
            everyone = True
        elif term in _FILTERS:
            if me:
                conditions.append(f"({_FILTERS[term]} OR {_MINE})")
                values += [me, me]
        elif re.fullmatch(r"(owner|writers|readers):.*", term):
            raise invalid(f"Invalid filter: {term[:80]}", field="filter")
        else:
            conditions.append("instr(search, ?) > 0")
            values.append(term.strip('"').lower())
    if me and not everyone:
        conditions.append(f"({_MINE} OR owner = '' OR {_FILTERS['readers:me']})")
        values += [me, me]
    return " AND ".join(conditions) or "1", values
