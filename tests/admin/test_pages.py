"""What all pages that are no table share: who is let in, what is refused how, frames and caches."""

from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.admin.sites import site
from django.urls import reverse

from imagegen_app.admin.job_pages import page_classes
from imagegen_app.testing.factories import make_user

if TYPE_CHECKING:
    from django.test import Client

    from imagegen_app.admin.pages.base import Route

ROUTES = [route for pages in page_classes() for route in pages(site).routes()]
NOBODYS = uuid.UUID(int=7)


#: What stands for the parts of an address: nothing of it exists.
PARTS = {"<uuid:pk>": NOBODYS, "<slug:source>": "nowhere", "<str:key>": "7"}


def address(route: Route) -> str:
    parts = re.findall(r"<[^>]+>", route.path)
    return reverse(f"admin:{route.name}", args=[PARTS[part] for part in parts])


@pytest.fixture
def plain(client: Client, db: None) -> Client:
    """Somebody of the staff who holds no permission at all."""
    client.force_login(make_user("plain", is_staff=True))
    return client


def test_every_page_has_its_own_url() -> None:
    assert len({route.name for route in ROUTES}) == len({route.path for route in ROUTES})
    assert len(ROUTES) >= 13


def test_anonymous_visitors_are_redirected_to_the_login(db: None, client: Client) -> None:
    answers = {route.name: client.get(address(route)) for route in ROUTES}

    asked = {
        name: answer.status_code == 302
        and "/login/" in answer["Location"]
        and "no-store" in answer["Cache-Control"]
        for name, answer in answers.items()
    }
    assert asked == dict.fromkeys(answers, True)


def test_a_page_is_refused_or_not_found_without_any_permission(plain: Client) -> None:
    found = {route.name: plain.get(address(route)).status_code for route in ROUTES}

    assert found == {
        route.name: 405
        if route.is_post_only
        else 403
        if route.permission and not route.is_hidden
        else 404
        for route in ROUTES
    }


def test_a_refusal_names_the_permission_and_whom_to_ask(plain: Client) -> None:
    answer: Any = plain.get(reverse("admin:imagegen_studio"))
    page = answer.content.decode()

    assert answer.status_code == 403
    assert "The permission “request job” is required." in page
    assert answer.context["refusal"].remedy in page
    assert 'class="breadcrumbs"' in page
    assert "no-store" in answer["Cache-Control"]


def test_a_refusal_inside_a_frame_has_no_header_and_may_be_framed(
    plain: Client, settings: Any
) -> None:
    settings.X_FRAME_OPTIONS = "DENY"
    answer = plain.get(reverse("admin:imagegen_studio"), {"embed": "1"})
    page = answer.content.decode()

    assert answer.status_code == 403
    assert 'id="header"' not in page
    assert 'class="breadcrumbs"' not in page
    assert answer["X-Frame-Options"] == "SAMEORIGIN"


def test_other_pages_may_not_be_framed_even_with_the_embed_parameter(
    client: Client, people: dict[str, Any], settings: Any
) -> None:
    settings.X_FRAME_OPTIONS = "DENY"
    client.force_login(people["superuser"])
    answer = client.get(reverse("admin:imagegen_log"), {"embed": "1"})

    assert answer.status_code == 200
    assert answer["X-Frame-Options"] == "DENY"
    assert 'id="header"' in answer.content.decode()


@pytest.mark.parametrize(
    ("url_name", "entry"),
    [
        ("imagegen_log", "imagegen_log"),
        ("imagegen_setup", "imagegen_setup"),
        ("imagegen_health", "imagegen_health"),
        ("imagegen_asset_attach", "imagegen_asset_changelist"),
    ],
)
def test_the_sidebar_highlights_the_entry_that_a_page_belongs_to(
    client: Client, people: dict[str, Any], rows: dict[str, Any], url_name: str, entry: str
) -> None:
    client.force_login(people["superuser"])
    args = [rows["asset"].pk] if url_name == "imagegen_asset_attach" else []

    page = client.get(reverse(f"admin:{url_name}", args=args)).content.decode()

    assert re.findall(r'class="model-(\w+) current-model"', page) == [entry]
