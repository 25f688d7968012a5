"""Measures rows, wherever they come from: counts, digest, size and survey.

Rule: this module imports no format of files, so that examples in a manifest need none.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from reconciler.datasets.chat import is_multimodal
from reconciler.datasets.complaints import Complaints
from reconciler.datasets.rows import Batch, Form, Measured, Row
from reconciler.datasets.survey import Surveyor
from reconciler.identity import encode_example
from reconciler.problems import Problems, Refusal

EMPTY = Refusal("the data set is empty", "Write at least one example.")


def measure_rows(
    rows: Iterable[Row | Batch], form: Form, noting: Problems | Complaints, unit: str = "line"
) -> Measured:
    """Measure rows. Those that are refused are left out, and the reason is noted. `unit`: see `Surveyor`."""
    digest, surveyor = hashlib.sha256(), Surveyor(unit)
    examples = size = multimodal = 0
    for found in rows:
        if isinstance(found, Batch):
            for lines in found.lines:
                digest.update(lines)
                size += len(lines)
            examples += len(found.numbers)
            size += found.pairs * form.frame
            surveyor.add_all(found.numbers, found.tally)
            continue
        place, row = found
        if isinstance(row, Refusal):
            noting.error(place, *row)
            continue
        refusal = form.check(row)
        if refusal is not None:
            noting.error(place, *refusal)
            continue
        advice = form.advise(row)
        if advice is not None:
            noting.warning(place, *advice)
        line = encode_example(row) + b"\n"
        digest.update(line)
        examples += 1
        size += len(line) + (0 if row.line else form.frame)
        multimodal += is_multimodal(row)
        surveyor.add(place.line, row, is_long=advice is not None)
    surveyed = surveyor.close()
    return Measured(examples, digest.hexdigest(), surveyed.characters, size, multimodal, surveyed)
