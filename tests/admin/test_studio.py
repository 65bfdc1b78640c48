"""The editor's and the product team's journeys without a line of JavaScript."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection
from django.urls import reverse

from imagegen_app.core.actors import System
from imagegen_app.models import Asset, AuditEvent, Batch, Budget, ImageModel, Job, Placement
from imagegen_app.services.audit import sealing
from imagegen_app.services.policy import model_catalog
from imagegen_app.services.worker import driver
from imagegen_app.testing.factories import make_asset, make_job, make_user
from project.catalog.models import Product
from tests import arranged_rows

if TYPE_CHECKING:
    from django.test import Client

STUDIO = "admin:imagegen_studio"


@pytest.fixture
def shop(db: None, immediate: Any) -> Any:
    """The demo's governance and catalogue; editors may approve what they made."""
    immediate.IMAGEGEN = {**immediate.IMAGEGEN, "REQUIRE_SECOND_REVIEWER": False}
    arranged_rows.demo_shop()
    return immediate


@pytest.fixture
def edda(client: Client, shop: Any, django_user_model: Any) -> Client:
    client.force_login(django_user_model.objects.get(username="editor"))
    return client


def recipe(**changes: str) -> dict[str, str]:
    return {
        "template": "product-still-life",
        "shown_template": "product-still-life",
        "v_product": "mug",
        "v_colour": "red",
        "v_material": "clay",
        "v_setting": "on a light table",
        "size": "1024x1024",
        "count": "2",
        "image_model": str(model_pk()),
        "generate": "1",
        **changes,
    }


def model_pk() -> int:
    from imagegen_app.models import ImageModel  # noqa: PLC0415 - after the apps

    return int(ImageModel.objects.get(slug="sandbox-1").pk)


def test_the_button_shows_count_price_and_remaining_budget(edda: Client) -> None:
    html = edda.post(reverse("admin:imagegen_studio_quote"), recipe()).content.decode()

    assert "Generate 2 · about 0.04 USD" in html
    assert "40.00 USD remain" in html
    assert '<mark title="product">mug</mark>' in html


def test_a_price_below_a_cent_is_not_shown_as_zero(edda: Client) -> None:
    model = ImageModel.objects.get(slug="sandbox-1")
    model.price_list = {"currency": "USD", "per_image": [{"amount": "0.0035"}]}
    model_catalog.save(actor=System("test"), record=model)

    html = edda.post(reverse("admin:imagegen_studio_quote"), recipe(count="1")).content.decode()

    assert "Generate 1 · about 0.0035 USD" in html


def test_a_missing_value_is_reported_in_a_sentence(edda: Client) -> None:
    html = edda.post(reverse("admin:imagegen_studio_quote"), recipe(v_product="")).content.decode()

    assert "Product: a value is required" in html
    assert "Product: a value is required. Fill in “Product”." in html


def test_a_form_that_nobody_touched_says_which_value_comes_next(edda: Client) -> None:
    html = edda.get(reverse(STUDIO), {"template": "product-still-life"}).content.decode()

    assert "Fill in “Product”." in html
    assert "a value is required" not in html
    assert "Change it and try again." not in html


