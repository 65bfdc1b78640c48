"""The page on which the content checks are tried."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from imagegen_app.core.actors import System
from imagegen_app.core.hard_categories import HardCategory
from imagegen_app.models import AuditEvent, Lineage
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.policy import closed_content
from imagegen_app.testing.factories import make_asset, make_user

pytestmark = pytest.mark.django_db
URL = "admin:imagegen_verdict_try"


def client_of(group: str) -> Client:
    client = Client()
    client.force_login(make_user(group.lower().replace(" ", "-"), groups=[group], is_staff=True))
    return client


def test_a_reviewer_sees_what_the_block_list_says() -> None:
    page = client_of("Image reviewers").post(reverse(URL), {"text": "Please <b>nudify</b> her"})

    text = page.content.decode()
    assert "block list" in text
    assert "Intimate images of real persons" in text
    assert "Please &lt;b&gt;nudify&lt;/b&gt; her" in text
    assert "It cost nothing." in text
    assert AuditEvent.objects.filter(type="moderation.tried").count() == 1


def test_the_form_asks_nobody() -> None:
    page = client_of("Compliance").get(reverse(URL))

    assert page.status_code == 200
    assert not AuditEvent.objects.filter(type="moderation.tried").exists()


def test_a_refusal_is_shown_on_the_page() -> None:
    page = client_of("Compliance").post(reverse(URL), {"text": ""})

    assert "There is neither a text nor an image." in page.content.decode()


def test_an_editor_finds_no_such_page() -> None:
    assert client_of("Image editors").get(reverse(URL)).status_code == 404


def test_the_list_of_verdicts_links_to_it() -> None:
    page = client_of("Compliance").get(reverse("admin:imagegen_verdict_changelist"))

    assert reverse(URL) in page.content.decode()


def test_a_closed_image_is_named_and_not_shown() -> None:

    asset = make_asset()
    closed_content.close_asset(
        actor=System("test"), asset=asset, category=HardCategory.SEXUAL_MINORS, job=asset.job
    )
    client = client_of("Compliance")

    for url in (
        reverse("admin:imagegen_asset_changelist"),
        reverse("admin:imagegen_asset_change", args=[asset.pk]),
    ):
        text = client.get(url).content.decode()
        assert "Sexual content with minors" in text
        assert asset.sha256 + "." not in text


def test_the_page_of_a_closed_image_says_that_it_stays_closed_and_what_is_possible() -> None:
    parent, asset = make_asset(), make_asset()
    use_case(audited=False)(Lineage.objects.create)(
        child=asset, parent=parent, relationship="parentOf"
    )
    closed_content.close_asset(
        actor=System("test"), asset=parent, category=HardCategory.SEXUAL_MINORS, job=parent.job
    )
    client = client_of("Compliance")

    pages = {
        one.pk: client.get(reverse("admin:imagegen_asset_change", args=[one.pk])).content.decode()
        for one in (parent, asset)
    }

    for text in pages.values():
        assert "not even after a false alarm" in text
        assert "a new request" in text
        assert "the files are deleted" in text
        assert "missing from the storage" not in text
    assert "It was made from an image that was closed" not in pages[parent.pk]
    assert "It was made from an image that was closed" in pages[asset.pk]
