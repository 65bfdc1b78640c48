"""Hints are read once and sent away; the tour shows what a person may do."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from django.urls import reverse

from imagegen_app.forms import hints
from imagegen_app.testing.factories import make_user

if TYPE_CHECKING:
    from django.test import Client

INDEX = "admin:index"


def is_shown(client: Client, name: str) -> bool:
    page = client.get(reverse({"tour": INDEX, "tables": "admin:imagegen_tables"}[name]))
    return f'name="hint" value="{name}"' in page.content.decode()


def dismiss(client: Client, name: str, **more: str) -> Any:
    return client.post(reverse("admin:imagegen_hint_dismiss"), {"hint": name, **more})


def test_a_hint_is_shown_until_it_is_sent_away(admin_client: Client, db: None) -> None:
    assert is_shown(admin_client, "tour")
    assert is_shown(admin_client, "tables")

    answer = dismiss(admin_client, "tour", back=reverse(INDEX))

    assert answer["Location"] == reverse(INDEX)
    assert not is_shown(admin_client, "tour")
    assert is_shown(admin_client, "tables")


def test_another_person_at_the_same_browser_reads_it_all_the_same(
    admin_client: Client, db: None
) -> None:
    dismiss(admin_client, "tour")
    other = make_user(is_staff=True, permissions=["imagegen.request_job"])
    kept = admin_client.cookies[hints.COOKIE].value

    admin_client.force_login(other)
    admin_client.cookies[hints.COOKIE] = kept

    assert is_shown(admin_client, "tour")


def test_a_cookie_that_was_changed_counts_for_nothing(admin_client: Client, db: None) -> None:
    admin_client.cookies[hints.COOKIE] = "tour:forged"

    assert is_shown(admin_client, "tour")


def test_one_comes_back_to_this_site_alone_and_only_known_hints_are_kept(
    admin_client: Client, db: None
) -> None:
    answer = dismiss(admin_client, "tour", back="https://elsewhere.example/")

    assert answer["Location"] == reverse("admin:imagegen_overview")
    assert dismiss(admin_client, "unknown").status_code == 404
    assert admin_client.get(reverse("admin:imagegen_hint_dismiss")).status_code == 405


def titles(client: Client, address: str) -> list[str]:
    html = client.get(address).content.decode()
    steps = html.partition('class="imagegen-tour-steps"')[2].partition("</ol>")[0]
    return re.findall(r">([^<]+)</a>", steps)


def test_the_tour_shows_what_the_person_may_do_and_each_step_can_be_tried(
    client: Client, people: dict[str, Any]
) -> None:
    address = reverse("admin:imagegen_tour")
    client.force_login(people["Image reviewers"])
    assert titles(client, address) == ["Decide what may be shown"]

    client.force_login(people["superuser"])
    shown = titles(client, address)
    assert shown[0] == "Begin in the studio"
    for number in range(1, len(shown) + 1):
        html = client.get(address, {"step": number}).content.decode()
        assert f"Step {number} of {len(shown)}" in html
        tried = re.search(r'href="([^"]+)">Try it', html)
        assert tried is not None
        assert client.get(tried[1]).status_code == 200
    for odd in ("0", "99", "x", "٣", ""):
        assert client.get(address, {"step": odd}).status_code == 200

    client.force_login(make_user(is_staff=True))
    assert client.get(address).status_code == 404
