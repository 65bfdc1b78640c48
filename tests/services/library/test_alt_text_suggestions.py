"""Texts are suggested for images that exist, in any language: by a worker, once, paid and recorded."""

from __future__ import annotations

import json
import threading
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from imagegen_app.captioning.base import Caption, CaptionerFailed
from imagegen_app.models import AltText, Asset, AuditEvent, BudgetPeriod, TextCall
from imagegen_app.services.foundation import clock
from imagegen_app.services.gateways.captioning import Suggestion
from imagegen_app.services.jobs import text_calls
from imagegen_app.services.jobs.state_machine import WORKER_ACTOR
from imagegen_app.services.library import alt_text_suggestions, alt_texts
from imagegen_app.services.monitoring import doctor
from imagegen_app.services.policy import access
from imagegen_app.services.policy.access import ActionRefused, NotPermitted
from imagegen_app.services.policy.budget_refusals import OverBudget
from imagegen_app.services.worker import driver, sweep
from imagegen_app.services.worker._job_steps import JobSteps
from imagegen_app.testing.factories import make_asset, make_user
from tests.services.arranged import change_job

if TYPE_CHECKING:
    from tests.services.conftest import Site

HERE = "tests.services.library.test_alt_text_suggestions"
PRICE = Decimal("0.01")


class Describer:
    """A captioner that answers or raises what a test sets, and keeps how it was called."""

    answer: ClassVar[Any] = Caption("")
    calls: ClassVar[list[dict[str, str]]] = []
    gate: ClassVar[threading.Event] = threading.Event()

    def describe(self, data: bytes, *, media_type: str, language: str, purpose: str) -> Caption:
        assert data
        if language == "de":
            Describer.gate.wait(20)
        Describer.calls.append({"media_type": media_type, "language": language, "purpose": purpose})
        if isinstance(Describer.answer, Exception):
            raise Describer.answer
        answer: Caption = Describer.answer
        return answer


@pytest.fixture
def describer(site: Site, small: Any) -> type[Describer]:
    small.LANGUAGES = [("en", "English"), ("de", "German")]
    small.IMAGEGEN = {
        **small.IMAGEGEN,
        "CAPTIONER": {"BACKEND": f"{HERE}.Describer", "NAME": "describer", "PRICE": str(PRICE)},
    }
    Describer.answer = Caption("Ein Hocker.", Decimal("0.004"), "describer-2")
    Describer.calls = []
    Describer.gate.set()
    return Describer


@pytest.fixture
def asset(site: Site, describer: type[Describer]) -> Asset:
    return make_asset(requester=site.actor.user, alt_suggestion="", alt_text="")


def wrong_amounts() -> list[str]:
    """Return which rules about money are violated; the images of these tests were made without events."""
    return [name for name in doctor.violated_invariants() if "event" not in name]


def ask(site: Site, *assets: Asset, language: str = "de") -> int:
    return alt_text_suggestions.request_suggestions(
        actor=site.actor, keys=[one.pk for one in assets], languages=[language]
    )


def test_a_worker_has_an_image_described_in_another_language(
    site: Site, describer: type[Describer], asset: Asset
) -> None:
    assert ask(site, asset) == 1
    assert text_calls.has_waiting()
    assert sweep.sweep() == 0

    driver.drive(seconds=20)

    assert describer.calls == [
        {"media_type": "image/jpeg", "language": "de", "purpose": asset.job.prompt}
    ]
    row = AltText.objects.get()
    assert (row.language, row.text, row.suggestion) == ("de", "", "Ein Hocker.")
    asset = Asset.objects.prefetch_related("alt_texts").get(pk=asset.pk)
    assert alt_texts.suggested_text(asset, "de") == ("Ein Hocker.", "captioner")
    # It is no text of the image yet.
    assert alt_texts.texts_of(asset) == {}
    call = TextCall.objects.get()
    assert (call.state, call.cost, call.model) == ("succeeded", Decimal("0.004"), "describer-2")
    period = BudgetPeriod.objects.get()
    assert (period.reserved, period.spent) == (0, Decimal("0.004"))
    assert not wrong_amounts()


def test_in_the_sites_own_language_it_stands_with_the_image(
    site: Site, describer: type[Describer], asset: Asset
) -> None:
    assert ask(site, asset, language="en") == 1

    driver.drive(seconds=20)

    asset.refresh_from_db()
    assert asset.alt_suggestion == "Ein Hocker."
    assert not AltText.objects.exists()


def test_nothing_is_asked_twice(site: Site, describer: type[Describer], asset: Asset) -> None:
    assert ask(site, asset) == 1
    assert ask(site, asset) == 0

    driver.drive(seconds=20)

    # There is a suggestion now.
    assert ask(site, asset) == 0
    assert len(describer.calls) == 1


