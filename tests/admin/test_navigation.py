"""Our pages stand in the admin's navigation, whoever draws it, and each filter of a list works."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.contrib.auth.models import User
from django.urls import reverse

from imagegen_app.models import Budget
from imagegen_app.testing.factories import make_grant, make_group, make_image_model, make_user
from tests.admin import tables

if TYPE_CHECKING:
    from django.test import Client

OVERVIEW, STUDIO, LOG, TABLES = "Overview", "Studio", "Audit log", "All tables"
MAKE, REVIEW, PROVE, SET_UP = (
    f"AI images: {door}" for door in ("Make", "Review", "Prove", "Set up")
)
_IMAGES = ["All images", "Where images are used", "Content checks"]
OUTDATED = "Out of date"
DESK, WORDS = "Review desk", "Alternative texts"
#: Role to the doors that its navigation lists, each with its pages, in order.
LISTED = {
    "Image editors": {
        MAKE: [
            OVERVIEW,
            STUDIO,
            "Templates",
            "Brand kits",
            "Batches",
            "New batch from a table",
            OUTDATED,
            "Running jobs",
            "Library",
        ],
        REVIEW: [DESK, WORDS, TABLES],
    },
    "Image reviewers": {
        MAKE: [OVERVIEW, "Batches", "Running jobs", "Library"],
        REVIEW: [DESK, WORDS, *_IMAGES, TABLES],
    },
    "Compliance": {
        MAKE: [
            OVERVIEW,
            "Templates",
            "Brand kits",
            "Batches",
            "Running jobs",
            "Library",
        ],
        REVIEW: [DESK, *_IMAGES],
        PROVE: ["What happened", LOG, "Erasure"],
        SET_UP: ["Health", "Providers", "Models", "Grants", "Budgets", TABLES],
    },
}


def of_ours(rf: Any, person: Any, *, app_label: str | None = None) -> list[Any]:
    request = rf.get("/")
    request.user = person
    return [
        app for app in admin.site.get_app_list(request, app_label) if app["app_label"] == "imagegen"
    ]


@pytest.mark.parametrize("role", LISTED)
def test_pages_stand_behind_doors_for_those_who_may_open_them(
    role: str, rf: Any, people: dict[str, Any], client: Client
) -> None:
    sections = of_ours(rf, people[role])
    pages = [entry for section in sections for entry in section["models"]]

    client.force_login(people[role])
    named = {str(s["name"]): [str(entry["name"]) for entry in s["models"]] for s in sections}
    assert named == LISTED[role]
    assert {client.get(entry["admin_url"]).status_code for entry in pages} == {200}
    # Themes make ids of it.
    assert len({entry["object_name"] for entry in pages}) == len(pages)


def test_the_page_of_our_app_lists_our_pages_and_then_the_tables(
    rf: Any, people: dict[str, Any]
) -> None:
    (section,) = of_ours(rf, people["Compliance"], app_label="imagegen")
    is_table = ["model" in entry for entry in section["models"]]

    assert str(section["name"]) == "AI images"
    assert is_table == sorted(is_table)
    assert sum(is_table) > 10


def test_the_tables_stand_on_a_page_of_their_own_for_those_who_may_read_them(
    people: dict[str, Any], client: Client
) -> None:
    address = reverse("admin:imagegen_tables")
    shown = {}
    for role in ("Image editors", "superuser"):
        client.force_login(people[role])
        page: Any = client.get(address)
        shown[role] = page.context["tables"]
        assert {client.get(one["address"]).status_code for one in page.context["tables"]} == {200}

    assert {str(one["name"]) for one in shown["Image editors"]} >= {"Jobs", "Assets"}
    assert len(shown["superuser"]) == len(tables.names())
    # Each says what it holds.
    assert [one["name"] for one in shown["superuser"] if not one["purpose"]] == []

    client.force_login(make_user(is_staff=True))
    assert client.get(address).status_code == 404


#: Address to the door and the page that its bar marks for a superuser.
HERE = {
    "studio": ("Make", "Studio"),
    "batch_changelist": ("Make", "Batches"),
    "prompttemplate_add": ("Make", "Templates"),
    "desk": ("Review", DESK),
    "alt_texts": ("Review", WORDS),
    "asset_changelist": ("Review", "All images"),
    "log": ("Prove", LOG),
    "auditevent_changelist": ("Prove", "What happened"),
    "health": ("Set up", "Health"),
    "grant_add": ("Set up", "Grants"),
    "job_changelist": ("Make", None),
    "attempt_changelist": ("Make", None),
    "tables": (None, None),
}


def marked(html: str) -> tuple[str | None, str | None]:
    bar = html.partition('class="imagegen imagegen-doors"')[2].partition("</nav>")[0]
    assert bar
    door = re.search(r'imagegen-door" href="[^"]*" aria-current="true">([^<]+)', bar)
    page = re.search(r'imagegen-door-page" href="[^"]*" aria-current="page">([^<]+)', bar)
    return (door and door[1], page and page[1])


def test_the_bar_above_our_pages_says_where_one_is(admin_client: Client, db: None) -> None:
    found = {
        name: marked(admin_client.get(reverse(f"admin:imagegen_{name}")).content.decode())
        for name in HERE
    }

    assert found == HERE


def test_a_list_with_a_filter_is_another_page_of_the_bar(admin_client: Client, db: None) -> None:
    page: Any = admin_client.get(reverse("admin:index"))
    html = page.content.decode()
    pages = (
        ("Make", "Library"),
        ("Make", "Running jobs"),
    )
    for door, name in pages:
        link = re.search(rf'href="([^"]+)">{name}</a>', html)
        assert link is not None
        shown = admin_client.get(link[1].replace("&amp;", "&"))
        assert shown.status_code == 200
        assert marked(shown.content.decode()) == (door, name)


def test_an_embedded_page_and_one_page_alone_have_no_bar(
    admin_client: Client, client: Client, db: None
) -> None:
    embedded = admin_client.get(reverse("admin:imagegen_studio"), {"embed": "1"})
    client.force_login(make_user(is_staff=True, permissions=["imagegen.verify_audit"]))
    alone = client.get(reverse("admin:imagegen_log"))

    for page in (embedded, alone):
        assert page.status_code == 200
        assert "imagegen-doors" not in page.content.decode()


def test_the_index_shows_the_doors_as_cards_and_lists_them_once(
    admin_client: Client, db: None
) -> None:
    html = admin_client.get(reverse("admin:index")).content.decode()

    cards = re.findall(r"<h3><a href=\"[^\"]+\">([^<]+)</a></h3>", html)
    assert cards == ["Make", "Review", "Prove", "Set up"]
    assert html.count(f'href="{reverse("admin:imagegen_studio")}"') == 3
    assert "AI images: Make" not in html
    assert f'href="{reverse("admin:auth_user_changelist")}"' in html


def test_the_index_of_an_empty_site_begins_with_its_set_up(admin_client: Client, db: None) -> None:
    def first() -> str:
        sections = admin_client.get(reverse("admin:index")).context["app_list"]
        section = next(one for one in sections if one["app_label"] == "imagegen")
        return str(section["models"][0]["name"])

    assert first() == "Set up AI images"

    group = make_group("Editors")
    make_grant(group=group, image_model=make_image_model())
    make_user("edda").groups.add(group)
    assert first() == OVERVIEW


def test_people_without_a_table_have_the_section_all_the_same(
    rf: Any, client: Client, db: None
) -> None:
    person = make_user(is_staff=True, permissions=["imagegen.verify_audit"])

    (section,) = of_ours(rf, person)

    client.force_login(person)
    assert [str(entry["name"]) for entry in section["models"]] == [OVERVIEW, LOG]
    assert client.get(section["app_url"]).status_code == 200


def test_people_without_any_permission_have_no_section(rf: Any, db: None, client: Client) -> None:
    person = make_user(is_staff=True)

    client.force_login(person)
    assert of_ours(rf, person) == []
    assert client.get(reverse("admin:imagegen_overview")).status_code == 404


def test_each_filter_of_each_list_answers(admin_client: Client, db: None) -> None:
    failed = {}
    for model, registered in admin.site._registry.items():
        if model._meta.app_label != "imagegen" or not registered.list_filter:
            continue
        address = reverse(f"admin:imagegen_{model._meta.model_name}_changelist")
        text = admin_client.get(address).content.decode()
        found = re.findall(r'<a href="(\?[^"]+)"', text.partition('id="changelist-filter"')[2])
        # One value of each filter is enough; the first entry of each takes the filter away.
        parameters = {link.partition("=")[0]: link for link in found}
        for link in parameters.values():
            status = admin_client.get(address + link.replace("&amp;", "&")).status_code
            if status not in {200, 302}:
                failed[address + link] = status

    assert failed == {}


def test_where_users_have_no_admin_they_are_named_by_their_login(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch, db: None
) -> None:
    monkeypatch.delitem(admin.site._registry, get_user_model())
    make_group("Editors")
    person = make_user(username="alice")
    data = {
        "name": "Alice's",
        "scope": "user",
        "user": "alice",
        "period": "month",
        "limit": "10",
        "currency": "USD",
        "warn_percent": "80",
        "is_enabled": "on",
    }
    address = reverse("admin:imagegen_budget_add")

    unknown = admin_client.post(address, data | {"user": "bob"})
    saved = admin_client.post(address, data)

    budget = Budget.objects.get()
    page = admin_client.get(reverse("admin:imagegen_budget_change", args=[budget.pk]))
    assert (unknown.status_code, saved.status_code, budget.user) == (200, 302, person)
    assert 'name="user" value="alice"' in page.content.decode()
    assert User.objects.count() > 1
