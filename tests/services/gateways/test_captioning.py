"""A captioner suggests alternative texts: paid like the images, taken or changed by a person."""

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
from imagegen_app.services.audit import erasure
from imagegen_app.services.batches import lifecycle
from imagegen_app.services.gateways import storage
from imagegen_app.services.gateways.storage import StorageFailed
from imagegen_app.services.job_requests import creation
from imagegen_app.services.library import review
from imagegen_app.services.monitoring import doctor
from imagegen_app.services.policy import access
from imagegen_app.services.worker import _ingest, _outcomes, driver
from imagegen_app.testing.factories import make_template, make_user

if TYPE_CHECKING:
    from django.test import Client

    from tests.services.conftest import Site

PICTURE, CAPTION = Decimal("0.02"), Decimal("0.0004")


class Describer:
    """A captioner of a site's own that does as it is told and remembers what it was asked."""

    asked: list[dict[str, Any]] = []
    says: Caption | Exception = Caption("A red mug on a table")

    def describe(self, data: bytes, *, media_type: str, language: str, purpose: str) -> Caption:
        with Image.open(io.BytesIO(data)) as image:
            Describer.asked.append(
                {
                    "media_type": media_type,
                    "format": image.format,
                    "width": image.width,
                    "language": language,
                    "purpose": purpose,
                }
            )
        if isinstance(Describer.says, Exception):
            raise Describer.says
        return Describer.says


@pytest.fixture(autouse=True)
def describer(small: Any, monkeypatch: pytest.MonkeyPatch) -> type[Describer]:
    """Have each image described for 0.0004."""
    small.IMAGEGEN = {
        **small.IMAGEGEN,
        "CAPTIONER": {
            "BACKEND": "tests.services.gateways.test_captioning.Describer",
            "NAME": "house captioner",
            "PRICE": str(CAPTION),
            "LANGUAGE": "de",
        },
    }
    monkeypatch.setattr(Describer, "asked", [])
    monkeypatch.setattr(Describer, "says", Caption("A red mug on a table"))
    return Describer


def made(site: Site, **wanted: Any) -> Job:
    job = site.request(**wanted)
    driver.drive(seconds=20)
    job.refresh_from_db()
    return job


def spent() -> tuple[Decimal, Decimal]:
    period = BudgetPeriod.objects.get()
    return period.spent, period.reserved


def test_images_are_quoted_reserved_and_charged_with_their_captions(site: Site) -> None:
    job_request = site.job_request(count=2)
    quoted = creation.offer(actor=site.actor, job_request=job_request).cost.amount
    job = made(site, count=2)

    assert quoted == job.estimated_cost == 2 * (PICTURE + CAPTION)
    assert job.state == "succeeded"
    assert job.captioning_cost == 2 * CAPTION
    assert job.actual_cost == 2 * (PICTURE + CAPTION)
    assert spent() == (job.actual_cost, Decimal(0))
    booked = LedgerEntry.objects.filter(purpose="captioning").order_by("pk")
    assert [(e.kind, e.amount) for e in booked] == [
        ("release", 2 * CAPTION),
        ("charge", 2 * CAPTION),
    ]
    assert job.attempts.get().actual_cost == 2 * PICTURE
    assert doctor.violated_invariants() == {}
    told = AuditEvent.objects.filter(type="money.charged", body__contains="captioning")
    assert told.count() == 1


def test_it_is_shown_a_small_file_and_told_the_language_and_the_purpose(
    site: Site, describer: type[Describer]
) -> None:
    job = made(site)

    asked = describer.asked[0]
    assert asked["language"] == "de"
    assert asked["purpose"] == job.prompt
    assert asked["media_type"] == f"image/{str(asked['format']).lower()}"
    assert asked["media_type"] in {"image/jpeg", "image/png", "image/webp"}
    assert asked["width"] == job.width
    asset = job.assets.get()
    assert asset.alt_suggestion == "A red mug on a table"
    assert asset.alt_text == ""
    assert "house captioner" in AuditEvent.objects.get(type="asset.created").body


def test_a_strangers_words_become_one_plain_line(site: Site, describer: type[Describer]) -> None:
    describer.says = Caption("  A mug\n\n\x00<script>alert(1)</script>\u202e " + "x" * 5000)

    asset = made(site).assets.get()

    assert asset.alt_suggestion.startswith("A mug <script>alert(1)</script> x")
    assert len(asset.alt_suggestion) == 500
    assert asset.alt_suggestion.isprintable()


@pytest.mark.parametrize("trouble", [CaptionerFailed("busy"), RuntimeError("broken")])
def test_a_captioner_that_fails_costs_the_image_nothing(
    site: Site, describer: type[Describer], trouble: Exception
) -> None:
    describer.says = trouble

    job = made(site)

    assert job.state == "succeeded"
    assert job.actual_cost == PICTURE
    assert job.captioning_cost == 0
    assert job.assets.get().alt_suggestion == ""
    assert spent() == (PICTURE, Decimal(0))
    assert doctor.violated_invariants() == {}


def test_a_captioner_may_name_the_price_itself(site: Site, describer: type[Describer]) -> None:
    describer.says = Caption("A mug", cost=Decimal("0.0011"))

    job = made(site)

    assert job.captioning_cost == Decimal("0.0011")
    assert spent() == (PICTURE + Decimal("0.0011"), Decimal(0))


