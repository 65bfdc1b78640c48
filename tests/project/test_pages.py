"""What visitors and editors of the demo shop see."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from cms.models import PageContent
from cms.toolbar.utils import get_object_edit_url
from django.contrib.auth import get_user_model
from django.core.cache import cache
from django.db import transaction
from django.test import RequestFactory
from django.urls import reverse
from django.views.defaults import server_error
from djangocms_versioning.models import Version

from project import seed
from project.catalog.models import Product
from project.catalog.products import SHELVES
from project.catalog.tints import PLAIN, TINTS, tint_of
from project.csp import POLICY
from tests.architecture.tree import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.test import Client

pytestmark = pytest.mark.usefixtures("shared_shop")
HEADER = "Content-Security-Policy"
STATIC = ROOT / "project" / "static" / "site"
PUBLIC = (
    "/en/",
    "/en/journal/",
    "/en/journal/a-day-at-the-kiln/",
    "/en/about/",
    "/en/shop/",
    "/en/shop/shelf/lamps/",
    "/en/shop/morgen-mug/",
)


@pytest.fixture(scope="module")
def seeded(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """A shop that is seeded once for all tests of this module; each of them is a savepoint in it."""
    with django_db_blocker.unblock():
        shared = transaction.atomic()
        shared.__enter__()
        try:
            seed.create_users()
            seed.create_catalog()
            seed.create_pages()
            with django_db_blocker.block():
                yield
        finally:
            transaction.set_rollback(True)
            shared.__exit__(None, None, None)


@pytest.fixture
def shared_shop(seeded: None, db: None) -> None:
    """The seeded shop, whose menus nothing remembers from another test."""
    cache.clear()


def signed_in(client: Client, username: str) -> Client:
    """Return the client with one of the shop's people signed in."""
    client.force_login(get_user_model().objects.get(username=username))
    return client


@pytest.mark.parametrize("address", PUBLIC)
def test_a_visitor_reads_a_page_under_the_strict_policy(client: Client, address: str) -> None:
    answer = client.get(address)

    assert answer.status_code == 200
    assert answer.headers[HEADER] == POLICY


@pytest.mark.parametrize("address", PUBLIC)
def test_a_page_carries_nothing_inline(client: Client, address: str) -> None:
    page = client.get(address).content.decode()

    assert "<style" not in page
    assert re.findall(r"\s(?:style|on[a-z]+)=", page) == []
    assert re.findall(r"<script(?![^>]*\ssrc=)", page) == []


@pytest.mark.parametrize("address", PUBLIC)
def test_a_page_has_its_landmarks_and_one_heading(client: Client, address: str) -> None:
    page = client.get(address).content.decode()

    assert page.count("<h1") == 1
    assert page.count('<main id="main"') == 1
    assert 'href="#main"' in page
    assert re.findall(r"<img(?![^>]*\salt=)", page) == []


def test_the_navigation_leads_to_the_pages_of_the_cms(client: Client) -> None:
    page = client.get("/en/shop/").content.decode()

    assert 'href="/en/journal/"' in page
    assert 'href="/en/about/"' in page


def test_the_journal_leads_to_its_articles(client: Client) -> None:
    page = client.get("/en/journal/").content.decode()

    assert 'href="/en/journal/mending-a-paper-cord-seat/"' in page


def test_the_shop_shows_every_published_product(client: Client) -> None:
    hidden = Product.objects.get(slug="morgen-mug")
    Product.objects.filter(pk=hidden.pk).update(is_published=False)

    listed = client.get("/en/shop/").context["products"]

    assert set(listed) == set(Product.objects.exclude(pk=hidden.pk))
    assert client.get("/en/shop/morgen-mug/").status_code == 404


def test_a_shelf_shows_its_own_products_only(client: Client) -> None:
    listed = client.get("/en/shop/shelf/lamps/").context["products"]

    assert {product.category.slug for product in listed} == {"lamps"}
    assert client.get("/en/shop/shelf/nowhere/").status_code == 404


def test_a_product_without_an_image_shows_a_drawing_of_its_kind(client: Client) -> None:
    page = client.get("/en/shop/morgen-mug/").content.decode()

    assert "site/shapes.svg#mugs" in page
    assert "tint-sand" in page


def test_a_product_with_an_image_shows_it_with_its_description(client: Client) -> None:
    Product.objects.filter(slug="morgen-mug").update(
        image="products/morgen.png", image_alt="A mug & steam"
    )

    page = client.get("/en/shop/morgen-mug/").content.decode()

    assert 'src="/media/products/morgen.png" alt="A mug &amp; steam"' in page
    assert "site/shapes.svg#mugs" not in page.split('id="more-title"')[0]


