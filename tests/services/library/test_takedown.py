from __future__ import annotations

import pytest

from imagegen_app.core.actors import System
from imagegen_app.models import AuditEvent, Placement
from imagegen_app.services.library import placement, takedown
from imagegen_app.testing.factories import make_asset
from project import seed
from project.catalog.models import Product

pytestmark = pytest.mark.django_db
REVIEWER = System("reviewer")


def test_withdrawing_clears_the_fields_that_hold_a_copy(
    django_capture_on_commit_callbacks: object,
) -> None:
    seed.create_catalog()
    product = Product.objects.earliest("pk")
    asset = make_asset()
    placement.attach(actor=REVIEWER, asset=asset, target=product, field="image")
    storage, name = product.image.storage, str(product.image.name)

    with django_capture_on_commit_callbacks(execute=True):  # type: ignore[operator]  # pytest-django's fixture
        cleared = takedown.withdraw(actor=REVIEWER, asset=asset, note="Report 12")

    product.refresh_from_db()
    asset.refresh_from_db()
    assert (cleared, asset.review_state, bool(product.image)) == (1, "withdrawn", False)
    assert not storage.exists(name)
    assert not Placement.objects.active().exists()
    assert AuditEvent.objects.filter(type="placement.removed", asset_id=asset.pk).count() == 1


def test_a_field_changed_since_is_not_cleared() -> None:
    seed.create_catalog()
    product = Product.objects.earliest("pk")
    asset = make_asset()
    placement.attach(actor=REVIEWER, asset=asset, target=product, field="image")
    product.image = "products/other.png"
    product.save()

    cleared = takedown.withdraw(actor=REVIEWER, asset=asset)

    product.refresh_from_db()
    assert (cleared, product.image.name) == (0, "products/other.png")
