"""Administrators try the content checks; the log keeps that, and not what was asked."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any, ClassVar

import pytest

from imagegen_app.core.hard_categories import HardCategory
from imagegen_app.core.states import VerdictOutcome
from imagegen_app.models import AuditEvent, LedgerEntry, Verdict
from imagegen_app.moderation.base import PASSED, ScreenerDecision
from imagegen_app.moderation.hosted import Thresholds
from imagegen_app.services.audit import descriptions
from imagegen_app.services.monitoring import screener_tests
from imagegen_app.services.policy import access
from imagegen_app.services.policy.access import NotPermitted
from imagegen_app.testing.factories import make_user
from tests.imaging.sample_images import PRIVATE, photograph

pytestmark = pytest.mark.django_db
SECRET_TEXT = "simulate a canary in the garden"


class Weighing:
    """Blocks texts about canaries, and remembers the images that it got."""

    images: ClassVar[list[bytes]] = []
    thresholds = Thresholds({"birds": 0.5}, 0.9)

    def screen_text(self, text: str) -> ScreenerDecision:
        if "canary" not in text:
            return PASSED
        return ScreenerDecision(
            outcome=VerdictOutcome.BLOCKED,
            categories=("birds",),
            scores={"birds": "0.7", "fish": "0.2"},
            model="weighing-2",
        )

    def screen_image(self, data: bytes, *, media_type: str) -> ScreenerDecision:
        Weighing.images.append(data)
        return ScreenerDecision(
            outcome=VerdictOutcome.PASSED, hard_category=HardCategory.INTIMATE_IMAGES
        )


class Raising(Weighing):
    """Fails, with the text in its message."""

    def screen_text(self, text: str) -> ScreenerDecision:
        raise ValueError(f"cannot weigh {text}")


@pytest.fixture(autouse=True)
def weighed(small: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    small.IMAGEGEN = {
        **small.IMAGEGEN,
        "SCREENERS": [
            {
                "NAME": "weighing",
                "BACKEND": f"{__name__}.Weighing",
                "STAGES": ["prompt", "input", "output"],
                "PRICE": "0.002",
            },
            {"NAME": "raising", "BACKEND": f"{__name__}.Raising"},
        ],
    }
    monkeypatch.setattr(Weighing, "images", [])


@pytest.fixture
def officer() -> Any:
    return access.actor_for(make_user("cora", groups=["Compliance"]))


def test_a_text_is_weighed_against_the_thresholds(officer: Any) -> None:
    weighing, raising = screener_tests.try_screeners(actor=officer, text=SECRET_TEXT)

    assert weighing.verdict.decision.outcome == "blocked"
    assert weighing.verdict.cost == Decimal("0.002")
    lines = [(one.category, one.score, one.threshold, one.is_reached) for one in weighing.lines]
    assert lines == [("birds", "0.7", "0.5", True), ("fish", "0.2", "0.9", False)]
    assert (raising.verdict.failure, raising.verdict.cost) == ("ValueError", Decimal(0))


def test_the_log_keeps_the_trial_without_the_text(
    officer: Any, caplog: pytest.LogCaptureFixture
) -> None:
    screener_tests.try_screeners(actor=officer, text=SECRET_TEXT)

    events = list(AuditEvent.objects.filter(type="moderation.tried").order_by("pk"))
    assert [json.loads(e.body)["data"]["screener"] for e in events] == ["weighing", "raising"]
    assert not any("canary" in e.body for e in AuditEvent.objects.all())
    assert "canary" not in caplog.text
    assert "raising" in caplog.text
    told = [one.sentence for one in descriptions.describe_events(events)]
    assert told[0] == "cora tried the content check weighing: Blocked."
    assert not Verdict.objects.exists()
    assert not LedgerEntry.objects.exists()


def test_an_image_is_asked_about_once_without_its_metadata(officer: Any) -> None:
    (trial,) = screener_tests.try_screeners(actor=officer, image=photograph())

    (sent,) = Weighing.images
    assert not [mark for mark in PRIVATE if mark in sent]
    assert trial.hard_category_label == "Intimate images of real persons"
    assert trial.verdict.decision.outcome == "blocked"


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ({"text": "  "}, "neither a text nor an image"),
        ({"text": "x" * 40_000}, "too long"),
        ({"image": b"no image at all"}, "not"),
    ],
)
def test_what_cannot_be_asked_is_refused(officer: Any, asked: dict[str, Any], reason: str) -> None:
    with pytest.raises(screener_tests.CannotTry, match="The content checks were not asked") as told:
        screener_tests.try_screeners(actor=officer, **asked)

    assert reason in told.value.reason


def test_nobody_tries_them_all_day(officer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(screener_tests, "MAX_PER_MINUTE", 4)
    for _ in range(2):
        screener_tests.try_screeners(actor=officer, text="a mug")

    with pytest.raises(screener_tests.CannotTry, match="too often"):
        screener_tests.try_screeners(actor=officer, text="a mug")


def test_who_may_not_see_verdicts_may_not_try() -> None:
    editor = access.actor_for(make_user("edda", groups=["Image editors"]))

    with pytest.raises(NotPermitted):
        screener_tests.try_screeners(actor=editor, text="a mug")
