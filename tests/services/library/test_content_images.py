"""The image of an object of the site as the start of a request: read, screened and recorded."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.core.files.base import ContentFile

from imagegen_app.core.actors import System
from imagegen_app.models import AuditEvent, ImageModel, JobInput, Verdict
from imagegen_app.services.gateways import content_fields
from imagegen_app.services.job_requests import composition, creation, from_job
from imagegen_app.services.library import content_images, placement
from imagegen_app.services.policy import access
from imagegen_app.testing.factories import make_asset, make_image, make_user
from project.catalog.models import Product
from tests import arranged_rows

PERMISSIONS = ["imagegen.request_job", "catalog.change_product"]


@pytest.fixture
def product(db: None) -> Any:
    arranged_rows.demo_shop()
    product = Product.objects.order_by("pk").first()
    assert product is not None
    product.image.save("mug.png", ContentFile(make_image(size=(96, 64))))
    return product


@pytest.fixture
def edda(product: Any, django_user_model: Any) -> Any:
    return access.actor_for(django_user_model.objects.get(username="editor"))


@pytest.fixture
def target() -> content_fields.Target:
    found = content_fields.target_by_path("catalog.Product.image")
    assert found is not None
    return found


def request_for(actor: Any, image: content_images.ContentImage) -> Any:
    return composition.compose(
        actor=actor,
        prompt="The same mug on a shelf",
        model=ImageModel.objects.get(slug="sandbox-1"),
        operation="edit",
        inputs=[image.source],
    )


def test_it_is_an_input_image_whose_origin_is_recorded(
    product: Any, edda: Any, target: Any
) -> None:
    image = content_images.content_image(edda, product, target)

    job = creation.request_images(actor=edda, job_request=request_for(edda, image))

    assert (image.width, image.height) == (96, 64)
    stored = JobInput.objects.get(job=job)
    origin = {"field": "catalog.Product.image", "object": str(product.pk)}
    assert (stored.asset, stored.content_origin) == (None, origin)
    event = AuditEvent.objects.get(type="job.requested", job_id=job.pk)
    assert json.loads(event.body)["data"]["inputs_from"] == [origin]


def test_a_rerun_keeps_the_origin(product: Any, edda: Any, target: Any) -> None:
    image = content_images.content_image(edda, product, target)
    job = creation.request_images(actor=edda, job_request=request_for(edda, image))

    (source,) = from_job.input_sources(job)

    assert source.content == image.origin


def test_it_is_screened_as_uploads_are(product: Any, edda: Any, target: Any, settings: Any) -> None:
    backend = "tests.services.worker.test_sent_images.Recording"
    screener = {"BACKEND": backend, "NAME": "recording", "STAGES": ["input"]}
    settings.IMAGEGEN = {**settings.IMAGEGEN, "SCREENERS": [screener]}
    image = content_images.content_image(edda, product, target)

    job = creation.request_images(actor=edda, job_request=request_for(edda, image))

    assert Verdict.objects.filter(job=job, stage="input", part="input_image:1").exists()


def test_who_may_not_change_the_object_gets_no_image(product: Any, target: Any) -> None:
    other = access.actor_for(make_user("vera", permissions=["imagegen.request_job"]))

    with pytest.raises(access.NotPermitted, match="permission to change"):
        content_images.content_image(other, product, target)


def test_an_image_of_ours_an_empty_field_and_no_image_are_refused(
    product: Any, edda: Any, target: Any
) -> None:
    product.image.save("words.png", ContentFile(b"no image at all"))
    with pytest.raises(content_images.NotAStart):
        content_images.content_image(edda, product, target)
    placement.attach(actor=System("test"), asset=make_asset(), target=product, field="image")
    with pytest.raises(content_images.NotAStart, match="no image that was uploaded"):
        content_images.content_image(edda, product, target)
    product.image.delete()
    with pytest.raises(content_images.NotAStart, match="no image that was uploaded"):
        content_images.content_image(edda, product, target)
