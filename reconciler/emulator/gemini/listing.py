"""tunedModels.list: pages in order of creation, and the filter.

Lists of ten thousand models must be fast, so the answer of a model that has settled is kept as text and goes
out as it is.
"""

import re

from reconciler.emulator.call import Call, Reply
from reconciler.emulator.errors import ArgumentError
from reconciler.emulator.gemini.records import TunedModel
from reconciler.emulator.gemini.tuned_models import write_tuned_model
from reconciler.emulator.paging import read_page

_MOST_TERMS = 100  # SQLite has a limit of its own, but no error that a caller would understand.
_IS_MINE = "owner = :me"
_HAS = "EXISTS (SELECT 1 FROM permissions p WHERE p.model = models.seq AND {})"
_FILTERS = {
    "owner:me": _IS_MINE,
    "writers:me": _HAS.format("p.email = :me AND p.role IN ('WRITER', 'OWNER')"),
    "readers:me": _HAS.format("p.email = :me"),
}
_IS_FOR_EVERYONE = _HAS.format("p.grantee = 'EVERYONE'")


def list_models(call: Call) -> Reply:
    """Answer tunedModels.list."""
    wanted = call.parameters.get("filter", "")
    page = read_page(call.parameters, "tunedModels", wanted, default=10)
    where, words = _write_condition(wanted, call.principal.email)
    rows = call.database.execute(
        f"SELECT seq, settled FROM models WHERE seq > :place AND listed <= :now AND ({where})"  # noqa: S608
        " ORDER BY seq LIMIT :limit",
        place=page.place,
        now=call.now,
        limit=page.size + 1,
        me=call.principal.email,
        **words,
    )
    if not rows:
        return Reply(payload={})
    texts = []
    for seq, settled in rows[: page.size]:
        text = settled or write_tuned_model(call, call.database.find(TunedModel, "seq = :seq", seq=seq)[0])
        texts.append(text.replace("\n", "\n    "))
    answer = '{\n  "tunedModels": [\n    ' + ",\n    ".join(texts) + "\n  ]"
    if token := page.make_next_token(rows, lambda row: int(row[0])):
        answer += f',\n  "nextPageToken": "{token}"'
    return Reply(text=answer + "\n}")


def _write_condition(wanted: str, me: str) -> tuple[str, dict[str, object]]:
    """Return a filter as SQL, and the words in it; `:me` is the caller."""
    conditions: list[str] = []
    words: dict[str, object] = {}
    is_for_everyone = False
    terms = re.findall(r'"[^"]*"|\S+', wanted)
    if len(terms) > _MOST_TERMS:
        raise ArgumentError(f"Invalid filter: more than {_MOST_TERMS} terms.", field="filter")
    for term in terms:
        if term == "readers:everyone":
            conditions.append(_IS_FOR_EVERYONE)
            is_for_everyone = True
        elif term in _FILTERS:
            if me:
                conditions.append(f"({_FILTERS[term]} OR {_IS_MINE})")
        elif re.fullmatch(r"(owner|writers|readers):.*", term):
            raise ArgumentError(f"Invalid filter: {term[:80]}", field="filter")
        else:
            name = f"word{len(words)}"
            conditions.append(f"instr(search, :{name}) > 0")
            words[name] = term.strip('"').lower()
    if me and not is_for_everyone:
        conditions.append(f"({_IS_MINE} OR owner = '' OR {_FILTERS['readers:me']})")
    return " AND ".join(conditions) or "1", words
