"""Amounts in the audit log's sentences: in the reader's notation, while the stored event stays."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from django.utils import translation

from imagegen_app.core.actors import System
from imagegen_app.models import AuditEvent, Budget
from imagegen_app.services.audit import descriptions
from imagegen_app.services.policy import model_catalog


@pytest.fixture
def changed_budget(db: None) -> Budget:
    """Return a budget that was created with 1.5 and then raised to 2.25."""
    budget = Budget(name="All", scope="site", period="month", limit=Decimal("1.5"))
    model_catalog.save(actor=System("test"), record=budget)
    budget.limit = Decimal("2.25")
    model_catalog.save(actor=System("test"), record=budget)
    return budget


def describe(event_type: str, language: str) -> descriptions.EventDescription:
    with translation.override(language):
        return descriptions.describe_events([AuditEvent.objects.get(type=event_type)])[0]


@pytest.mark.usefixtures("changed_budget")
@pytest.mark.parametrize(("language", "mark"), [("en", "."), ("de", ","), ("fr", ",")])
def test_amounts_have_the_decimal_mark_of_the_language(language: str, mark: str) -> None:
    created = describe("budget.created", language)
    changed = describe("budget.changed", language)

    assert f" 1{mark}50 " in created.sentence
    assert f"1{mark}50" in dict(created.facts).values()
    assert f" 1{mark}50 " in changed.sentence
    assert f" 2{mark}25 " in changed.sentence


@pytest.mark.usefixtures("changed_budget")
def test_the_stored_event_keeps_the_decimal_point() -> None:
    describe("budget.created", "de")

    body = json.loads(AuditEvent.objects.get(type="budget.created").body)
    assert Decimal(body["data"]["limit"]) == Decimal("1.5")
    assert "," not in body["data"]["limit"]
