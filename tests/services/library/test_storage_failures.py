"""While a storage fails, what needs it is refused with a reason, and a takedown happens anyway."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from imagegen_app.core.actors import System
from imagegen_app.core.types import Operation
from imagegen_app.models import Job, Placement
from imagegen_app.services.gateways import storage
from imagegen_app.services.job_requests import composition, from_job
from imagegen_app.services.job_requests.values import InputSource
from imagegen_app.services.library import evidence, placement, takedown
from imagegen_app.services.policy.storage_refusals import ImageFileMissing, StorageUnavailable
from imagegen_app.services.worker import driver, sweep
from imagegen_app.testing.factories import make_asset, make_image
from project.catalog.models import Product
from tests import arranged_rows
from tests.services.conftest import Site

if TYPE_CHECKING:
    from tests.failing_storage import FailingStorage

pytestmark = pytest.mark.django_db
REVIEWER = System("reviewer")


def placed_product() -> Product:
    """Place an approved asset on a product."""
    arranged_rows.products()
    product = Product.objects.earliest("pk")
    placement.attach(actor=REVIEWER, asset=make_asset(), target=product, field="image")
    return product


def test_a_request_with_an_asset_is_refused_with_what_why_and_what_to_do(
    site: Site, failing_storage: type[FailingStorage]
) -> None:
    asset = make_asset(requester=site.actor.user)
    failing_storage.failing = {"read"}

    with pytest.raises(StorageUnavailable) as refused:
        site.request(operation=Operation.EDIT, inputs=[InputSource(asset=asset)])

    assert refused.value.message == "The images were not requested."
    assert "does not work at present" in refused.value.reason
    assert "Try again" in refused.value.remedy


def test_an_asset_whose_file_is_gone_is_refused_as_missing(
    site: Site, failing_storage: type[FailingStorage]
) -> None:
    asset = make_asset(requester=site.actor.user)
    storage.image_storage().delete(asset.storage_key)

    with pytest.raises(ImageFileMissing, match="missing"):
        composition.compose(
            actor=site.actor,
            prompt="A cup",
            model=site.model,
            operation=Operation.EDIT,
            inputs=[InputSource(asset=asset)],
        )


@pytest.mark.parametrize("call", ["exists", "save"])
def test_an_upload_that_cannot_be_stored_is_refused_and_makes_no_job(
    site: Site, failing_storage: type[FailingStorage], call: str
) -> None:
    failing_storage.failing = {call}
    upload = InputSource(data=make_image(size=(64, 64)))

    with pytest.raises(StorageUnavailable):
        site.request(operation=Operation.EDIT, inputs=[upload])

    assert not Job.objects.exists()


def test_a_re_run_is_refused_while_its_inputs_cannot_be_read(
    site: Site, failing_storage: type[FailingStorage]
) -> None:
    upload = InputSource(data=make_image(size=(64, 64)))
    job = site.request(operation=Operation.EDIT, inputs=[upload])
    driver.drive(seconds=10)
    failing_storage.failing = {"open"}

    with pytest.raises(StorageUnavailable):
        from_job.job_request_from(actor=site.actor, job=job)


def test_evidence_is_refused_while_the_file_cannot_be_read(
    failing_storage: type[FailingStorage],
) -> None:
    asset = make_asset()
    failing_storage.failing = {"read"}

    with pytest.raises(StorageUnavailable, match="evidence was not exported"):
        evidence.build_pack(actor=REVIEWER, asset=asset)


@pytest.mark.parametrize("call", ["read", "save"])
def test_an_image_is_not_placed_by_a_storage_that_fails(
    failing_storage: type[FailingStorage], call: str
) -> None:
    arranged_rows.products()
    product, asset = Product.objects.earliest("pk"), make_asset()
    before = product.image.name
    failing_storage.failing = {call}

    with pytest.raises(StorageUnavailable, match="was not placed"):
        placement.attach(actor=REVIEWER, asset=asset, target=product, field="image")

    product.refresh_from_db()
    assert product.image.name == before
    assert not Placement.objects.exists()


def test_a_takedown_happens_at_once_and_the_copy_is_deleted_when_the_storage_works_again(
    failing_storage: type[FailingStorage], django_capture_on_commit_callbacks: object
) -> None:
    product = placed_product()
    asset = Placement.objects.get().asset
    name, files = str(product.image.name), product.image.storage
    failing_storage.failing = {"*"}

    with django_capture_on_commit_callbacks(execute=True):  # type: ignore[operator]  # pytest-django's fixture
        cleared = takedown.withdraw(actor=REVIEWER, asset=asset)
    product.refresh_from_db()
    state = (cleared, product.image.name, Placement.objects.filter(has_copy_to_delete=True).count())
    failing_storage.failing = set()
    was_there = files.exists(name)
    sweep.sweep()

    asset.refresh_from_db()
    assert asset.review_state == "withdrawn"
    assert state == (1, "", 1)
    assert (was_there, files.exists(name)) == (True, False)
    assert not Placement.objects.filter(has_copy_to_delete=True).exists()


def test_a_missing_file_does_not_keep_the_other_images_from_being_placed(
    failing_storage: type[FailingStorage],
) -> None:
    arranged_rows.products()
    first, second = Product.objects.order_by("pk")[:2]
    lost, kept = make_asset(), make_asset()
    storage.image_storage().delete(lost.storage_key)

    with pytest.raises(ImageFileMissing):
        placement.attach_each(actor=REVIEWER, pairs=[(lost, first), (kept, second)], field="image")

    assert [placed.asset for placed in Placement.objects.all()] == [kept]