def test_an_editor_generates_chooses_and_publishes_on_a_product(edda: Client) -> None:
    posted = edda.post(reverse(STUDIO) + "?embed=1&field=image", recipe())
    job = Job.objects.get()
    driver.drive(seconds=10)
    page = edda.get(posted["Location"]).content.decode()
    asset = job.assets.get(position=1)
    choose = reverse("admin:imagegen_studio_choose", args=[asset.pk])
    empty = edda.post(choose, {"alt": ""}).content.decode()
    taken = edda.post(choose + "?embed=1&field=image", {"alt": "A red mug"}).content.decode()
    token = re.search(r'token="([^"]+)"', taken)
    assert token is not None
    product = Product.objects.earliest("pk")
    Product.objects.filter(pk=product.pk).update(image_alt="Our best mug")
    form = edda.get(reverse("admin:catalog_product_change", args=[product.pk]))
    fields = form.context["adminform"].form.initial
    sent = {k: v for k, v in fields.items() if v not in (None, "") and k != "image"}
    saved = edda.post(
        reverse("admin:catalog_product_change", args=[product.pk]),
        {
            **sent,
            "category": product.category_id,
            "is_published": "on",
            "image-generated": token[1],
        },
    )

    product.refresh_from_db()
    placement = Placement.objects.get()
    assert page.count("Use this image") == 2
    assert "decorative" in empty
    assert saved.status_code == 302, saved.context["adminform"].form.errors if saved.context else ""
    assert (placement.asset, placement.field, placement.placed_value) == (
        asset,
        "image",
        product.image.name,
    )
    asset.refresh_from_db()
    assert (asset.review_state, asset.alt_text) == ("approved", "A red mug")
    assert product.image_alt == "A red mug"
    assert placement.previous_alt_text == "Our best mug"
    assert str(product.image.name).startswith("products/a-red-mug-")


def test_an_image_selected_by_another_person_is_rejected(edda: Client, client: Client) -> None:
    from imagegen_app.services.library import chooser  # noqa: PLC0415 - this test only
    from imagegen_app.services.policy import access  # noqa: PLC0415

    asset = make_asset()
    stranger = access.actor_for(make_user("stranger"))
    token = chooser.make_token(actor=stranger, asset=asset)
    product = Product.objects.earliest("pk")

    response = edda.post(
        reverse("admin:catalog_product_change", args=[product.pk]),
        {
            "name": product.name,
            "slug": product.slug,
            "sku": product.sku,
            "category": product.category_id,
            "price": "1",
            "image-generated": token,
        },
    )

    assert "Choose the image again" in response.content.decode()
    assert not Placement.objects.exists()


def test_an_image_that_waits_for_a_second_person_cannot_be_saved_yet(
    edda: Client, shop: Any, django_user_model: Any
) -> None:
    shop.IMAGEGEN = {**shop.IMAGEGEN, "REQUIRE_SECOND_REVIEWER": True}
    django_user_model.objects.exclude(username="editor").update(is_active=False)
    edda.post(reverse(STUDIO), recipe(count="1"))
    driver.drive(seconds=10)
    asset = Asset.objects.get()

    taken = edda.post(
        reverse("admin:imagegen_studio_choose", args=[asset.pk]), {"alt": "x"}
    ).content.decode()

    asset.refresh_from_db()
    assert asset.review_state == "pending"
    assert "Another person must approve" in taken
    assert "Nobody else on this site may approve images." in taken


@pytest.mark.parametrize("name", ["job", "status", "cancel"])
def test_other_peoples_jobs_are_not_found(edda: Client, name: str) -> None:
    job = make_asset().job

    assert edda.get(reverse(f"admin:imagegen_studio_{name}", args=[job.pk])).status_code == 404


def test_a_poll_without_changes_is_answered_with_304(edda: Client) -> None:
    edda.post(reverse(STUDIO), recipe(count="1"))
    driver.drive(seconds=10)
    address = reverse("admin:imagegen_studio_status", args=[Job.objects.get().pk])

    etag = edda.get(address)["ETag"]

    assert edda.get(address, headers={"If-None-Match": etag}).status_code == 304


def test_without_the_permission_the_studio_names_it(client: Client, shop: Any) -> None:
    client.force_login(make_user("plain", is_staff=True))

    response = client.get(reverse(STUDIO))

    assert response.status_code == 403
    assert "request job" in response.content.decode()
    assert "Ask the image administrators" in response.content.decode()


def test_only_this_site_may_embed_the_studio_in_a_frame(edda: Client) -> None:
    assert edda.get(reverse(STUDIO))["X-Frame-Options"] == "SAMEORIGIN"


