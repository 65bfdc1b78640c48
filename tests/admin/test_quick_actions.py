"""What can be done to an image where it is shown: beside its field, and in the history of its object."""

from __future__ import annotations

import re
from html import unescape
from typing import TYPE_CHECKING, Any

import pytest
from django.core.files.base import ContentFile
from django.urls import reverse

from imagegen_app.core.actors import System
from imagegen_app.models import Batch, ImageModel, Job, Placement
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.library import placement
from imagegen_app.services.policy import access
from imagegen_app.testing.factories import (
    make_asset,
    make_image,
    make_job,
    make_template,
    make_user,
)
from project.catalog.models import Product
from tests import arranged_rows, changed_rows

if TYPE_CHECKING:
    from django.test import Client

TARGET = "catalog.Product.image"


@pytest.fixture
def edda(client: Client, db: None, immediate: Any, django_user_model: Any) -> Client:
    arranged_rows.demo_shop()
    client.force_login(django_user_model.objects.get(username="editor"))
    return client


@pytest.fixture
def product(edda: Client) -> Any:
    return Product.objects.order_by("pk").first()


@pytest.fixture
def placed(edda: Client, product: Any, django_user_model: Any) -> Any:
    owner = django_user_model.objects.get(username="editor")
    model = ImageModel.objects.get(slug="sandbox-1")
    asset = make_asset(job=make_job(requester=owner, image_model=model))
    placement.attach(actor=access.actor_for(owner), asset=asset, target=product, field="image")
    return asset


def form(client: Client, product: Any) -> str:
    return client.get(reverse("admin:catalog_product_change", args=[product.pk])).content.decode()


def quick_of(html: str) -> str:
    return html.partition("imagegen-quick")[2].partition("</details>")[0]


def requested(client: Client, address: str, html: str) -> Any:
    """Send the studio's form as a browser does, with words; return the job."""
    hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', html))
    model = ImageModel.objects.get(slug="sandbox-1")
    sent = {
        **hidden,
        "prompt": "On a shelf",
        "image_model": str(model.pk),
        "operation": "edit",
        "size": "source",
        "count": "1",
        "generate": "1",
    }
    answer = client.post(address, sent)
    assert answer.status_code == 302
    return Job.objects.get(root=None)


def history(product: Any, **changes: str) -> str:
    query = {"target": TARGET, "object": str(product.pk), **changes}
    return f"{reverse('admin:imagegen_object_history')}?target={query['target']}&object={query['object']}"


def test_beside_a_field_its_image_can_be_changed_and_the_result_comes_back_to_it(
    edda: Client, product: Any, placed: Any
) -> None:
    html = form(edda, product)

    for operation in ("remove_background", "outpaint", "upscale", "vary", "edit"):
        assert f"from={placed.pk}&amp;operation={operation}" in html
    quick = html.partition("imagegen-quick")[2].partition("</details>")[0]
    assert quick.count('data-imagegen-open="image"') == 5
    assert f"target={TARGET}&amp;object={product.pk}&amp;from=" in quick
    assert history(product).replace("&", "&amp;") in quick


def test_without_an_image_there_is_nothing_to_change(edda: Client, product: Any) -> None:
    html = form(edda, product)

    assert "from=" not in html
    assert "content=" not in quick_of(html)
    assert "AI history of this object" in html
    new = edda.get(reverse("admin:catalog_product_add")).content.decode()
    assert "AI history of this object" not in new


def test_an_image_that_was_uploaded_can_be_changed_too(edda: Client, product: Any) -> None:
    product.image.save("mug.png", ContentFile(make_image(size=(96, 64))))

    quick = quick_of(form(edda, product))

    assert quick.count('data-imagegen-open="image"') == 5
    links = re.findall(r'href="([^"]*content=[^"]*operation=edit[^"]*)"', quick)
    html = edda.get(unescape(links[0])).content.decode()
    assert f"A new image is made from the image of “{product}”" in html
    assert 'width="96" height="64"' in html

    job = requested(edda, unescape(links[0]), html)

    assert job.operation == "edit"
    origin = {"field": TARGET, "object": str(product.pk)}
    assert [one.content_origin for one in job.inputs.all()] == [origin]


