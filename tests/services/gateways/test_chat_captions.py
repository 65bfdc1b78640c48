"""The ready captioner in a running site: given up in time, screened, paid once, checked."""

from __future__ import annotations

import io
import json
import threading
import time
from collections.abc import Iterator
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from django.core.checks import run_checks
from PIL import Image

from imagegen_app.captioning.base import Caption, CaptionerFailed
from imagegen_app.core.states import VerdictOutcome
from imagegen_app.models import AuditEvent, Job, LedgerEntry, Verdict
from imagegen_app.moderation.base import PASSED, ScreenerDecision
from imagegen_app.services.foundation import clock
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.gateways import captioning, configured_objects
from imagegen_app.services.job_requests import creation
from imagegen_app.services.monitoring import doctor
from imagegen_app.services.worker import _results, driver
from imagegen_app.testing.simulator.process import SimulatorProcess

if TYPE_CHECKING:
    from tests.services.conftest import Site

KEY = "sk-caption-0c9a7e51"
IMAGE_COST, CAPTION_COST, CHECK_COST = Decimal("0.02"), Decimal("0.001"), Decimal("0.0002")
HERE = "tests.services.gateways.test_chat_captions"


class WordCheck:
    """A content check of texts that blocks one word, and keeps what it was asked."""

    texts: list[str] = []

    def screen_text(self, text: str) -> ScreenerDecision:
        WordCheck.texts.append(text)
        if "shades" not in text:
            return PASSED
        return ScreenerDecision(outcome=VerdictOutcome.BLOCKED, categories=("colours",))

    def screen_image(self, data: bytes, *, media_type: str) -> ScreenerDecision:
        del data, media_type
        return PASSED


class Slow:
    """A captioner without any limit of time."""

    release = threading.Event()

    def describe(self, data: bytes, **about: Any) -> Caption:
        del data, about
        Slow.release.wait(60)
        return Caption("late")


class Talkative:
    """A captioner whose error repeats what it was given."""

    def describe(self, data: bytes, *, purpose: str, **about: Any) -> Caption:
        del data, about
        raise RuntimeError(f"cannot parse {purpose}")


@pytest.fixture(scope="module")
def running() -> Iterator[SimulatorProcess]:
    with SimulatorProcess(keys=(KEY,), quick=True, protocols=("openai_chat",)) as process:
        yield process


@pytest.fixture
def service(
    running: SimulatorProcess, small: Any, db: None, monkeypatch: pytest.MonkeyPatch
) -> SimulatorProcess:
    running.reset()
    monkeypatch.setenv("TEST_CAPTION_KEY", KEY)
    small.IMAGEGEN = {
        **small.IMAGEGEN,
        "TRUSTED_ORIGINS": [running.base_url],
        "CREDENTIALS": {"chat": {"source": "env:TEST_CAPTION_KEY", "hosts": ["127.0.0.1"]}},
        "CAPTIONER": {
            "BACKEND": "imagegen_app.captioning.openai_chat.OpenAIChatCaptioner",
            "NAME": "chat",
            "OPTIONS": {
                "base_url": running.openai_url,
                "model": "gpt-5.4-mini",
                "credential": "chat",
                "price_per_million_tokens": {"input": "0.40", "output": "1.60"},
            },
            "PRICE": str(CAPTION_COST),
        },
    }
    return running


def with_captioner(small: Any, **changes: Any) -> None:
    entry = {**small.IMAGEGEN.get("CAPTIONER", {}), **changes}
    small.IMAGEGEN = {**small.IMAGEGEN, "CAPTIONER": entry}


def with_word_check(small: Any) -> None:
    small.IMAGEGEN = {
        **small.IMAGEGEN,
        "SCREENERS": [{"BACKEND": f"{HERE}.WordCheck", "NAME": "words", "PRICE": str(CHECK_COST)}],
    }
    WordCheck.texts = []


def run_job(site: Site, **changes: Any) -> Job:
    job = site.request(**changes)
    driver.drive(seconds=20)
    job.refresh_from_db()
    return job


@use_case(audited=False)
def end_lease(job: Job) -> None:
    Job.objects.filter(pk=job.pk).update(lease_until=None, due_at=clock.now())


