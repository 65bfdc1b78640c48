"""The page of credentials shows no value, and revokes and restores with a reason."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.urls import reverse

from imagegen_app.core.errors import AuthenticationFailed
from imagegen_app.models import AuditEvent, Provider, RevokedCredential
from imagegen_app.providers import refused_keys
from imagegen_app.providers.credentials import Secret
from imagegen_app.testing.factories import make_provider

if TYPE_CHECKING:
    from django.test import Client

PAGE = reverse("admin:imagegen_provider_credentials")
PROVIDERS = reverse("admin:imagegen_provider_changelist")
VALUE = "k3y-of-the-images-0123456789"


@pytest.fixture
def site(db: None, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMAGES_KEY", VALUE)
    entry = {"SOURCE": "env:IMAGES_KEY", "HOSTS": ["api.example.com"], "ENVIRONMENT": "production"}
    other = {**entry, "ENVIRONMENT": "<b>staging</b>"}
    settings.IMAGEGEN = {
        **settings.IMAGEGEN,
        "CREDENTIALS": {"images": entry, "others": other},
        "ENVIRONMENT": "production",
    }
    make_provider(adapter="openai", slug="shop", credential="images")


@pytest.fixture
def admin(client: Client, people: dict[str, Any], site: None) -> Client:
    client.force_login(people["Image administrators"])
    return client


def text(client: Client, address: str = PAGE) -> str:
    return client.get(address).content.decode()


def test_it_shows_each_credential_without_its_value(admin: Client) -> None:
    page = text(admin)

    assert "api.example.com" in page
    assert "shop" in page
    assert "Not used here" in page
    assert "<b>staging" not in page
    assert VALUE not in page
    assert "IMAGES_KEY" not in page
    assert PAGE in text(admin, PROVIDERS)


def test_it_revokes_and_restores(admin: Client) -> None:
    revoked = admin.post(PAGE, {"revoke": "images", "reason": "It was in a log"}, follow=True)
    shown = revoked.content.decode()
    count = RevokedCredential.objects.filter(restored_at=None).count()

    restored = admin.post(PAGE, {"restore": "images", "reason": "Another one"}, follow=True)

    assert "nothing is sent with it any more" in shown
    assert "It was in a log" in shown
    assert (count, RevokedCredential.objects.filter(restored_at=None).count()) == (1, 0)
    assert "is used again" in restored.content.decode()


def test_one_that_nothing_uses_is_not_said_to_be_in_use(admin: Client, settings: Any) -> None:
    entries = settings.IMAGEGEN["CREDENTIALS"]
    unused = {**entries["images"], "SOURCE": "env:ANOTHER_KEY"}
    settings.IMAGEGEN = {**settings.IMAGEGEN, "CREDENTIALS": {**entries, "spare": unused}}

    page = text(admin)

    assert "nothing" in page
    assert "In use" not in page
    assert page.count("Usable") == 2


def test_it_checks_all_when_asked_to(
    admin: Client, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def check_key(_adapter: object) -> bool:
        raise AuthenticationFailed

    monkeypatch.setattr("imagegen_app.providers.remote.Remote.check_key", check_key)
    entries = settings.IMAGEGEN["CREDENTIALS"]
    images = {**entries["images"], "HOSTS": ["api.openai.com"]}
    settings.IMAGEGEN = {
        **settings.IMAGEGEN,
        "CREDENTIALS": {**entries, "images": images, "spare": images},
    }

    before = text(admin)
    checked = admin.post(PAGE, {"check": "1"}).content.decode()

    assert "refuses the credential" not in before
    assert before.count("is-good") > checked.count("is-good")
    assert "The provider shop refuses the credential images." in checked
    assert "Nobody was asked: nothing" in checked
    assert "is for the environment" in checked
    assert VALUE not in checked


def test_the_page_of_a_provider_tells_of_a_refused_value(admin: Client, settings: Any) -> None:
    provider = Provider.objects.get(slug="shop")
    address = reverse("admin:imagegen_provider_change", args=[provider.pk])
    before = text(admin, address)
    refused_keys.note("images", Secret(VALUE))

    page = text(admin, address)
    settings.IMAGEGEN = {**settings.IMAGEGEN, "CREDENTIALS": {}}
    gone = text(admin, address)

    told = "The provider shop refuses one of the two values of the credential images."
    assert [told in one for one in (before, page, gone)] == [False, True, False]
    assert "Correct the new one, or take the old one away." in page
    assert VALUE not in page


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"revoke": "images", "reason": " "}, "No reason is given"),
        ({"revoke": "strange", "reason": "x"}, "no credential “strange”"),
        ({"restore": "images", "reason": "x"}, "is not revoked"),
        ({"reason": "x"}, "is not revoked"),
    ],
)
def test_what_cannot_be_done_is_said(admin: Client, given: dict[str, str], told: str) -> None:
    page = admin.post(PAGE, given, follow=True).content.decode()

    assert told in page
    assert not AuditEvent.objects.filter(type__startswith="credential.").exists()


@pytest.mark.parametrize("role", ["Compliance", "Image editors", "Image reviewers"])
@pytest.mark.usefixtures("site")
def test_nobody_else_finds_it(client: Client, people: dict[str, Any], role: str) -> None:
    client.force_login(people[role])

    answers = [client.get(PAGE), client.post(PAGE, {"revoke": "images", "reason": "x"})]

    assert [answer.status_code for answer in answers] == [404, 404]
    assert not RevokedCredential.objects.filter(restored_at=None).exists()