def test_the_image_of_an_object_that_cannot_be_changed_is_no_start(
    edda: Client, product: Any, client: Client
) -> None:
    product.image.save("mug.png", ContentFile(make_image()))
    for reference in (f"{TARGET}:{product.pk}", f"{TARGET}:999999", f"{TARGET}:x", "auth.User:1"):
        client.force_login(make_user(is_staff=True, permissions=["imagegen.request_job"]))

        html = client.get(reverse("admin:imagegen_studio"), {"content": reference}).content.decode()

        assert "The image to start from is not there any more" in html
        assert 'name="content"' not in html


def test_the_history_tells_what_is_shown_what_was_and_what_was_made_for_the_object(
    edda: Client, product: Any, placed: Any, django_user_model: Any
) -> None:
    owner = django_user_model.objects.get(username="editor")
    again = make_asset(job=make_job(requester=owner))
    placement.attach(actor=access.actor_for(owner), asset=again, target=product, field="image")
    made = _made_in_a_batch(product, owner)

    html = edda.get(history(product)).content.decode()

    for asset in (placed, again, made):
        assert reverse("admin:imagegen_studio_result", args=[asset.pk]) in html
    assert html.count("shown now") == 1
    assert html.count("not shown any more") == 1
    assert reverse("admin:catalog_product_change", args=[product.pk]) in html


def test_a_field_that_is_there_no_more_keeps_its_name_in_the_history(
    edda: Client, product: Any, placed: Any
) -> None:
    changed_rows.change(Placement.objects.get(asset=placed), field="picture")

    assert "picture · placed" in edda.get(history(product)).content.decode()


def test_images_of_others_are_left_out_and_that_is_said(edda: Client, product: Any) -> None:
    theirs = make_asset()
    placement.record_placement(
        actor=System("test"), asset=theirs, target=product, field="image", value="x"
    )

    html = edda.get(history(product)).content.decode()

    assert str(theirs.pk) not in html
    assert "Images of other people are not listed" in html
    assert "No AI image was ever placed on it." in html


def test_an_object_that_its_admin_does_not_show_has_no_history(
    client: Client, edda: Client, product: Any, django_user_model: Any
) -> None:
    assert edda.get(history(product, object="999999")).status_code == 404
    assert edda.get(history(product, object="x")).status_code == 404
    assert edda.get(history(product, target="auth.User.password")).status_code == 404
    client.force_login(django_user_model.objects.get(username="compliance"))
    found = client.get(history(product)).status_code
    assert found == (
        200
        if django_user_model.objects.get(username="compliance").has_perm("catalog.view_product")
        else 404
    )


def test_the_record_of_an_image_leads_to_what_can_be_made_of_it(
    client: Client, placed: Any, django_user_model: Any
) -> None:
    client.force_login(django_user_model.objects.get(username="admin"))

    html = client.get(reverse("admin:imagegen_asset_change", args=[placed.pk])).content.decode()

    assert reverse("admin:imagegen_studio_result", args=[placed.pk]) in html


@use_case(audited=False)
def _made_in_a_batch(product: Any, owner: Any) -> Any:
    version = make_template()
    batch = Batch.objects.create(
        title="Many",
        template_version=version,
        image_model=ImageModel.objects.get(slug="sandbox-1"),
        requester=owner,
        actor_kind="person",
        actor_id=str(owner.pk),
        idempotency_key="many",
        mapping={"target": TARGET},
    )
    made = make_asset(job=make_job(requester=owner), review_state="pending")
    Job.objects.filter(pk=made.job_id).update(batch=batch, row_key=str(product.pk))
    return made


def test_what_says_all_by_itself_asks_for_no_words(edda: Client, placed: Any) -> None:
    query = f"?from={placed.pk}&image_model={placed.job.image_model_id}&operation="
    studio = reverse("admin:imagegen_studio")

    cut_out = edda.get(f"{studio}{query}remove_background").context["form"]
    edited = edda.get(f"{studio}{query}edit").context["form"]

    assert not cut_out.fields["prompt"].required
    assert edited.fields["prompt"].required
