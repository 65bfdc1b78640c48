"""A captioner suggests alternative texts, which cost money and which a person accepts or edits."""

from __future__ import annotations

import io
import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from django.core.checks import run_checks
from django.urls import reverse
from PIL import Image

from imagegen_app.captioning.base import Caption, CaptionerFailed
from imagegen_app.models import Asset, AuditEvent, BudgetPeriod, Job, LedgerEntry
from imagegen_app.services.batches import lifecycle
from imagegen_app.services.erasure import commands as erasure
from imagegen_app.services.gateways import storage
from imagegen_app.services.gateways.storage import StorageFailed
from imagegen_app.services.job_requests import creation
from imagegen_app.services.jobs import waiting
from imagegen_app.services.library import alt_texts
from imagegen_app.services.monitoring import doctor
from imagegen_app.services.policy import access
from imagegen_app.services.worker import _captions, driver
from imagegen_app.testing.factories import make_template, make_user

if TYPE_CHECKING:
    from django.test import Client

    from tests.services.conftest import Site

IMAGE_COST, CAPTION_COST = Decimal("0.02"), Decimal("0.0004")


class FakeCaptioner:
    """A captioner that returns or raises what a test sets, and records how it was called."""

    calls: list[dict[str, Any]] = []
    outcome: Caption | Exception = Caption("A red mug on a table")

    def describe(self, data: bytes, *, media_type: str, language: str, purpose: str) -> Caption:
        with Image.open(io.BytesIO(data)) as image:
            FakeCaptioner.calls.append(
                {
                    "media_type": media_type,
                    "format": image.format,
                    "width": image.width,
                    "language": language,
                    "purpose": purpose,
                }
            )
        if isinstance(FakeCaptioner.outcome, Exception):
            raise FakeCaptioner.outcome
        return FakeCaptioner.outcome


@pytest.fixture(autouse=True)
def captioner(small: Any, monkeypatch: pytest.MonkeyPatch) -> type[FakeCaptioner]:
    """Configure the fake captioner at 0.0004 an image."""
    small.IMAGEGEN = {
        **small.IMAGEGEN,
        "CAPTIONER": {
            "BACKEND": "tests.services.gateways.test_captioning.FakeCaptioner",
            "NAME": "Example captioner",
            "PRICE": str(CAPTION_COST),
            "LANGUAGE": "de",
        },
    }
    monkeypatch.setattr(FakeCaptioner, "calls", [])
    monkeypatch.setattr(FakeCaptioner, "outcome", Caption("A red mug on a table"))
    return FakeCaptioner


def run_job(site: Site, **changes: Any) -> Job:
    # Small pictures of some seeds are the same to the byte, and then described once.
    job = site.request(**{"seed": 1, **changes})
    driver.drive(seconds=20)
    job.refresh_from_db()
    return job


def spent() -> tuple[Decimal, Decimal]:
    period = BudgetPeriod.objects.get()
    return period.spent, period.reserved


def test_images_are_quoted_reserved_and_charged_with_their_captions(site: Site) -> None:
    job_request = site.job_request(count=2)
    quoted = creation.offer(actor=site.actor, job_request=job_request).cost.amount
    job = run_job(site, count=2)

    assert quoted == job.estimated_cost == 2 * (IMAGE_COST + CAPTION_COST)
    assert job.state == "succeeded"
    assert job.captioning_cost == 2 * CAPTION_COST
    assert job.actual_cost == 2 * (IMAGE_COST + CAPTION_COST)
    assert spent() == (job.actual_cost, Decimal(0))
    entries = LedgerEntry.objects.filter(purpose="captioning").order_by("pk")
    assert [(e.kind, e.amount) for e in entries] == [
        ("release", 2 * CAPTION_COST),
        ("charge", 2 * CAPTION_COST),
    ]
    assert job.attempts.get().actual_cost == 2 * IMAGE_COST
    assert doctor.violated_invariants() == {}
    events = AuditEvent.objects.filter(type="money.charged", body__contains="captioning")
    assert events.count() == 1


