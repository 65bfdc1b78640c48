"""A public file is there while its asset is approved, and says only what it is."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import pytest

from imagegen_app.core.actors import System
from imagegen_app.core.states import ReviewState
from imagegen_app.services.gateways import storage
from imagegen_app.services.library import delivery, review
from imagegen_app.testing.factories import make_asset, make_user

if TYPE_CHECKING:
    from django.test import Client

    from imagegen_app.models import Asset

pytestmark = pytest.mark.django_db
HIDDEN = [ReviewState.PENDING, ReviewState.REJECTED, ReviewState.WITHDRAWN]


def files_of(asset: Asset) -> list[str]:
    """Return the public addresses of the master and of every rendition."""
    files: list[Any] = [asset, *asset.renditions.all()]
    return [delivery.public_url(file) for file in files]


def assert_nothing_is_there(answer: Any) -> None:
    assert answer.status_code == 404
    assert "ETag" not in answer.headers
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"


def test_an_approved_master_is_sent_as_it_was_stored(client: Client) -> None:
    asset = make_asset()

    answer: Any = client.get(delivery.public_url(asset))

    assert answer.status_code == 200
    assert hashlib.sha256(answer.body).hexdigest() == asset.sha256


@pytest.mark.parametrize(
    ("name", "extension", "media_type"),
    [
        ("avif", "avif", "image/avif"),
        ("webp", "webp", "image/webp"),
        ("jpeg", "jpg", "image/jpeg"),
        ("png", "png", "image/png"),
    ],
)
def test_the_media_type_comes_from_our_table(
    client: Client, name: str, extension: str, media_type: str
) -> None:
    asset = make_asset(formats=[name], widths=[16])
    (rendition,) = asset.renditions.all()

    answer: Any = client.get(delivery.public_url(rendition))

    assert answer.headers["Content-Type"] == media_type
    assert answer.headers["Content-Disposition"] == (
        f'inline; filename="{rendition.sha256}.{extension}"'
    )
    assert hashlib.sha256(answer.body).hexdigest() == rendition.sha256


def test_the_headers_prevent_any_use_but_as_an_image(client: Client) -> None:
    asset = make_asset()

    answer: Any = client.get(delivery.public_url(asset))

    wanted = {
        "Cache-Control": "public, max-age=0, must-revalidate",
        "Content-Disposition": f'inline; filename="{asset.sha256}.png"',
        "Content-Length": str(asset.byte_size),
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "Content-Type": "image/png",
        "Cross-Origin-Resource-Policy": "same-site",
        "ETag": f'"{asset.sha256}"',
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }
    assert {name: answer.headers.get(name) for name in wanted} == wanted
    assert "X-Frame-Options" not in answer.headers


def test_no_cookie_is_set_though_middleware_would(client: Client) -> None:
    asset = make_asset()

    # The CMS's middleware sets a language cookie on whatever it can.
    assert client.get("/en/shop/").cookies
    for address in (delivery.public_url(asset), f"/imagegen/files/{'0' * 64}.png"):
        answer: Any = client.get(address)

        assert not answer.cookies


@pytest.mark.usefixtures("plain_site")
def test_the_session_is_not_read(client: Client) -> None:
    asset = make_asset()
    client.force_login(make_user())

    answer: Any = client.get(delivery.public_url(asset))

    assert answer.status_code == 200
    # Django's sessions put their cookie's name there as soon as they are read.
    assert "Cookie" not in answer.headers.get("Vary", "")


@pytest.mark.usefixtures("plain_site")
def test_a_file_costs_two_queries_at_most(
    client: Client, django_assert_max_num_queries: Any
) -> None:
    asset = make_asset()

    for address in files_of(asset):
        with django_assert_max_num_queries(2):
            assert client.get(address).status_code == 200


@pytest.mark.parametrize("state", HIDDEN)
def test_files_of_an_unapproved_asset_are_not_found(client: Client, state: ReviewState) -> None:
    asset = make_asset(review_state=state)

    for address in files_of(asset):
        assert_nothing_is_there(client.get(address))
        assert_nothing_is_there(client.head(address))


@pytest.mark.parametrize("state", HIDDEN)
def test_a_known_hash_does_not_reveal_an_unapproved_asset(
    client: Client, state: ReviewState
) -> None:
    asset = make_asset(review_state=state)

    answer: Any = client.get(delivery.public_url(asset), headers={"If-None-Match": "*"})

    assert_nothing_is_there(answer)


def test_withdrawing_takes_every_file_down_at_the_next_request(client: Client) -> None:
    asset = make_asset()
    addresses = files_of(asset)
    assert [client.get(address).status_code for address in addresses] == [200] * len(addresses)

    review.withdraw(actor=System("tests"), asset=asset, note="a person objected")

    for address in addresses:
        assert_nothing_is_there(client.get(address))
        held = {"If-None-Match": f'"{address.rpartition("/")[2].partition(".")[0]}"'}
        assert_nothing_is_there(client.get(address, headers=held))


def test_bytes_shared_with_an_approved_asset_stay_there(client: Client) -> None:
    hidden, shown = make_asset(review_state="pending"), make_asset(formats=())
    twin = make_asset(formats=(), sha256=hidden.sha256, storage_key=hidden.storage_key)

    assert client.get(delivery.public_url(twin)).status_code == 200
    assert client.get(delivery.public_url(shown)).status_code == 200


def test_the_original_is_never_public(client: Client) -> None:
    asset = make_asset()

    assert_nothing_is_there(client.get(f"/imagegen/files/{asset.original_sha256}.png"))


def test_an_unchanged_file_is_not_sent_again(client: Client) -> None:
    asset = make_asset()
    # Nothing is read from the storage for it: the file itself is gone.
    storage.image_storage().delete(asset.storage_key)

    for held in (
        f'"{asset.sha256}"',
        f'W/"{asset.sha256}"',
        f'"other", "{asset.sha256}"',
        "*",
    ):
        answer: Any = client.get(delivery.public_url(asset), headers={"If-None-Match": held})

        assert answer.status_code == 304
        assert answer.content == b""
        assert answer.headers["ETag"] == f'"{asset.sha256}"'
        assert answer.headers["Cache-Control"] == "public, max-age=0, must-revalidate"
        assert not answer.cookies


def test_another_tag_gets_the_whole_file(client: Client) -> None:
    asset = make_asset()

    answer: Any = client.get(delivery.public_url(asset), headers={"If-None-Match": '"other"'})

    assert answer.status_code == 200


def test_head_has_the_same_headers_without_the_bytes(client: Client) -> None:
    asset = make_asset()
    address = delivery.public_url(asset)

    told, sent = client.head(address), client.get(address)

    assert told.status_code == 200
    assert told.content == b""
    assert dict(told.headers) == dict(sent.headers)


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete", "options"])
def test_only_get_and_head_are_allowed(client: Client, method: str) -> None:
    asset = make_asset()

    assert getattr(client, method)(delivery.public_url(asset)).status_code == 405


def test_a_request_for_a_part_gets_the_whole(client: Client) -> None:
    asset = make_asset()

    answer: Any = client.get(delivery.public_url(asset), headers={"Range": "bytes=0-9"})

    assert answer.status_code == 200
    assert "Content-Range" not in answer.headers
    assert len(answer.body) == asset.byte_size


@pytest.mark.parametrize(
    "name",
    [
        f"{'0' * 64}.png",
        f"{'0' * 64}",
        f"{'0' * 64}.",
        f"{'0' * 63}.png",
        f"{'G' * 64}.png",
        "..%2F..%2Fsettings.py",
        "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
        f"{'0' * 64}.png%00.html",
        f"{'0' * 64}.png.html",
        f"{'0' * 64}.p%2Fg",
        f"{chr(0xFF10) * 64}.png",
    ],
)
def test_an_invalid_name_is_not_found(client: Client, name: str) -> None:
    answer: Any = client.get(f"/imagegen/files/{name}", follow=True)

    assert answer.status_code == 404


def test_a_file_is_not_found_under_another_extension(client: Client) -> None:
    asset = make_asset()

    for extension in ("html", "svg", "jpg", "PNG"):
        assert_nothing_is_there(client.get(f"/imagegen/files/{asset.sha256}.{extension}"))


def test_a_capital_hash_is_another_name(client: Client) -> None:
    asset = make_asset()

    assert_nothing_is_there(client.get(f"/imagegen/files/{asset.sha256.upper()}.png"))


def test_a_file_missing_from_the_storage_is_not_found(client: Client) -> None:
    asset = make_asset()
    storage.image_storage().delete(asset.storage_key)

    assert_nothing_is_there(client.get(delivery.public_url(asset)))
    assert_nothing_is_there(client.head(delivery.public_url(asset)))
