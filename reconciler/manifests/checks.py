"""Reads the checks of a manifest.

Rule: a check is one prompt with one comparison, or one file. What reads files is imported for the first file.
"""

from __future__ import annotations

import re

from reconciler.datasets.data_sets import DataSets
from reconciler.manifests.documents import Document, Node
from reconciler.manifests.substitution import read_number
from reconciler.model.checks import AnyCheck, Check, Checks, Comparison, HeldOut
from reconciler.model.data import DataSet
from reconciler.problems import Place, Refusal

COMPARISONS = {
    "expect": Comparison.EXACT,
    "contains": Comparison.CONTAINS,
    "matches": Comparison.MATCHES,
    "one_of": Comparison.ONE_OF,
}
OF_PROMPT, OF_FILE = ("prompt", "system", *COMPARISONS), ("file", "by", "at_least")


def read_checks(document: Document, data_sets: DataSets, form: str) -> Checks:
    """Read the checks, and measure their files. Leaves out a check after noting what is wrong with it.

    Leaves out a value of a wrong type without a note, because the check of the whole document's types notes
    it.

    Args:
        document: the document of a model.
        data_sets: measures the files.
        form: the form of the files, see `form.Form.questions`.
    """
    found = [
        check
        for item in document.at("checks").items
        if isinstance(item.value, dict)
        and (check := _read_check(document, item, data_sets, form)) is not None
    ]
    return tuple(found)


def _read_check(document: Document, item: Node, data_sets: DataSets, form: str) -> AnyCheck | None:
    file, prompt = item.at("file"), item.at("prompt")
    if file.is_there == prompt.is_there:
        item.error(
            "a check has both prompt and file" if file.is_there else "a check has neither prompt nor file",
            "Write {prompt: …, expect: …}, or {file: data/held-out.jsonl, at_least: 0.9}.",
        )
        return None
    kind, takes = ("file", OF_FILE) if file.is_there else ("prompt", OF_PROMPT)
    strays = [node for key in (*OF_PROMPT, *OF_FILE) if key not in takes and (node := item.at(key)).is_there]
    for node in strays:
        node.error(f"{node.key} does not go with {kind}", f"With {kind} go: {', '.join(takes)}.", of_key=True)
    if strays:
        return None
    return _read_file(document, item, data_sets, form) if file.is_there else _read_prompt(item)


def _read_prompt(item: Node) -> Check | None:
    there = [node for key in COMPARISONS if (node := item.at(key)).is_there]
    if len(there) != 1:
        summary = "how the answer is compared is missing"
        if there:
            summary = f"a check has both {there[0].key} and {there[1].key}"
        item.error(summary, f"Write one of {', '.join(COMPARISONS)}.")
        return None
    (node,) = there
    by = COMPARISONS[str(node.key)]
    prompt, system = item.at("prompt").text, item.at("system").text
    if by is Comparison.ONE_OF:
        return Check(prompt, by=by, one_of=tuple(choice.text for choice in node.items), system=system)
    if by is Comparison.MATCHES and not _is_pattern(node):
        return None
    return Check(prompt, node.text, by, system=system)


def _is_pattern(node: Node) -> bool:
    try:
        re.compile(node.text)
    except (re.error, OverflowError, RecursionError) as error:
        node.error(f"matches: {error}", "Write a regular expression of Python's re module.")
        return False
    return True


def _read_file(document: Document, item: Node, data_sets: DataSets, form: str) -> HeldOut | None:
    file, at_least = item.at("file"), read_number(item.at("at_least").value)
    if not file.text.strip():
        return None
    data = data_sets.read_file(file.text, file, form=form, is_validation=True)
    if data is None:
        return None
    from reconciler.datasets.examples import read_examples
    from reconciler.datasets.held_out import MOST, split_example

    if data.examples > MOST:
        summary = f"{file.text} has {data.examples:,} examples, and a check asks at most {MOST:,}"
        file.error(summary, "Each is a call that is billed: keep some of them.")
        return None
    for number, example in enumerate(read_examples(data), 1):
        refusal = split_example(example)
        if isinstance(refusal, Refusal):
            place = _find_place(data, number)
            document.problems.error(place, f"example {number}: {refusal.summary}", refusal.detail)
            return None
    by = (
        Comparison(item.at("by").text or Comparison.EXACT)
        if item.at("by").text in {"", *Comparison}
        else None
    )
    if by is None or not isinstance(at_least, (int, float, type(None))):
        return None
    share = 1.0 if at_least is None else float(at_least)
    return HeldOut(str(data.file), file.text, data.form, data.digest, data.examples, by, share)


def _find_place(data: DataSet, number: int) -> Place:
    """Find the place of an example. JSONL has one example on each line."""
    path = str(data.file)
    return Place(path, number) if path.lower().endswith(".jsonl") else Place(path)
