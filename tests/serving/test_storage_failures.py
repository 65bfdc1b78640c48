"""A storage that fails is no missing file and no error of the site: visitors are asked to wait."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.template import engines

from imagegen_app.services.gateways import storage
from imagegen_app.services.library import delivery
from imagegen_app.testing.factories import make_asset

if TYPE_CHECKING:
    from django.test import Client

    from tests.failing_storage import FailingStorage

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("call", ["size", "open", "read"])
def test_a_file_that_cannot_be_read_now_is_answered_with_503(
    client: Client, failing_storage: type[FailingStorage], call: str
) -> None:
    asset = make_asset()
    failing_storage.failing = {call}

    for url in (delivery.public_url(asset), delivery.signed_url(asset)):
        answer: Any = client.get(url)

        assert answer.status_code == 503
        assert int(answer.headers["Retry-After"]) > 0
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
        assert "try again" in answer.body.decode()
        assert not answer.cookies


def test_a_file_that_is_gone_is_still_a_404(
    client: Client, failing_storage: type[FailingStorage]
) -> None:
    asset = make_asset()
    storage.image_storage().delete(asset.storage_key)

    assert client.get(delivery.public_url(asset)).status_code == 404


def test_a_file_is_sent_whole_by_a_storage_that_reads_late(
    client: Client, failing_storage: type[FailingStorage]
) -> None:
    asset = make_asset()

    answer: Any = client.get(delivery.public_url(asset))

    assert len(answer.body) == asset.byte_size == int(answer.headers["Content-Length"])


def test_a_picture_on_a_page_needs_no_storage(failing_storage: type[FailingStorage]) -> None:
    asset = make_asset()
    page = engines["django"].from_string(
        "{% load imagegen %}{% imagegen_picture asset %}{% imagegen_url asset %}"
        "{% imagegen_label asset %}{% imagegen_label_for asset 'title' %}"
    )
    failing_storage.failing = {"*"}

    assert "<picture" in page.render({"asset": asset})