def picture(**options: Any) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (2000, 1000), (50, 90, 190)).save(out, "JPEG", **options)
    return out.getvalue()


def test_a_new_image_gets_a_suggestion_that_costs_its_tokens(
    site: Site, service: SimulatorProcess
) -> None:
    job = run_job(site)

    asset = job.assets.get()
    assert "picture in shades of" in asset.alt_suggestion
    assert 0 < job.captioning_cost < CAPTION_COST
    assert job.actual_cost == IMAGE_COST + job.captioning_cost
    created = json.loads(AuditEvent.objects.get(type="asset.created").body)["data"]
    assert created["captioner_model"] == "gpt-5.4-mini-2026-03-17"
    assert doctor.violated_invariants() == {}
    assert len(service.bill()["entries"]) == 1


def test_only_a_reduced_image_without_metadata_leaves_the_site(
    service: SimulatorProcess,
) -> None:
    exif = Image.Exif()
    exif[0x010E] = "secret place"

    suggestion = captioning.suggest(picture(exif=exif, comment=b"secret place"), purpose="a mug")

    assert "blue" in suggestion.text
    (received,) = service.received()
    assert b"secret place" not in received.data
    with Image.open(io.BytesIO(received.data)) as image:
        assert (image.format, image.size) == ("JPEG", (768, 384))


def test_what_cannot_be_decoded_is_never_sent(service: SimulatorProcess) -> None:
    assert captioning.suggest(b"no image", purpose="") == captioning.NO_SUGGESTION
    assert service.calls() == {}


def test_a_refusal_is_paid_and_the_image_stays_without_a_suggestion(
    site: Site, service: SimulatorProcess
) -> None:
    service.fail("chat_refusal", on="chat")

    job = run_job(site)

    assert job.state == "succeeded"
    assert job.assets.get().alt_suggestion == ""
    assert job.captioning_cost > 0
    assert doctor.violated_invariants() == {}


def test_a_captioner_that_hangs_is_given_up_and_the_image_is_stored(site: Site, small: Any) -> None:
    with_captioner(small, BACKEND=f"{HERE}.Slow", SECONDS=1)
    Slow.release.clear()

    started = time.monotonic()
    try:
        job = run_job(site)
        took = time.monotonic() - started
    finally:
        Slow.release.set()

    assert job.state == "succeeded"
    assert job.assets.get().alt_suggestion == ""
    assert took < 45