def test_the_captioner_gets_a_small_file_the_language_and_the_purpose(
    site: Site, captioner: type[FakeCaptioner]
) -> None:
    job = run_job(site)

    call = captioner.calls[0]
    assert call["language"] == "de"
    assert call["purpose"] == job.prompt
    assert call["media_type"] == f"image/{str(call['format']).lower()}"
    assert call["media_type"] in {"image/jpeg", "image/png", "image/webp"}
    assert call["width"] == job.width
    asset = job.assets.get()
    assert asset.alt_suggestion == "A red mug on a table"
    assert asset.alt_text == ""
    assert "Example captioner" in AuditEvent.objects.get(type="asset.created").body


def test_a_suggestion_is_cleaned_to_one_printable_line(
    site: Site, captioner: type[FakeCaptioner]
) -> None:
    captioner.outcome = Caption("  A mug\n\n\x00<script>alert(1)</script>\u202e " + "x" * 5000)

    asset = run_job(site).assets.get()

    assert asset.alt_suggestion.startswith("A mug <script>alert(1)</script> x")
    assert len(asset.alt_suggestion) == 500
    assert asset.alt_suggestion.isprintable()


@pytest.mark.parametrize("error", [CaptionerFailed("busy"), RuntimeError("broken")])
def test_a_failing_captioner_neither_fails_the_job_nor_costs_anything(
    site: Site, captioner: type[FakeCaptioner], error: Exception
) -> None:
    captioner.outcome = error

    job = run_job(site)

    assert job.state == "succeeded"
    assert job.actual_cost == IMAGE_COST
    assert job.captioning_cost == 0
    assert job.assets.get().alt_suggestion == ""
    assert spent() == (IMAGE_COST, Decimal(0))
    assert doctor.violated_invariants() == {}


def test_a_captioner_can_return_its_own_cost(site: Site, captioner: type[FakeCaptioner]) -> None:
    captioner.outcome = Caption("A mug", cost=Decimal("0.0011"))

    job = run_job(site)

    assert job.captioning_cost == Decimal("0.0011")
    assert spent() == (IMAGE_COST + Decimal("0.0011"), Decimal(0))


@pytest.mark.parametrize(
    "cost", [0.001, "0.001", Decimal(-1), Decimal("NaN"), Decimal("Infinity"), Decimal(10**30)]
)
def test_an_invalid_cost_discards_the_suggestion_but_not_the_image(
    site: Site, captioner: type[FakeCaptioner], cost: Any
) -> None:
    captioner.outcome = Caption("A mug", cost=cost)

    job = run_job(site)

    assert job.state == "succeeded"
    assert job.actual_cost == IMAGE_COST
    assert job.assets.get().alt_suggestion == ""
    assert len(captioner.calls) == 1


def test_costs_below_a_hundredth_of_a_cent_are_rounded_up_everywhere(
    site: Site, captioner: type[FakeCaptioner]
) -> None:
    captioner.outcome = Caption("A mug", cost=Decimal("0.00012"))

    job = run_job(site, count=2)

    assert job.captioning_cost == Decimal("0.0004")
    assert doctor.violated_invariants() == {}


def test_images_after_the_time_limit_for_captions_get_no_suggestion(
    site: Site, captioner: type[FakeCaptioner], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_captions, "MAX_SECONDS", 0.0)

    job = run_job(site, count=2)

    assert job.state == "succeeded"
    assert captioner.calls == []
    assert job.actual_cost == 2 * IMAGE_COST


def test_the_suggestion_is_erased_with_the_prompt(site: Site) -> None:
    job = run_job(site)
    officer = access.actor_for(make_user(permissions=["imagegen.erase_personal_data"]))

    erasure.erase_prompt(officer, job=job, reason="asked for")

    assert job.assets.get().alt_suggestion == ""


