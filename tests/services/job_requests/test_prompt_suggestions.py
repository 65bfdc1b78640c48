"""A prompt is suggested by the site's text model: asked for by permission, paid, checked, recorded."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from imagegen_app.core.states import VerdictOutcome
from imagegen_app.models import AuditEvent, BudgetPeriod, LedgerEntry, TextCall
from imagegen_app.moderation.base import PASSED, ScreenerDecision
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.job_requests import prompt_suggestions
from imagegen_app.services.jobs import text_calls
from imagegen_app.services.jobs.state_machine import WORKER_ACTOR
from imagegen_app.services.monitoring import doctor
from imagegen_app.services.policy import access
from imagegen_app.services.policy.access import NotPermitted
from imagegen_app.services.policy.budget_refusals import CurrencyMismatch, OverBudget
from imagegen_app.testing.factories import make_user
from imagegen_app.writing.base import TextModelFailed, WrittenPrompt

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.services.conftest import Site

HERE = "tests.services.job_requests.test_prompt_suggestions"
PRICE, CHECK_PRICE = Decimal("0.01"), Decimal("0.001")


class Writer:
    """A text model that answers or raises what a test sets, and keeps what it was asked."""

    answer: ClassVar[WrittenPrompt | Exception] = WrittenPrompt("")
    asked: ClassVar[list[Any]] = []

    def suggest_prompt(self, texts: Mapping[str, str], *, max_chars: int) -> WrittenPrompt:
        del max_chars
        return self._give(dict(texts))

    def improve_prompt(self, prompt: str, *, wish: str, max_chars: int) -> WrittenPrompt:
        del max_chars
        return self._give((prompt, wish))

    def _give(self, asked: Any) -> WrittenPrompt:
        Writer.asked.append(asked)
        if isinstance(Writer.answer, Exception):
            raise Writer.answer
        return Writer.answer


class WordCheck:
    """A content check that blocks one word."""

    def screen_text(self, text: str) -> ScreenerDecision:
        return ScreenerDecision(outcome=VerdictOutcome.BLOCKED) if "forbidden" in text else PASSED

    def screen_image(self, data: bytes, *, media_type: str) -> ScreenerDecision:
        del data, media_type
        return PASSED


@pytest.fixture
def writer(site: Site, small: Any) -> type[Writer]:
    small.IMAGEGEN = {
        **small.IMAGEGEN,
        "TEXT_MODEL": {"BACKEND": f"{HERE}.Writer", "NAME": "writer", "PRICE": str(PRICE)},
        "SCREENERS": [{"BACKEND": f"{HERE}.WordCheck", "NAME": "words", "PRICE": str(CHECK_PRICE)}],
    }
    Writer.answer = WrittenPrompt("An oak stool by a window.", Decimal("0.004"), "writer-2")
    Writer.asked = []
    return Writer


def last_event() -> dict[str, Any]:
    rows = AuditEvent.objects.filter(type__startswith="text.").order_by("pk")
    row = rows.last()
    assert row is not None
    return {"type": row.type, **json.loads(row.body)["data"]}


def test_a_prompt_is_suggested_from_the_content_and_costs_what_it_cost(
    site: Site, writer: type[Writer]
) -> None:
    found = prompt_suggestions.suggest_prompt(
        actor=site.actor, texts={"Name": " Oak stool ", "Empty": "  "}
    )

    assert found.text == "An oak stool by a window."
    assert writer.asked == [{"Name": "Oak stool"}]
    # The answer, and the check of what was sent and of what came back.
    assert found.cost.amount == Decimal("0.004") + 2 * CHECK_PRICE
    call = TextCall.objects.get()
    assert (call.task, call.state, call.cost) == ("suggest_prompt", "succeeded", found.cost.amount)
    assert (call.service, call.model, call.requester) == ("writer", "writer-2", site.actor.user)
    period = BudgetPeriod.objects.get()
    assert (period.reserved, period.spent) == (0, found.cost.amount)
    assert set(LedgerEntry.objects.values_list("text_call", flat=True)) == {call.pk}
    assert last_event()["type"] == "text.succeeded"
    assert doctor.violated_invariants() == {}


def test_what_is_asked_and_answered_is_in_no_event_and_no_row(
    site: Site, writer: type[Writer]
) -> None:
    prompt_suggestions.improve_prompt(actor=site.actor, prompt="A stool", wish="warmer")

    assert writer.asked == [("A stool", "warmer")]
    assert set(AuditEvent.objects.values_list("type", flat=True)) >= {
        "text.requested",
        "text.succeeded",
        "money.reserved",
        "money.charged",
    }
    bodies = " ".join(AuditEvent.objects.values_list("body", flat=True))
    assert "stool" not in bodies
    assert "warmer" not in bodies


def test_a_text_that_is_blocked_is_never_sent(site: Site, writer: type[Writer]) -> None:
    with pytest.raises(prompt_suggestions.NoSuggestion, match="“words” blocked this text"):
        prompt_suggestions.improve_prompt(actor=site.actor, prompt="A stool", wish="forbidden")

    assert writer.asked == []
    assert TextCall.objects.get().cost == CHECK_PRICE
    assert last_event() == {
        "type": "text.blocked",
        "task": "improve_prompt",
        "service": "",
        "model": "",
        "blocked_by": ["words"],
    }
    assert doctor.violated_invariants() == {}


def test_an_answer_that_is_blocked_is_not_shown(site: Site, writer: type[Writer]) -> None:
    writer.answer = WrittenPrompt("A forbidden stool")

    with pytest.raises(prompt_suggestions.NoSuggestion, match="what the text model wrote") as found:
        prompt_suggestions.improve_prompt(actor=site.actor, prompt="A stool")

    assert "forbidden" not in str(found.value)
    # It says no cost of its own: the setting's counts.
    assert TextCall.objects.get().cost == PRICE + 2 * CHECK_PRICE
    assert last_event()["type"] == "text.blocked"


@pytest.mark.parametrize(
    ("error", "cost"),
    [
        (TextModelFailed("refused", cost=Decimal("0.003")), Decimal("0.003")),
        (TextModelFailed("no answer"), Decimal(0)),
        (RuntimeError("A stool is odd"), Decimal(0)),
    ],
)
def test_without_an_answer_the_typed_prompt_stays_and_the_reservation_goes(
    site: Site, writer: type[Writer], error: Exception, cost: Decimal, caplog: Any
) -> None:
    writer.answer = error

    with pytest.raises(prompt_suggestions.NoSuggestion, match="no answer that can be used"):
        prompt_suggestions.improve_prompt(actor=site.actor, prompt="A stool")

    period = BudgetPeriod.objects.get()
    assert (period.reserved, period.spent) == (0, cost + CHECK_PRICE)
    assert "stool" not in caplog.text
    assert doctor.violated_invariants() == {}


def test_nothing_is_asked_without_permission_text_budget_or_service(
    site: Site, writer: type[Writer], small: Any
) -> None:
    stranger = access.actor_for(make_user("stranger"))
    with pytest.raises(NotPermitted):
        prompt_suggestions.improve_prompt(actor=stranger, prompt="A stool")
    with pytest.raises(prompt_suggestions.NoSuggestion, match="no text"):
        prompt_suggestions.suggest_prompt(actor=site.actor, texts={"Name": " "})
    with pytest.raises(prompt_suggestions.NoSuggestion, match="no prompt to improve"):
        prompt_suggestions.improve_prompt(actor=site.actor, prompt=" ")
    with pytest.raises(prompt_suggestions.NoSuggestion, match="longer than 8000"):
        prompt_suggestions.improve_prompt(actor=site.actor, prompt="x" * 8001)
    entry = small.IMAGEGEN["TEXT_MODEL"]
    small.IMAGEGEN = {**small.IMAGEGEN, "TEXT_MODEL": {**entry, "PRICE": "11"}}
    with pytest.raises(OverBudget):
        prompt_suggestions.improve_prompt(actor=site.actor, prompt="A stool")
    small.IMAGEGEN = {**small.IMAGEGEN, "TEXT_MODEL": {**entry, "CURRENCY": "EUR"}}
    with pytest.raises(CurrencyMismatch):
        prompt_suggestions.improve_prompt(actor=site.actor, prompt="A stool")
    small.IMAGEGEN = {**small.IMAGEGEN, "TEXT_MODEL": {}}
    assert prompt_suggestions.price() is None
    assert not prompt_suggestions.is_offered(site.actor)
    with pytest.raises(prompt_suggestions.NoSuggestion, match="no text model"):
        prompt_suggestions.improve_prompt(actor=site.actor, prompt="A stool")

    assert writer.asked == []
    assert not TextCall.objects.exists()


def test_a_call_whose_process_died_counts_as_billed_and_holds_no_money(
    site: Site, writer: type[Writer]
) -> None:
    call = text_calls.begin(
        actor=site.actor, task="improve_prompt", estimated_cost=PRICE, currency="USD"
    )
    assert text_calls.end_lost(WORKER_ACTOR) == 0
    use_case(audited=False)(lambda: TextCall.objects.update(lease_until=call.created_at))()

    assert text_calls.end_lost(WORKER_ACTOR) == 1

    period = BudgetPeriod.objects.get()
    assert (period.reserved, period.spent) == (0, PRICE)
    assert last_event()["type"] == "text.failed"
    # Its own answer comes too late, and is not paid twice.
    late = text_calls.TextOutcome("succeeded", PRICE)
    assert text_calls.end(actor=site.actor, call=call, outcome=late) is False
    assert doctor.violated_invariants() == {}