def test_captioners_that_hang_take_no_more_than_their_places(
    small: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with_captioner(small, BACKEND=f"{HERE}.Slow", SECONDS=1)
    Slow.release.clear()
    data = picture()
    try:
        waiting = [
            threading.Thread(target=captioning.suggest, args=(data,), kwargs={"purpose": ""})
            for _ in range(configured_objects.MAX_CALLS + 1)
        ]
        for thread in waiting:
            thread.start()
        for thread in waiting:
            thread.join()
    finally:
        Slow.release.set()

    said = [record.getMessage() for record in caplog.records]
    assert (
        sum("no answer within 1 seconds" in text for text in said) == configured_objects.MAX_CALLS
    )
    assert sum("too many earlier calls" in text for text in said) == 1


def test_the_error_of_a_captioner_is_logged_without_its_text(
    small: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with_captioner(small, BACKEND=f"{HERE}.Talkative")

    assert captioning.suggest(picture(), purpose="Erika Mustermann") == captioning.NO_SUGGESTION
    assert "RuntimeError in" in caplog.text
    assert "Mustermann" not in caplog.text


def test_a_suggestion_that_a_content_check_blocks_is_dropped_and_noted(
    site: Site, service: SimulatorProcess, small: Any
) -> None:
    with_word_check(small)
    quoted = creation.offer(actor=site.actor, job_request=site.job_request()).cost.amount
    WordCheck.texts = []

    job = run_job(site)

    asset = job.assets.get()
    assert (job.state, asset.alt_suggestion) == ("succeeded", "")
    assert [text.startswith("A ") for text in WordCheck.texts][-1]
    verdict = Verdict.objects.get(stage="caption")
    assert (verdict.asset, verdict.outcome, verdict.part) == (asset, "blocked", "alt_text")
    assert verdict.categories == ["colours"]
    event = AuditEvent.objects.filter(type="moderation.decided").latest("pk")
    assert json.loads(event.body)["data"]["stage"] == "caption"
    # The prompt and the suggestion.
    assert job.screening_cost == 2 * CHECK_COST
    assert quoted == IMAGE_COST + CAPTION_COST + 2 * CHECK_COST
    assert doctor.violated_invariants() == {}


def test_a_worker_that_is_killed_after_paying_does_not_pay_again(
    site: Site, service: SimulatorProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        """Stands for the end of the process."""

    def die(*args: Any, **options: Any) -> None:
        monkeypatch.undo()
        raise Killed

    job = site.request()
    monkeypatch.setattr(_results, "store_results", die)
    with pytest.raises(Killed):
        driver.drive(seconds=20)
    monkeypatch.setenv("TEST_CAPTION_KEY", KEY)
    end_lease(job)
    driver.drive(seconds=20)

    job.refresh_from_db()
    assert job.state == "succeeded"
    assert "shades" in job.assets.get().alt_suggestion
    assert len(service.bill()["entries"]) == 1
    assert LedgerEntry.objects.filter(purpose="captioning", kind="charge").count() == 1


def test_doctor_asks_whether_the_server_has_the_model(
    service: SimulatorProcess, small: Any
) -> None:
    assert captioning.availability_problem() == ""

    options = {**small.IMAGEGEN["CAPTIONER"]["OPTIONS"], "model": "another"}
    with_captioner(small, OPTIONS=options)
    assert "does not list the model 'another'" in captioning.availability_problem()
    assert service.bill()["entries"] == []

    # It is asked about its key, and then about its model.
    for _question in range(2):
        service.fail("status", status=503, on="lookup")
    (result,) = [one for one in doctor.run_all_checks() if one.part == "captioner"]
    assert result.level == "warning"
    assert "provider_unavailable" in result.message


@pytest.mark.parametrize(
    ("changes", "check", "said"),
    [
        ({"OPTIONS": {"model": "m", "credential": "gone"}}, "E038", "'gone' is not in IMAGEGEN"),
        ({"OPTIONS": {"model": "m"}}, "E038", "credential has to name"),
        ({"OPTIONS": {}}, "E038", "cannot be used: TypeError"),
        ({"PRICE": "0"}, "E039", "has no price; it is not asked"),
        ({"SECONDS": 0}, "E001", "['SECONDS'] is out of range"),
        ({"SECONDS": 61}, "E001", "['SECONDS'] is out of range"),
    ],
)
def test_a_wrong_configuration_is_reported_by_a_check(
    service: SimulatorProcess, small: Any, changes: dict[str, Any], check: str, said: str
) -> None:
    assert not [m for m in run_checks(tags=["imagegen"]) if "aptioner" in m.msg]

    with_captioner(small, **changes)

    (found,) = [m for m in run_checks(tags=["imagegen"]) if m.id == f"imagegen.{check}"]
    assert said in found.msg


def test_the_cost_of_a_failure_has_to_be_one(small: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: Any, data: bytes, **about: Any) -> Caption:
        del self, data, about
        raise CaptionerFailed("refused", cost=Decimal(-1))

    with_captioner(small, BACKEND=f"{HERE}.Talkative")
    monkeypatch.setattr(Talkative, "describe", fail)

    assert captioning.suggest(picture(), purpose="") == captioning.NO_SUGGESTION


def test_a_billed_captioner_without_a_price_is_not_asked(
    service: SimulatorProcess, small: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with_captioner(small, PRICE="0")

    assert captioning.suggest(picture(), purpose="") == captioning.NO_SUGGESTION
    assert "has no PRICE" in caplog.text
    assert service.calls() == {}

    options = {**small.IMAGEGEN["CAPTIONER"]["OPTIONS"], "is_billed": False}
    with_captioner(small, OPTIONS=options)
    assert captioning.suggest(picture(), purpose="").text
