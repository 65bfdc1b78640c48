"""Pages show days and times in the site's time zone; the evidence, which leaves the site, in UTC."""

from __future__ import annotations

import io
import zipfile
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from django.urls import reverse
from django.utils import translation

from imagegen_app.core.actors import System
from imagegen_app.forms.fields import AssetChoiceField
from imagegen_app.models import Asset, Job, Placement, TemplateVersion
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.library import evidence, placement
from imagegen_app.services.policy import access
from imagegen_app.testing.factories import make_asset, make_template
from project.catalog.models import Product
from tests import arranged_rows

if TYPE_CHECKING:
    from django.test import Client

pytestmark = pytest.mark.django_db
#: Half an hour before midnight in UTC, and the next morning where the site is.
MOMENT = datetime(2026, 3, 9, 23, 30, tzinfo=UTC)
THERE = "2026-03-10 08:30"
IN_UTC = "2026-03-09 23:30"


@pytest.fixture(autouse=True)
def _site_in_tokyo(settings: Any) -> None:
    settings.TIME_ZONE = "Asia/Tokyo"


@pytest.fixture
def asset(immediate: Any) -> Asset:
    """Return a placed and reviewed image, all of which happened at `MOMENT`."""
    arranged_rows.products()
    made = make_asset()
    product = Product.objects.earliest("pk")
    placement.attach(actor=System("reviewer"), asset=made, target=product, field="image")
    _happened_at_moment()
    made.refresh_from_db()
    return made


@use_case(audited=False)
def _happened_at_moment() -> None:
    Job.objects.update(created_at=MOMENT, finished_at=MOMENT)
    Asset.objects.update(created_at=MOMENT, reviewed_at=MOMENT)
    Placement.objects.update(placed_at=MOMENT, removed_at=MOMENT)


def test_the_pages_of_an_image_and_its_job_show_the_sites_time(
    client: Client, people: dict[str, Any], asset: Asset
) -> None:
    client.force_login(people["Image administrators"])

    pages = {
        "image": client.get(reverse("admin:imagegen_asset_change", args=[asset.pk])),
        "job": client.get(reverse("admin:imagegen_job_change", args=[asset.job_id])),
    }

    found = {name: str(page.content.decode()).count(THERE) for name, page in pages.items()}
    # Requested, decided, placed and removed; requested and finished.
    assert found == {"image": 4, "job": 2}
    assert not [name for name, page in pages.items() if IN_UTC in page.content.decode()]


def test_the_versions_of_a_template_show_the_sites_day(
    client: Client, people: dict[str, Any]
) -> None:
    version = make_template()
    _published_at_moment()
    client.force_login(people["Image administrators"])

    days = {}
    for language in ("en", "de", "fr"):
        with translation.override(language):
            address = reverse("admin:imagegen_prompttemplate_change", args=[version.template_id])
            page: Any = client.get(address)
        days[language] = page.content.decode()

    assert "March 10, 2026 " in days["en"]
    assert "10. März 2026 " in days["de"]
    assert "10 mars 2026 " in days["fr"]


@use_case(audited=False)
def _published_at_moment() -> None:
    TemplateVersion.objects.update(created_at=MOMENT)


def test_an_image_is_offered_with_the_sites_time(people: dict[str, Any], asset: Asset) -> None:
    field = AssetChoiceField(actor=access.actor_for(people["Image administrators"]))

    assert field.label_from_instance(asset).endswith(THERE)


def test_the_evidence_tells_all_times_in_utc(people: dict[str, Any], asset: Asset) -> None:
    actor = access.actor_for(people["Compliance"])

    data = evidence.build_pack(actor=actor, asset=asset).data

    story = zipfile.ZipFile(io.BytesIO(data)).read("story.html").decode()
    assert "All times are UTC" in story
    assert story.count(IN_UTC) >= 4
    assert THERE not in story
