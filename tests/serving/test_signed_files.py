"""A signed address opens one file, in one way, for a short while."""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING, Any

import pytest
from django.core import signing
from django.test import override_settings

from imagegen_app.core.actors import System
from imagegen_app.models import Asset, AuditEvent
from imagegen_app.services.gateways import storage
from imagegen_app.services.library import delivery, review, takedown
from imagegen_app.services.policy import access
from imagegen_app.testing.factories import make_asset, make_user

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.test import Client

pytestmark = pytest.mark.django_db


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Move the clock by which signatures age."""
    start = time.time()

    def move(seconds: float) -> None:
        monkeypatch.setattr("django.core.signing.time.time", lambda: start + seconds)

    move(0)
    return move


def parts(address: str) -> tuple[str, str]:
    """Return the token and the name of a signed address."""
    token, name = address.split("/")[-2:]
    return token, name


def test_a_preview_shows_what_is_not_public(client: Client) -> None:
    asset = make_asset(review_state="pending")

    answer: Any = client.get(delivery.preview_url(asset, width=16))

    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "private, max-age=0, must-revalidate"
    assert answer.headers["Content-Type"] == "image/webp"
    assert answer.headers["Content-Disposition"].startswith("inline; ")
    assert answer.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-site"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert not answer.cookies


def test_a_preview_is_the_smallest_file_that_is_wide_enough() -> None:
    asset = make_asset(widths=(16, 32, 48), formats=("webp",))

    narrow, fitting, wider = (
        parts(delivery.preview_url(asset, width=width))[1] for width in (10, 20, 900)
    )

    by_width = {r.width: f"{r.sha256}.webp" for r in asset.renditions.all()}
    assert (narrow, fitting, wider) == (by_width[16], by_width[32], by_width[48])


def test_an_asset_without_renditions_is_previewed_by_its_master() -> None:
    asset = make_asset(formats=())

    assert parts(delivery.preview_url(asset))[1] == f"{asset.sha256}.png"


@pytest.mark.usefixtures("plain_site")
def test_a_signed_file_costs_one_query(client: Client, django_assert_num_queries: Any) -> None:
    address = delivery.signed_url(make_asset(review_state="pending"))

    with django_assert_num_queries(1):
        assert client.get(address).status_code == 200


def test_withdrawing_ends_every_address_that_was_signed_before(client: Client) -> None:
    asset = make_asset()
    addresses = [
        delivery.signed_url(asset),
        delivery.preview_url(asset),
        delivery.original_url(actor=System("test"), asset=asset),
    ]
    before = [client.get(address).status_code for address in addresses]

    takedown.withdraw(actor=System("test"), asset=asset)

    assert before == [200, 200, 200]
    assert [client.get(address).status_code for address in addresses] == [404, 404, 404]
    conditional = client.get(addresses[0], headers={"If-None-Match": f'"{asset.sha256}"'})
    assert conditional.status_code == 404


def test_who_may_see_a_withdrawn_image_gets_an_address_that_works(client: Client) -> None:
    asset = make_asset()
    takedown.withdraw(actor=System("test"), asset=asset)

    known = client.get(delivery.preview_url(Asset.objects.get(pk=asset.pk))).status_code
    review.approve(actor=System("test"), asset=asset)
    again = delivery.preview_url(asset)
    takedown.withdraw(actor=System("test"), asset=asset)

    assert known == 200
    assert client.get(again).status_code == 404


def test_an_address_expires(client: Client, later: Callable[[float], None]) -> None:
    address = delivery.signed_url(make_asset(review_state="pending"))

    later(899)
    assert client.get(address).status_code == 200
    later(902)
    assert client.get(address).status_code == 404


def test_a_site_may_shorten_the_time(client: Client, later: Callable[[float], None]) -> None:
    address = delivery.signed_url(make_asset(review_state="pending"))

    with override_settings(IMAGEGEN={"SIGNED_URL_SECONDS": 60}):
        later(59)
        assert client.get(address).status_code == 200
        later(62)
        assert client.get(address).status_code == 404


def test_no_site_can_stretch_the_time(client: Client, later: Callable[[float], None]) -> None:
    address = delivery.signed_url(make_asset(review_state="pending"))

    with override_settings(IMAGEGEN={"SIGNED_URL_SECONDS": 86_400}):
        later(902)
        assert client.get(address).status_code == 404


def test_an_address_opens_no_other_file(client: Client) -> None:
    mine, other = make_asset(review_state="pending"), make_asset(review_state="pending")
    token, _name = parts(delivery.signed_url(mine))

    answer: Any = client.get(f"/imagegen/files/signed/{token}/{other.sha256}.png")

    assert answer.status_code == 404


def test_an_address_opens_its_file_under_no_other_extension(client: Client) -> None:
    asset = make_asset(review_state="pending")
    token, _name = parts(delivery.signed_url(asset))

    answer: Any = client.get(f"/imagegen/files/signed/{token}/{asset.sha256}.html")

    assert answer.status_code == 404


@pytest.mark.parametrize("place", [0, 10, -1, -20])
def test_a_changed_token_opens_nothing(client: Client, place: int) -> None:
    token, name = parts(delivery.signed_url(make_asset(review_state="pending")))
    letters = list(token)
    letters[place] = "A" if letters[place] != "A" else "B"

    answer: Any = client.get(f"/imagegen/files/signed/{''.join(letters)}/{name}")

    assert answer.status_code == 404


@pytest.mark.parametrize("token", ["x", "a:b:c", "e30:1a:x", ":::", "%00", "e30"])
def test_a_made_up_token_opens_nothing(client: Client, token: str) -> None:
    asset = make_asset()

    answer: Any = client.get(f"/imagegen/files/signed/{token}/{asset.sha256}.png", follow=True)

    assert answer.status_code == 404


@pytest.mark.parametrize("content", [{}, [], "text", {"name": "x"}, None, 3])
def test_a_token_of_another_shape_opens_nothing(client: Client, content: Any) -> None:
    asset = make_asset()
    token = signing.dumps(content, salt="imagegen.file")

    answer: Any = client.get(f"/imagegen/files/signed/{token}/{asset.sha256}.png")

    assert answer.status_code == 404


def test_a_signature_made_for_something_else_opens_nothing(client: Client) -> None:
    asset = make_asset(review_state="pending")
    name = f"{asset.sha256}.png"
    token = signing.dumps(
        {"name": name, "kind": "inline", "key": asset.storage_key}, salt="imagegen.chosen"
    )

    assert client.get(f"/imagegen/files/signed/{token}/{name}").status_code == 404


def test_a_key_in_rotation_still_opens_and_a_dropped_one_does_not(client: Client) -> None:
    asset = make_asset(review_state="pending")
    with override_settings(SECRET_KEY="the old key"):
        address = delivery.signed_url(asset)

    with override_settings(SECRET_KEY="the new key", SECRET_KEY_FALLBACKS=["the old key"]):
        assert client.get(address).status_code == 200
    with override_settings(SECRET_KEY="the new key", SECRET_KEY_FALLBACKS=[]):
        assert client.get(address).status_code == 404


def test_an_original_is_always_a_download_of_unknown_bytes(client: Client) -> None:
    asset = make_asset(review_state="rejected")
    user = make_user(permissions=["imagegen.download_original"])

    address = delivery.original_url(actor=access.actor_for(user), asset=asset)
    answer: Any = client.get(address)

    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["Content-Disposition"] == (
        f'attachment; filename="{asset.original_sha256}.png"'
    )
    assert hashlib.sha256(answer.body).hexdigest() == asset.original_sha256


def test_a_link_to_an_original_is_recorded() -> None:
    asset = make_asset()
    user = make_user(permissions=["imagegen.download_original"])

    delivery.original_url(actor=access.actor_for(user), asset=asset)

    event = AuditEvent.objects.get(type="asset.downloaded")
    assert (event.asset_id, event.actor_id) == (asset.pk, str(user.pk))
    assert asset.original_sha256 in event.body


def test_nobody_gets_an_original_without_the_permission() -> None:
    asset = make_asset()

    with pytest.raises(access.NotPermitted):
        delivery.original_url(actor=access.actor_for(make_user()), asset=asset)

    assert not AuditEvent.objects.filter(type="asset.downloaded").exists()


def test_a_file_of_an_unknown_kind_is_only_ever_downloaded(client: Client) -> None:
    storage.put("assets", page := b"<script>alert(1)</script>", extension="html")
    sha256 = hashlib.sha256(page).hexdigest()
    asset = make_asset(formats=(), sha256=sha256, storage_key=f"assets/{sha256[:2]}/{sha256}.html")

    for address in (delivery.public_url(asset), delivery.signed_url(asset)):
        answer: Any = client.get(address)

        assert answer.headers["Content-Type"] == "application/octet-stream"
        assert answer.headers["Content-Disposition"].startswith("attachment; ")