@pytest.mark.parametrize(
    "cost", [0.001, "0.001", Decimal(-1), Decimal("NaN"), Decimal("Infinity"), Decimal(10**30)]
)
def test_a_cost_that_is_none_costs_the_suggestion_and_not_the_image(
    site: Site, describer: type[Describer], cost: Any
) -> None:
    describer.says = Caption("A mug", cost=cost)

    job = made(site)

    assert job.state == "succeeded"
    assert job.actual_cost == PICTURE
    assert job.assets.get().alt_suggestion == ""
    assert len(describer.asked) == 1


def test_a_fraction_of_a_hundredth_of_a_cent_is_rounded_up_everywhere(
    site: Site, describer: type[Describer]
) -> None:
    describer.says = Caption("A mug", cost=Decimal("0.00012"))

    job = made(site, count=2)

    assert job.captioning_cost == Decimal("0.0004")
    assert doctor.violated_invariants() == {}


def test_a_slow_captioner_leaves_the_further_images_without_words(
    site: Site, describer: type[Describer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_ingest, "_CAPTION_SECONDS", 0.0)

    job = made(site, count=2)

    assert job.state == "succeeded"
    assert describer.asked == []
    assert job.actual_cost == 2 * PICTURE


def test_words_that_may_repeat_a_prompt_are_erased_with_it(site: Site) -> None:
    job = made(site)
    officer = access.actor_for(make_user(permissions=["imagegen.erase_personal_data"]))

    erasure.erase_prompt(officer, job=job, reason="asked for")

    assert job.assets.get().alt_suggestion == ""


def test_nothing_is_described_before_all_files_are_stored(
    site: Site, describer: type[Describer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_outcomes, "MAX_STORE_SECONDS", 2.0)
    put, fails = storage.put, [True]

    def sometimes(prefix: str, data: bytes, *, extension: str) -> tuple[str, str]:
        if prefix == "assets" and fails:
            fails.pop()
            raise StorageFailed("full")
        return put(prefix, data, extension=extension)

    monkeypatch.setattr(storage, "put", sometimes)
    job = site.request(count=2)
    driver.drive(seconds=20)
    job.refresh_from_db()

    assert job.state == "succeeded"
    assert len(describer.asked) == 2
    assert job.captioning_cost == 2 * CAPTION


def test_only_the_last_pass_is_described(site: Site, describer: type[Describer]) -> None:
    job_request = site.job_request(passes=[f"upscale:2:{site.model.slug}"])
    quoted = creation.offer(actor=site.actor, job_request=job_request).cost.amount
    job = creation.request_images(actor=site.actor, job_request=job_request)
    driver.drive(seconds=30)

    passes = list(Job.objects.all())
    assert [one.state for one in passes] == ["succeeded", "succeeded"]
    assert [one["purpose"] for one in describer.asked] == [job.prompt]
    final = Asset.objects.get(is_intermediate=False)
    assert final.job_id != job.pk
    assert final.alt_suggestion
    assert sum(one.actual_cost or 0 for one in passes) == spent()[0] <= quoted
    assert spent()[1] == 0


def test_a_batchs_estimate_counts_its_captions(site: Site) -> None:
    version = make_template(width=64, height=64, image_model=site.model)

    estimated = lifecycle.estimate_cost(version, site.model, rows=3)

    assert estimated == 3 * (PICTURE + CAPTION)


def test_the_person_who_takes_the_words_is_told_whose_they_are(
    site: Site, client: Client, describer: type[Describer]
) -> None:
    asset = made(site).assets.get()
    account = site.actor.user
    account.is_staff = True
    account.save()
    client.force_login(account)

    page = client.get(reverse("admin:imagegen_studio_choose", args=[asset.pk])).content.decode()

    assert "A red mug on a table</textarea>" in page
    assert "This text was suggested automatically" in page


@pytest.mark.parametrize(
    ("text", "decorative", "noted"),
    [
        ("A red mug on a table", False, "taken"),
        ("Our red mug", False, "changed"),
        ("", True, None),
    ],
)
def test_the_log_tells_what_became_of_a_suggestion(
    site: Site, text: str, decorative: bool, noted: str | None
) -> None:
    asset = made(site).assets.get()

    review.set_alt_text(actor=site.actor, asset=asset, alt_text=text, is_decorative=decorative)

    told = AuditEvent.objects.filter(type="asset.changed").latest("pk")
    assert json.loads(told.body)["data"].get("suggestion") == noted


def test_a_captioner_that_cannot_be_made_is_found_before_an_editor_wonders(small: Any) -> None:
    small.IMAGEGEN = {
        **small.IMAGEGEN,
        "CAPTIONER": {"BACKEND": "tests.services.gateways.test_captioning.Nobody"},
    }

    assert "imagegen.E038" in {found.id for found in run_checks(tags=["imagegen"])}


@pytest.mark.parametrize("price", ["-1", "a cent", "NaN", "0.00001"])
def test_a_price_that_is_none_is_refused(small: Any, price: str) -> None:
    small.IMAGEGEN = {**small.IMAGEGEN, "CAPTIONER": {"BACKEND": "x.Y", "PRICE": price}}

    found = [one for one in run_checks(tags=["imagegen"]) if one.id == "imagegen.E001"]
    assert "IMAGEGEN['CAPTIONER']['PRICE'] is not a valid amount" in found[0].msg