def test_a_product_team_maps_previews_starts_approves_and_places(edda: Client) -> None:
    products = list(Product.objects.order_by("pk")[:3])
    went = edda.post(
        reverse("admin:catalog_product_changelist"),
        {"action": "generate_images", "_selected_action": [p.pk for p in products]},
    )
    page = edda.get(went["Location"]).content.decode()
    key = re.search(r'name="key" value="([^"]+)"', page)
    assert key is not None
    plan = {
        "template": "product-still-life",
        "shown_template": "product-still-life",
        "key": key[1],
        "map_product": "name",
        "map_material": "material",
        "map_colour": "colour",
        "fix_setting": "on a light table",
    }
    seen = edda.post(went["Location"], {**plan, "preview": ""}).content.decode()
    shown = re.search(r'name="shown_plan" value="([^"]+)"', seen)
    assert shown is not None
    plan["shown_plan"] = shown[1]
    started = edda.post(went["Location"], {**plan, "start": ""})
    edda.post(went["Location"], {**plan, "start": ""})
    driver.drive(seconds=20)
    batch = Batch.objects.get()
    grid = edda.get(reverse("admin:imagegen_batch_review", args=[batch.pk])).content.decode()
    assets = list(Asset.objects.order_by("created_at", "pk"))
    decisions = {f"decision-{a.pk}": "approve" for a in assets[:2]} | {
        f"decision-{assets[2].pk}": "reject"
    }
    decisions |= dict(re.findall(r'name="(shown-[^"]+)" value="([^"]+)"', grid))
    edda.post(reverse("admin:imagegen_batch_review", args=[batch.pk]), {**decisions, "place": "1"})

    assert "3 images · about 0.06 USD" in page.replace("\n", " ") or "Generate 3 images" in page
    assert products[0].name in page
    assert started.status_code == 302
    assert batch.jobs.count() == 3
    assert grid.count("data-asset") == 3
    assert sorted(Asset.objects.values_list("review_state", flat=True)) == [
        "approved",
        "approved",
        "rejected",
    ]
    assert Placement.objects.count() == 2
    assert Product.objects.exclude(image="").count() == 2


def test_a_selection_of_one_person_is_refused_for_another(edda: Client, client: Client) -> None:
    response = edda.get(reverse("admin:imagegen_batch_new") + "?target=catalog.Product.image")

    assert response.status_code == 400
    assert "select the objects again" in response.content.decode()


def test_compliance_verifies_the_log_and_exports_one_images_evidence(
    client: Client, shop: Any, edda: Client, django_user_model: Any
) -> None:
    edda.post(reverse(STUDIO), recipe(count="1"))
    driver.drive(seconds=10)
    asset = Asset.objects.get()
    client.force_login(django_user_model.objects.get(username="compliance"))

    report = client.post(reverse("admin:imagegen_log")).content.decode()
    story = client.get(reverse("admin:imagegen_asset_change", args=[asset.pk])).content.decode()
    pack = client.post(reverse("admin:imagegen_asset_evidence", args=[asset.pk]))

    assert "unaltered" in report
    assert "not on a trust list" in story
    assert "Generated by" in story
    assert pack["Content-Type"] == "application/zip"
    assert AuditEvent.objects.filter(type="export.created", asset_id=asset.pk).count() == 1


@pytest.mark.usefixtures("unguarded_log")
def test_evidence_of_an_altered_log_is_refused_and_the_page_says_where(
    client: Client, shop: Any, edda: Client, django_user_model: Any
) -> None:
    edda.post(reverse(STUDIO), recipe(count="1"))
    driver.drive(seconds=10)
    asset = Asset.objects.get()
    sealing.seal_all()
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM imagegen_audittile")
    client.force_login(django_user_model.objects.get(username="compliance"))

    answer = client.post(reverse("admin:imagegen_asset_evidence", args=[asset.pk]), follow=True)

    assert answer["Content-Type"].startswith("text/html")
    assert "nothing is exported" in answer.content.decode()
    assert "is missing or too short" in answer.content.decode()
    assert not AuditEvent.objects.filter(type="export.created").exists()