def test_what_needs_no_text_is_left_out(
    site: Site, describer: type[Describer], asset: Asset
) -> None:
    user = site.actor.user
    decorative = make_asset(requester=user, is_decorative=True)
    rejected = make_asset(requester=user, review_state="rejected")
    alt_texts.set_alt_text(
        actor=site.actor, asset=asset, alt_text="A stool", others={"de": "Ein Hocker"}
    )

    assert ask(site, asset, decorative, rejected) == 0
    assert alt_text_suggestions.offer(Asset.objects.all(), languages=["de"]) is None


def test_the_offer_counts_images_and_money(
    site: Site, describer: type[Describer], asset: Asset
) -> None:
    make_asset(requester=site.actor.user, alt_suggestion="")

    offered = alt_text_suggestions.offer(Asset.objects.all(), languages=["de"])

    assert offered is not None
    assert (offered.texts, offered.cost.amount) == (2, 2 * PRICE)


def test_what_was_taken_of_a_suggestion_is_recorded(
    site: Site, describer: type[Describer], asset: Asset
) -> None:
    ask(site, asset)
    driver.drive(seconds=20)

    alt_texts.set_alt_text(
        actor=site.actor, asset=asset, alt_text="A stool", others={"de": "Ein Hocker."}
    )

    event = AuditEvent.objects.filter(type="asset.changed").order_by("pk").last()
    assert event is not None
    assert json.loads(event.body)["data"]["suggestions"] == {"de": "taken"}
    # A text that is removed leaves the suggestion for another time.
    alt_texts.set_alt_text(actor=site.actor, asset=asset, alt_text="A stool", others={"de": ""})
    assert AltText.objects.get().suggestion == "Ein Hocker."
    assert alt_texts.texts_of(Asset.objects.get(pk=asset.pk)) == {}


@pytest.mark.parametrize(
    ("answer", "cost"),
    [
        (CaptionerFailed("refused", cost=Decimal("0.003")), Decimal("0.003")),
        (RuntimeError("odd"), Decimal(0)),
        (Caption(""), PRICE),
    ],
)
def test_without_an_answer_there_is_no_suggestion_and_it_may_be_asked_again(
    site: Site, describer: type[Describer], asset: Asset, answer: Any, cost: Decimal
) -> None:
    describer.answer = answer
    ask(site, asset)

    driver.drive(seconds=20)

    assert TextCall.objects.get().state == "failed"
    assert BudgetPeriod.objects.get().spent == cost
    assert BudgetPeriod.objects.get().reserved == 0
    assert not AltText.objects.exists()
    assert ask(site, asset) == 1


@pytest.mark.parametrize("language", ["en", "de"])
def test_a_prompt_that_is_erased_during_the_call_leaves_no_suggestion(
    site: Site, describer: type[Describer], asset: Asset, language: str
) -> None:
    ask(site, asset, language=language)
    (call,) = text_calls.claim(limit=1)
    change_job(asset.job, prompt="", prompt_erased_at=clock.now())

    alt_text_suggestions.keep_suggestion(
        actor=WORKER_ACTOR,
        call=call,
        found=Suggestion(text="A stool.", cost=PRICE, captioner="c", model="m"),
    )

    asset.refresh_from_db()
    assert asset.alt_suggestion == ""
    assert not AltText.objects.exists()
    assert TextCall.objects.get().state == "succeeded"
    assert BudgetPeriod.objects.get().spent == PRICE


def test_a_call_that_hangs_holds_up_no_job(
    site: Site, describer: type[Describer], asset: Asset
) -> None:
    describer.gate.clear()
    ask(site, asset)
    job = site.request()
    done: list[int] = []
    real = JobSteps.finish

    def finish(steps: Any, results: Any) -> None:
        real(steps, results)
        job.refresh_from_db()
        if job.state == "succeeded" and not done:
            done.append(len(describer.calls))
            describer.gate.set()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(JobSteps, "finish", finish)
        driver.drive(seconds=20)

    assert (done, describer.calls[0]["language"]) == ([1], "en")
    assert TextCall.objects.get().state == "succeeded"


def test_nothing_is_asked_without_permission_budget_or_captioner(
    site: Site, describer: type[Describer], asset: Asset, small: Any
) -> None:
    stranger = access.actor_for(make_user("stranger"))
    with pytest.raises(NotPermitted):
        alt_text_suggestions.request_suggestions(actor=stranger, keys=[asset.pk], languages=["de"])
    with pytest.raises(ActionRefused, match="does not speak the language “xx”"):
        ask(site, asset, language="xx")
    entry = small.IMAGEGEN["CAPTIONER"]
    small.IMAGEGEN = {**small.IMAGEGEN, "CAPTIONER": {**entry, "PRICE": "11"}}
    with pytest.raises(OverBudget):
        ask(site, asset)
    small.IMAGEGEN = {**small.IMAGEGEN, "CAPTIONER": {}}
    with pytest.raises(ActionRefused, match="no captioner"):
        ask(site, asset)

    assert not TextCall.objects.exists()
    assert not wrong_amounts()
