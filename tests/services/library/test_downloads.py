"""Files are handed out to whom may see them, and each time is recorded."""

from __future__ import annotations

import pytest

from imagegen_app.models import AuditEvent
from imagegen_app.services.library import delivery
from imagegen_app.services.policy import access
from imagegen_app.testing.factories import make_asset, make_user

pytestmark = pytest.mark.django_db


def test_a_published_file_is_downloaded_by_whom_may_see_it() -> None:
    owner = make_user()
    asset = make_asset(review_state="pending", requester=owner)

    delivery.download_url(actor=access.actor_for(owner), asset=asset)
    delivery.download_url(
        actor=access.actor_for(make_user(permissions=["imagegen.view_asset"])), asset=asset
    )

    assert AuditEvent.objects.filter(type="asset.downloaded", asset_id=asset.pk).count() == 2


def test_nobody_downloads_the_image_of_others() -> None:
    asset = make_asset(review_state="pending")

    with pytest.raises(access.NotPermitted):
        delivery.download_url(actor=access.actor_for(make_user()), asset=asset)

    assert not AuditEvent.objects.filter(type="asset.downloaded").exists()