def test_every_shelf_has_a_drawing_and_every_tint_a_colour() -> None:
    shapes, sheet = ((STATIC / name).read_text() for name in ("shapes.svg", "site.css"))

    assert [shelf.slug for shelf in SHELVES if f'id="{shelf.slug}"' not in shapes] == []
    assert [tint for tint in {PLAIN, *TINTS.values()} if f".tint-{tint} " not in sheet] == []
    assert tint_of("Forest green") == "moss"
    assert tint_of("ultraviolet") == PLAIN


def test_nothing_is_fetched_from_another_host() -> None:
    sheet = (STATIC / "site.css").read_text()

    assert "@import" not in sheet
    assert "url(" not in sheet


def test_somebody_of_the_shop_signs_in_with_the_password_of_the_demo(
    client: Client,
) -> None:
    editor = get_user_model().objects.get(username="editor")
    editor.set_password("editor-demo")
    editor.save()

    answer = client.post(
        "/en/admin/login/",
        {"username": "editor", "password": "editor-demo", "next": "/en/admin/"},
        follow=True,
    )

    assert answer.context["user"] == editor
    assert "/en/admin/catalog/product/" in answer.content.decode()


def test_an_editor_opens_a_draft_for_editing(client: Client) -> None:
    signed_in(client, "editor")
    content = PageContent.objects.get(page__is_home=True, language="en")
    editor = get_user_model().objects.get(username="editor")
    draft = Version.objects.get_for_content(content).copy(editor).content

    answer = client.get(get_object_edit_url(draft))

    assert answer.status_code == 200
    assert b"cms-plugin" in answer.content
    assert HEADER not in answer.headers


def test_a_public_page_with_the_toolbar_is_exempt_from_the_policy(client: Client) -> None:
    answer = signed_in(client, "editor").get("/en/")

    assert b"cms-toolbar" in answer.content
    assert HEADER not in answer.headers


@pytest.mark.parametrize("address", ["/en/?toolbar_on", "/en/shop/?toolbar_on"])
def test_no_link_takes_the_policy_off_a_visitors_page(client: Client, address: str) -> None:
    answer = client.get(address)

    assert answer.status_code == 200
    assert answer.headers[HEADER] == POLICY


@pytest.mark.parametrize("address", ["/en/nowhere/", "/de/shop/nowhere/"])
def test_a_wrong_address_leads_back_into_the_shop(client: Client, address: str) -> None:
    answer = client.get(address)

    page = answer.content.decode()
    assert answer.status_code == 404
    assert answer.headers[HEADER] == POLICY
    assert page.count("<h1") == 1
    assert '/shop/">' in page.split("<main")[1].split("</main>")[0]


def test_the_page_of_a_failure_needs_neither_database_nor_request() -> None:
    page = server_error(RequestFactory().get("/")).content.decode()

    assert page.count("<h1") == 1
    assert "{%" not in page
    assert "/static/site/site.css" in page


@pytest.mark.parametrize("prefix", ["/en", "/de"])
def test_the_image_apps_own_admin_pages_are_under_the_policy(client: Client, prefix: str) -> None:
    signed_in(client, "admin")

    assert client.get(f"{prefix}/admin/imagegen/").headers[HEADER] == POLICY
    assert client.get(f"{prefix}/admin/").headers[HEADER] == POLICY
    assert HEADER not in client.get(f"{prefix}/admin/catalog/product/").headers


def test_an_editor_changes_products_and_a_reviewer_only_reads_them(client: Client) -> None:
    product = Product.objects.get(slug="morgen-mug")
    address = reverse("admin:catalog_product_change", args=[product.pk])

    for username, may_save in (("editor", True), ("reviewer", False), ("compliance", False)):
        answer = signed_in(client, username).get(address)
        assert answer.status_code == 200
        assert answer.context["has_change_permission"] is may_save


def test_the_admin_finds_the_products_without_an_image(client: Client) -> None:
    Product.objects.filter(slug="morgen-mug").update(image="products/morgen.png")

    answer = signed_in(client, "editor").get("/en/admin/catalog/product/?has_image=yes")

    assert [product.slug for product in answer.context["cl"].result_list] == ["morgen-mug"]
    assert b'src="/media/products/morgen.png"' in answer.content
