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

if TYPE_CHECKING:
    from django.test import Client

OVERVIEW, STUDIO, LOG = "Overview", "Studio", "Audit log"
DESK, WORDS = "Review desk", "Alternative texts"
#: Role to those of our pages that its navigation lists, in order.
LISTED = {
    "Image editors": [OVERVIEW, STUDIO, DESK, WORDS],
    "Image reviewers": [OVERVIEW, DESK, WORDS],
    "Compliance": [OVERVIEW, DESK, LOG],
}


def of_ours(rf: Any, person: Any, *, app_label: str | None = None) -> list[Any]:
    request = rf.get("/")
    request.user = person
    return [
        app for app in admin.site.get_app_list(request, app_label) if app["app_label"] == "imagegen"
    ]


@pytest.mark.parametrize("role", LISTED)
def test_pages_stand_above_the_tables_for_those_who_may_open_them(
    role: str, rf: Any, people: dict[str, Any], client: Client
) -> None:
    (section,) = of_ours(rf, people[role])
    pages = [entry for entry in section["models"] if "model" not in entry]

    client.force_login(people[role])
    assert section["models"][: len(pages)] == pages
    assert [str(entry["name"]) for entry in pages] == LISTED[role]
    assert {client.get(entry["admin_url"]).status_code for entry in pages} == {200}


def test_the_index_of_an_empty_site_begins_with_its_set_up(admin_client: Client, db: None) -> None:
    def first() -> str:
        sections = admin_client.get(reverse("admin:index")).context["app_list"]
        (section,) = (one for one in sections if one["app_label"] == "imagegen")
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
