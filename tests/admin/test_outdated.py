"""The page of images that are out of date: what changed, one press to make them anew, or to keep one."""

from __future__ import annotations

import re
from html import unescape
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from imagegen_app.models import Batch, OutdatedDismissal, TemplateVersion
from project.catalog.models import Product
from tests.services.batches.test_outdated import changed, placed, version  # noqa: F401 - fixtures
from tests.services.conftest import Site, site, small  # noqa: F401 - fixtures

if TYPE_CHECKING:
    from django.test import Client

PAGE = "admin:imagegen_outdated"


@pytest.fixture
def editor(site: Site, client: Client) -> Client:  # noqa: F811 - the fixture
    user = site.actor.user
    user.is_staff = True
    user.save()
    user.user_permissions.add(Permission.objects.get(codename="change_product"))
    client.force_login(user)
    return client


def shown(client: Client, query: str = "") -> str:
    return unescape(client.get(reverse(PAGE) + query).content.decode())


def values(page: str, name: str) -> list[str]:
    return re.findall(rf'name="{name}" value="([^"]+)"', page)


def test_it_says_in_words_what_changed_and_what_a_new_one_costs(
    editor: Client,
    site: Site,  # noqa: F811 - the fixture
    version: TemplateVersion,  # noqa: F811 - the fixture
) -> None:
    (product,) = placed(site, version)
    assert "No image is out of date." in shown(editor)
    Product.objects.filter(pk=product.pk).update(name="<b>Red bowl")

    answer = editor.get(reverse(PAGE)).content.decode()

    assert re.search(rf"Product: <del>{product.name}</del>.*<ins>&lt;b&gt;Red bowl</ins>", answer)
    assert re.search(r'data-label="Price">0\.02 USD', answer)


def test_the_selected_ones_are_made_anew_by_one_press(
    editor: Client,
    site: Site,  # noqa: F811 - the fixture
    version: TemplateVersion,  # noqa: F811 - the fixture
) -> None:
    placed(site, version, 3)
    changed(version, body="One {{ look }} {{ product }}")
    page = shown(editor)
    rows = values(page, "row")
    assert "3 images of this page: about 0.06 USD together" in page

    sent = {"row": rows[:2], "key": values(page, "key"), "selected": "1"}
    assert [editor.post(reverse(PAGE), sent).status_code for _press in range(2)] == [302, 302]

    batch = Batch.objects.latest("created_at")
    assert (Batch.objects.count(), batch.row_count) == (2, 2)
    page = shown(editor)
    assert page.count("A new one was asked for") == 2
    assert reverse("admin:imagegen_batch_run", args=[batch.pk]) in page


def test_all_of_them_are_made_anew_from_any_page(
    editor: Client,
    site: Site,  # noqa: F811 - the fixture
    version: TemplateVersion,  # noqa: F811 - the fixture
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("imagegen_app.services.batches.outdated.PAGE_ROWS", 2)
    placed(site, version, 3)
    changed(version, body="One {{ look }} {{ product }}")
    page = shown(editor)
    (older,) = re.findall(r'href="(\?target=[^"]+after=\d+)"', page)
    assert len(values(shown(editor, older), "row")) == 1

    editor.post(reverse(PAGE), {"key": values(page, "key"), "all": "1"})

    assert Batch.objects.latest("created_at").row_count == 3


def test_an_image_is_kept_by_its_own_button(
    editor: Client,
    site: Site,  # noqa: F811 - the fixture
    version: TemplateVersion,  # noqa: F811 - the fixture
) -> None:
    placed(site, version, 2)
    changed(version, body="One {{ look }} {{ product }}")
    first, second = values(shown(editor), "keep")

    answer = editor.post(reverse(PAGE), {"keep": first, "row": [first, second]}, follow=True)

    assert "The image is kept." in answer.content.decode()
    assert values(answer.content.decode(), "keep") == [second]
    assert OutdatedDismissal.objects.get().dismissed_by == site.actor.user
    again = editor.post(reverse(PAGE), {"keep": first}, follow=True)
    assert "not out of date any more" in again.content.decode()


@pytest.mark.parametrize("sent", [{}, {"row": "x"}, {"row": "1:2"}, {"row": f"{'9' * 30}:x"}])
def test_what_nobody_was_shown_starts_nothing(
    editor: Client,
    site: Site,  # noqa: F811 - the fixture
    version: TemplateVersion,  # noqa: F811 - the fixture
    sent: dict[str, Any],
) -> None:
    placed(site, version)
    changed(version, body="One {{ look }} {{ product }}")

    answer = editor.post(reverse(PAGE), {**sent, "selected": "1"}, follow=True)

    reason = "None of these images is out of date" if sent == {"row": "1:2"} else "No image is sel"
    assert reason in answer.content.decode()
    assert Batch.objects.count() == 1


def test_who_may_change_no_objects_is_told_so(people: dict[str, Any], client: Client) -> None:
    client.force_login(people["Image editors"])

    assert "that you may change" in shown(client)
    assert client.post(reverse(PAGE), {"all": "1"}).status_code == 200
    client.force_login(people["Compliance"])
    assert client.get(reverse(PAGE)).status_code == 403


def test_the_page_asks_as_often_for_many_as_for_few(
    editor: Client,
    site: Site,  # noqa: F811 - the fixture
    version: TemplateVersion,  # noqa: F811 - the fixture
) -> None:
    placed(site, version, 2)
    changed(version, body="One {{ look }} {{ product }}")

    def asked() -> int:
        with CaptureQueriesContext(connection) as queries:
            shown(editor)
        return len(queries)

    shown(editor)
    few = asked()
    placed(site, version, 8)

    assert asked() <= few + 1
