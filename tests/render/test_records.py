"""A record as JSON."""

from __future__ import annotations

from reconciler.codec import encode
from reconciler.plan.base_models import BaseEnd
from reconciler.render.records import build_record_document
from reconciler.state.values import Record
from tests.render import plans


def test_a_record_stands_beside_what_is_live() -> None:
    """The record has the keys of the state. The live model and the base model are beside them."""
    end = BaseEnd(plans.BASE, "2026-12-01", days_left=9, said="retires on 1 December 2026")
    document = build_record_document(plans.RECORD_FULL, plans.LIVE, end)
    assert document["address"] == "TunedModel/roman"
    assert (document["id"], document["prevent_destroy"]) == ("roman-eeeeeeee", True)
    assert isinstance(candidate := document["candidate"], dict)
    assert candidate["id"] == "roman-ffffffff"
    assert document["live"] == encode(plans.LIVE)
    assert document["base_model"] == {
        "name": plans.BASE,
        "retires": "2026-12-01",
        "days_left": 9,
        "said": "retires on 1 December 2026",
    }


def test_what_nobody_knows_is_null() -> None:
    """A program finds both keys also if the service was not asked, and does not take null for a model."""
    document = build_record_document(Record(plans.address("x"), serving=plans.model("x-1")), None)
    assert (document["live"], document["base_model"]) == (None, None)
