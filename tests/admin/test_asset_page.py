"""The page of one image: decisions first, then panels, and the raw fields one click deeper."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from django.urls import reverse

from imagegen_app.core.actors import System
from imagegen_app.models import AuditEvent, Lineage
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.library import alt_texts, placement
from imagegen_app.testing.factories import make_asset, make_job
from project.catalog.models import Product
from tests import arranged_rows

if TYPE_CHECKING:
    from django.test import Client


@pytest.fixture
def people(db: None, settings: Any) -> dict[str, Any]:
    settings.LANGUAGE_CODE = "en"
    arranged_rows.products()
    return arranged_rows.people()


def page_of(client: Client, asset: Any) -> str:
    return client.get(reverse("admin:imagegen_asset_change", args=[asset.pk])).content.decode()


def headings(html: str) -> list[str]:
    """Return the headings of the panels in their order."""
    inside = html.partition("imagegen-record")[2].partition("imagegen-raw")[0]
    found = re.findall(r"<h2[^>]*>(.*?)</h2>", inside, re.DOTALL)
    return [" ".join(re.sub(r"<[^>]+>", " ", one).split()) for one in found]


def test_decisions_come_first_and_the_raw_fields_last(
    client: Client, people: dict[str, Any]
) -> None:
    client.force_login(people["Image reviewers"])
    html = page_of(client, make_asset(review_state="pending"))

    assert headings(html) == [
        "Review Waiting for review",
        "Where it is shown",
        "Files",
        "What next",
        "Summary",
        "Alternative text",
        "How it was made",
        "AI marking",
        "Audit trail",
    ]
    before, _open, raw = html.partition('<details class="imagegen imagegen-panel imagegen-raw">')
    assert 'name="decision"' in before
    assert "SHA-256 of the original" in raw
    assert "SHA-256 of the original" not in before


def test_the_family_is_a_strip_of_pictures(client: Client, people: dict[str, Any]) -> None:
    owner = people["Image editors"]
    parent, child = (make_asset(job=make_job(requester=owner)) for _n in range(2))
    use_case(audited=False)(Lineage.objects.create)(
        child=child, parent=parent, relationship="parentOf"
    )
    client.force_login(owner)

    html = page_of(client, child)

    assert "Made from" in headings(html)
    assert f'href="{reverse("admin:imagegen_asset_change", args=[parent.pk])}"' in html
    assert "Made from this image" in headings(page_of(client, parent))


def test_places_are_named_as_people_know_them(client: Client, people: dict[str, Any]) -> None:
    product, asset = Product.objects.earliest("pk"), make_asset()
    placement.attach(actor=System("test"), asset=asset, target=product, field="image")
    address = reverse("admin:catalog_product_change", args=[product.pk])
    client.force_login(people["Image reviewers"])
    html = page_of(client, asset)
    assert f"{product}: image" in html
    assert "shown now" in html

    people["Image reviewers"].is_superuser = True
    people["Image reviewers"].save()
    assert f'<a href="{address}">{product}: image</a>' in page_of(client, asset)


def test_the_words_of_each_language_lead_to_where_they_are_written(
    client: Client, people: dict[str, Any]
) -> None:
    asset = make_asset(job=make_job(requester=people["Image editors"]))
    alt_texts.set_alt_text(
        actor=System("test"), asset=asset, alt_text="A mug", others={"de": "Eine Tasse"}
    )
    client.force_login(people["Image editors"])

    html = page_of(client, asset)

    assert '<dd lang="de" dir="auto">Eine Tasse</dd>' in html
    assert f'href="{reverse("admin:imagegen_alt_texts")}?asset={asset.pk}"' in html


def test_reading_the_page_reads_the_prompt_once(client: Client, people: dict[str, Any]) -> None:
    asset = make_asset(job=make_job(prompt="A red mug"))
    client.force_login(people["Compliance"])

    assert "A red mug" in page_of(client, asset)
    assert AuditEvent.objects.filter(type="asset.prompt_viewed").count() == 1
