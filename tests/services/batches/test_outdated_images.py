"""A placed image is out of date when the photo that it was made of has changed."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from django.core.files.base import ContentFile

from imagegen_app.models import Job, JobInput
from imagegen_app.services.batches import lifecycle, outdated, row_jobs
from imagegen_app.services.gateways import content_fields
from imagegen_app.services.library import placement
from imagegen_app.testing.factories import make_asset, make_attempt, make_image, make_template
from project.catalog.models import Category, Product
from tests.services.batches.test_lifecycle import TARGET, VARIABLES, products
from tests.services.batches.test_outdated import boss, finish, found, shown, target, told
from tests.services.batches.test_row_images import may_change

if TYPE_CHECKING:
    from imagegen_app.models import Batch, TemplateVersion
    from tests.services.conftest import Site


@pytest.fixture
def version(site: Site) -> TemplateVersion:
    may_change(site)
    may_change(site, code="view_category")
    return make_template(
        body="Put the {{ product }} on a table",
        variables=VARIABLES,
        operation="edit",
        image_model=site.model,
    )


def placed(site: Site, version: TemplateVersion, path: str) -> Batch:
    """Have an image made of the photo at that path for a new product, and place it."""
    keys = products(1)
    product = Product.objects.get(pk=keys[0])
    product.image.save("own.png", ContentFile(make_image()))
    product.category.cover.save("shelf.png", ContentFile(make_image()))
    batch = lifecycle.start(
        actor=site.actor,
        version=version,
        title="Cups",
        keys=keys,
        target=content_fields.target_by_path(TARGET),
        mapping={"product": "name"},
        images={"image": path},
        key=uuid4().hex,
    )
    assert row_jobs.create_next_jobs()
    job = Job.objects.get(batch=batch)
    finish(job)
    product.refresh_from_db()
    asset = make_asset(attempt=make_attempt(job=job))
    placement.attach(actor=boss(), asset=asset, target=product, field="image")
    return batch


def renamed_cover() -> str:
    shelf = Category.objects.get(name="Shelf")
    shelf.cover.save("other.png", ContentFile(make_image()))
    return str(shelf.cover.name)


def test_another_photo_in_its_field_makes_an_image_outdated_and_is_its_next_input(
    site: Site, version: TemplateVersion
) -> None:
    placed(site, version, "category.cover")
    assert found(site) == []
    name = renamed_cover()

    ((label, before, after),) = told(site)
    assert (label, after) == ("Image", name.rpartition("/")[2])
    assert before.startswith("shelf")

    (batch,) = outdated.refresh(
        actor=site.actor, target=target(), shown=shown(found(site)), key="again"
    )
    assert batch.mapping["images"] == {"image": "category.cover"}
    assert row_jobs.create_next_jobs()
    entry = JobInput.objects.get(job__batch=batch)
    assert entry.found_at == name


def test_an_image_that_replaced_its_own_photo_is_not_made_of_itself_again(
    site: Site, version: TemplateVersion
) -> None:
    placed(site, version, "image")
    assert found(site) == []
    Product.objects.update(name="Bowl")

    (one,) = found(site)
    assert "the photo that it has replaced" in one.today.problem
    assert not one.is_refreshable


def test_an_erased_name_of_a_photo_makes_nothing_outdated(
    site: Site, version: TemplateVersion
) -> None:
    from imagegen_app.services.foundation.unit import use_case  # noqa: PLC0415

    placed(site, version, "category.cover")
    use_case(audited=False)(lambda: JobInput.objects.update(found_at=""))()
    renamed_cover()

    assert found(site) == []