def test_images_are_captioned_only_after_all_files_are_stored(
    site: Site, captioner: type[FakeCaptioner], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "MAX_WAIT_SECONDS", 2.0)
    put, failures = storage.put, [True]

    def fail_once(prefix: str, data: bytes, *, extension: str) -> tuple[str, str]:
        if prefix == "assets" and failures:
            failures.pop()
            raise StorageFailed("full")
        return put(prefix, data, extension=extension)

    monkeypatch.setattr(storage, "put", fail_once)
    job = site.request(count=2, seed=1)
    driver.drive(seconds=20)
    job.refresh_from_db()

    assert job.state == "succeeded"
    assert len(captioner.calls) == 2
    assert job.captioning_cost == 2 * CAPTION_COST


def test_images_that_are_the_same_are_described_and_paid_once(
    site: Site, captioner: type[FakeCaptioner]
) -> None:
    # With these two seeds the sandbox happens to draw the same small mug.
    job = run_job(site, count=2, seed=5110)

    files = list(job.assets.values_list("original_sha256", "alt_suggestion"))
    assert len(set(files)) == 1
    assert files[0][1]
    assert len(captioner.calls) == 1
    assert job.captioning_cost == CAPTION_COST


def test_only_the_image_of_the_last_pass_is_captioned(
    site: Site, captioner: type[FakeCaptioner]
) -> None:
    job_request = site.job_request(passes=[f"upscale:2:{site.model.slug}"])
    quoted = creation.offer(actor=site.actor, job_request=job_request).cost.amount
    job = creation.request_images(actor=site.actor, job_request=job_request)
    driver.drive(seconds=30)

    passes = list(Job.objects.all())
    assert [one.state for one in passes] == ["succeeded", "succeeded"]
    assert [one["purpose"] for one in captioner.calls] == [job.prompt]
    final = Asset.objects.get(is_intermediate=False)
    assert final.job_id != job.pk
    assert final.alt_suggestion
    assert sum(one.actual_cost or 0 for one in passes) == spent()[0] <= quoted
    assert spent()[1] == 0


def test_the_estimate_of_a_batch_includes_captions(site: Site) -> None:
    version = make_template(width=64, height=64, image_model=site.model)

    estimated = lifecycle.estimate_cost(version, site.model, rows=3)

    assert estimated == 3 * (IMAGE_COST + CAPTION_COST)


def test_the_editor_sees_that_the_text_was_suggested_automatically(
    site: Site, client: Client, captioner: type[FakeCaptioner]
) -> None:
    asset = run_job(site).assets.get()
    account = site.actor.user
    account.is_staff = True
    account.save()
    client.force_login(account)

    page = client.get(reverse("admin:imagegen_studio_choose", args=[asset.pk])).content.decode()

    assert "A red mug on a table</textarea>" in page
    assert "This text was suggested automatically" in page


@pytest.mark.parametrize(
    ("text", "decorative", "recorded"),
    [
        ("A red mug on a table", False, "taken"),
        ("Our red mug", False, "changed"),
        ("", True, None),
    ],
)
def test_the_audit_event_records_what_happened_to_the_suggestion(
    site: Site, text: str, decorative: bool, recorded: str | None
) -> None:
    asset = run_job(site).assets.get()

    alt_texts.set_alt_text(actor=site.actor, asset=asset, alt_text=text, is_decorative=decorative)

    event = AuditEvent.objects.filter(type="asset.changed").latest("pk")
    assert json.loads(event.body)["data"].get("suggestion") == recorded


def test_a_captioner_that_cannot_be_imported_is_reported_by_a_check(small: Any) -> None:
    small.IMAGEGEN = {
        **small.IMAGEGEN,
        "CAPTIONER": {"BACKEND": "tests.services.gateways.test_captioning.MissingCaptioner"},
    }

    assert "imagegen.E038" in {message.id for message in run_checks(tags=["imagegen"])}


@pytest.mark.parametrize("price", ["-1", "a cent", "NaN", "0.00001"])
def test_an_invalid_price_is_reported_by_a_check(small: Any, price: str) -> None:
    small.IMAGEGEN = {**small.IMAGEGEN, "CAPTIONER": {"BACKEND": "x.Y", "PRICE": price}}

    errors = [check for check in run_checks(tags=["imagegen"]) if check.id == "imagegen.E001"]
    assert "IMAGEGEN['CAPTIONER']['PRICE'] is not a valid amount" in errors[0].msg