def test_a_log_that_is_published_nowhere_is_a_warning_on_its_page_and_in_the_panel(
    client: Client, shop: Any, django_user_model: Any
) -> None:
    client.force_login(django_user_model.objects.get(username="compliance"))
    words = "Nothing outside this database binds the log yet"

    assert words in client.get(reverse("admin:imagegen_log")).content.decode()
    assert words in client.get(reverse("admin:index")).content.decode()


def test_an_editor_cannot_open_the_log_or_evidence(edda: Client) -> None:
    asset = make_asset()

    assert edda.get(reverse("admin:imagegen_log")).status_code == 404
    assert edda.post(reverse("admin:imagegen_asset_evidence", args=[asset.pk])).status_code == 404


def test_a_batch_over_budget_is_reported_before_it_starts(edda: Client) -> None:
    for budget in Budget.objects.all():
        budget.limit = Decimal("0.05")
        model_catalog.save(actor=System("test"), record=budget)
    went = edda.post(
        reverse("admin:catalog_product_changelist"),
        {
            "action": "generate_images",
            "_selected_action": [p.pk for p in Product.objects.order_by("pk")[:3]],
        },
    )

    page = edda.get(went["Location"]).content.decode()

    assert "It would cost 0.06 USD; 0.05 USD remain in the budget." in page
    assert not Batch.objects.exists()


def test_the_studio_names_the_amounts_of_a_refusal_with_their_currency(edda: Client) -> None:
    for budget in Budget.objects.all():
        budget.limit = Decimal("0.01")
        model_catalog.save(actor=System("test"), record=budget)

    promise = edda.post(reverse("admin:imagegen_studio_quote"), recipe()).content.decode()

    assert "It would cost 0.04 USD; 0.01 USD remain in the budget." in promise
    assert "Ask " in promise


@pytest.mark.parametrize(
    ("suggestion", "variables", "expected"),
    [
        ("A red mug.", {"product": "mug"}, "This text was suggested automatically"),
        # The values by themselves describe nothing.
        ("", {"product": "mug"}, "Describe the image for people who cannot see it.</p>"),
        ("", {}, "Describe the image for people who cannot see it.</p>"),
    ],
)
def test_the_choose_page_says_where_the_suggested_text_comes_from(
    client: Client, shop: Any, suggestion: str, variables: dict[str, str], expected: str
) -> None:
    owner = make_user("owner", groups=["Image editors"], is_staff=True)
    job = make_job(requester=owner, variables=variables)
    asset = make_asset(job=job, alt_text="", alt_suggestion=suggestion)
    client.force_login(owner)

    page = client.get(reverse("admin:imagegen_studio_choose", args=[asset.pk])).content.decode()

    assert expected in page


def test_unfinished_jobs_are_listed_where_their_images_will_be(edda: Client, shop: Any) -> None:
    shop.IMAGEGEN = {**shop.IMAGEGEN, "ENGINE": "tests.services.silent_engine.SilentEngine"}
    strangers = make_job(requester=make_user("stranger"))
    edda.post(reverse(STUDIO), recipe())
    job = Job.objects.get(requester__username="editor")
    address = reverse("admin:imagegen_studio_job", args=[job.pk])

    queued = edda.get(reverse(STUDIO)).content.decode()
    driver.drive(seconds=10)
    done = edda.get(reverse(STUDIO)).content.decode()

    assert address in queued
    assert f'data-key="running-{job.pk}"' in queued
    assert reverse("admin:imagegen_studio_job", args=[strangers.pk]) not in queued
    assert f'data-key="running-{job.pk}"' not in done
    assert f'data-key="turn-{job.pk}"' in done
