"""The library shows a person what they may see, by filters, page by page, also without script."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.urls import reverse
from django.utils.html import escape

from imagegen_app.admin.pages import library
from imagegen_app.models import Asset, Collection, SavedView, Tag
from imagegen_app.services.library import bulk_approval, collections, delivery
from imagegen_app.services.policy import access
from imagegen_app.testing.factories import make_asset, make_job, make_template, make_user

if TYPE_CHECKING:
    from django.test import Client

pytestmark = pytest.mark.django_db
EMBEDDED = "embed=1&field=image"


@pytest.fixture
def mine(people: dict[str, Any]) -> Asset:
    version = make_template(
        variables=[{"name": name, "label": name.title()} for name in ("product", "light")]
    )
    job = make_job(
        requester=people["Image editors"],
        template_version=version,
        variables={"product": "Bud vase", "light": "soft"},
    )
    return make_asset(job=job, title=version.template.name, review_state="pending", colour="red")


def address(query: str = "") -> str:
    return f"{reverse('admin:imagegen_library')}?{query}"


def act(client: Client, **values: Any) -> Any:
    return client.post(reverse("admin:imagegen_library_action"), values, follow=True)


def keys(answer: Any) -> list[Asset]:
    return [tile["asset"] for tile in answer.context["tiles"]]


def test_a_person_sees_their_own_images_by_names_that_they_know(
    editor: Client, mine: Asset
) -> None:
    other = make_asset(title="Somebody's secret mug")

    answer = editor.get(address())
    page = answer.content.decode()

    assert keys(answer) == [mine]
    assert f"{mine.title}: Bud vase, soft" in page
    assert reverse("admin:imagegen_asset_change", args=[mine.pk]) in page
    assert str(other.pk) not in page
    assert "Somebody" not in page


def test_values_of_other_peoples_templates_are_not_shown(
    client: Client, mine: Asset, people: dict[str, Any]
) -> None:
    client.force_login(people["Compliance"])

    page = client.get(address()).content.decode()

    assert f"{mine.title}: A mug on a table" in page
    assert "Bud vase" not in page


def test_who_may_neither_request_nor_view_images_finds_no_library(client: Client) -> None:
    client.force_login(make_user(is_staff=True))

    assert client.get(address()).status_code == 404
    assert client.get(reverse("admin:imagegen_library_page")).status_code == 404


def test_pages_are_linked_without_script_and_months_lead_far_back(
    editor: Client, mine: Asset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(library, "PAGE_SIZE", 2)
    for _ in range(4):
        make_asset(attempt=mine.attempt, widths=())
    newest = editor.get(address("state=approved"))
    older = editor.get(address(f"state=approved&after={newest.context['page'].last}"))
    back = editor.get(address(f"state=approved&before={older.context['page'].first}"))
    month = editor.get(address(f"after={newest.context['months'][0].cursor}"))
    fragment = editor.get(
        reverse("admin:imagegen_library_page"),
        {"state": "approved", "after": newest.context["page"].last},
    )

    assert f"after={newest.context['page'].last}" in newest.content.decode()
    assert f"before={older.context['page'].first}" in older.content.decode()
    assert keys(back) == keys(newest)
    assert not set(keys(older)) & set(keys(newest))
    assert keys(month)[0] == keys(newest)[0]
    assert keys(fragment) == keys(older)
    assert b"<html" not in fragment.content


def test_active_filters_are_said_in_words_and_can_be_taken_away(
    editor: Client, mine: Asset
) -> None:
    template = mine.job.template_version.template  # type: ignore[union-attr]  # it has one
    answer = editor.get(address(f"q=mug&template={template.pk}&colour=red&month=2020-01"))
    page = answer.content.decode()

    assert keys(answer) == []
    for text in (f"Template: {template.name}", "Words: mug", "Colour: Red", "Month: 2020-01"):
        assert text in page
    assert escape(f"?q=mug&template={template.pk}&colour=red") in page
    assert "No image fits all of these filters." in page


def test_a_filter_is_kept_as_a_view_and_removed(editor: Client, mine: Asset) -> None:
    post = reverse("admin:imagegen_library_views")

    kept = editor.post(post, {"name": "Red ones", "query": "colour=red"}, follow=True)
    nameless = editor.post(post, {"name": " ", "query": ""}, follow=True)
    view = SavedView.objects.get()
    foreign = SavedView.objects.exclude(pk=view.pk)
    gone = editor.post(post, {"remove": view.pk, "query": ""}, follow=True)

    assert "Red ones" in kept.content.decode()
    assert kept.context["saved"][0]["is_current"]
    assert "The name is empty." in nameless.content.decode()
    assert not foreign.exists()
    assert "Red ones" not in gone.content.decode()
    for key in ("999", "x", "9" * 40):
        assert editor.post(post, {"remove": key}).status_code == 404


def test_many_images_are_changed_after_a_page_that_counts_them(
    editor: Client, mine: Asset, people: dict[str, Any]
) -> None:
    signed = editor.get(address("colour=red")).context["signed"]

    asked = act(editor, action="tag", all=signed)
    made = act(editor, action="tag", all=signed, name="Spring", confirmed="1")
    empty = act(editor, action="tag", pick=str(mine.pk), name=" ", confirmed="1")
    act(editor, action="untag", pick=str(mine.pk), name="spring", confirmed="1")
    act(editor, action="collect", picked=str(mine.pk), name="Shelf", confirmed="1", shared="1")
    shelf = Collection.objects.get()
    act(editor, action="collect", picked=str(mine.pk), collection=shelf.pk, confirmed="1")
    listed = keys(editor.get(address(f"collection={shelf.pk}")))
    act(
        editor,
        action="uncollect",
        picked=str(mine.pk),
        query=f"collection={shelf.pk}",
        confirmed="1",
    )

    assert "1 image is selected." in asked.content.decode()
    assert "1 image was changed." in made.content.decode()
    assert empty.status_code == 422
    assert Tag.objects.get().name == "Spring"
    assert not mine.asset_tags.exists()
    assert (shelf.name, shelf.is_shared, listed) == ("Shelf", True, [mine])
    assert not shelf.items.exists()


def test_many_images_are_approved_set_by_set_with_a_page_in_between(
    client: Client, people: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    client.force_login(people["Image reviewers"])
    monkeypatch.setattr(bulk_approval, "AT_ONCE", 2)
    made = [make_asset(review_state="pending", colour="red", widths=()) for _ in range(4)]
    rejected = make_asset(review_state="approved", colour="red", widths=())
    signed = client.get(address("colour=red")).context["signed"]

    page = act(client, action="approve", all=signed, confirmed="1", query="colour=red")
    first = page.content.decode()
    states = []
    late = rejected
    while "progress_text" in (page.context or {}):
        states.append(Asset.objects.filter(pk__in=[a.pk for a in made], review_state="approved"))
        # An image that is made meanwhile is newer, and was not selected.
        late = make_asset(review_state="pending", colour="red", widths=())
        fields = ("action", "picked", "query")
        page = act(
            client,
            **{name: page.context[name] for name in fields if name in page.context},
            all=page.context["signed"],
            confirmed="1",
            progress=page.context["progress_text"],
        )
    late.refresh_from_db()

    assert "2 of 5 images looked at, 1 approved so far." in first
    assert "<imagegen-continue>" in first
    assert len(states) == 2
    assert not Asset.objects.filter(pk__in=[a.pk for a in made], review_state="pending").exists()
    assert late.review_state == "pending"
    text = page.content.decode()
    assert "4 images were approved." in text
    assert "1 record was not changed: " in text
    assert rejected.review_state == "approved"


def test_the_progress_of_an_approval_cannot_be_made_up(
    client: Client, people: dict[str, Any], mine: Asset
) -> None:
    client.force_login(people["Image reviewers"])
    other = access.actor_for(people["Image editors"])
    of_another = bulk_approval.Progress(total=9).sign(actor=other)

    for text in ("forged", of_another):
        page = act(client, action="approve", pick=str(mine.pk), confirmed="1", progress=text)
        assert "The selection is no longer valid." in page.content.decode()
    mine.refresh_from_db()

    assert mine.review_state == "pending"


def test_a_selection_reaches_no_image_that_the_person_may_not_see(
    editor: Client, mine: Asset, client: Client
) -> None:
    other = make_asset(colour="red")

    named = act(editor, action="tag", pick=str(other.pk), name="x", confirmed="1")
    for values in ({"all": "forged"}, {"pick": "x"}, {"pick": str(mine.pk), "action": "drop"}):
        answer = act(editor, **{"action": "tag", "name": "x", "confirmed": "1"} | values)
        assert answer.status_code == 200

    assert "Select at least one image." in named.content.decode()
    assert not Tag.objects.exists()


def test_images_are_approved_one_by_one_as_on_their_own_pages(
    client: Client, mine: Asset, people: dict[str, Any]
) -> None:
    client.force_login(people["Image reviewers"])
    done = make_asset()

    answer = act(client, action="approve", pick=[str(mine.pk), str(done.pk)], confirmed="1")
    page = answer.content.decode()
    mine.refresh_from_db()

    assert mine.review_state == "approved"
    assert "1 image was approved." in page
    assert "1 record was not changed" in page


def test_a_selection_is_downloaded_by_those_who_may_export(
    client: Client, mine: Asset, people: dict[str, Any]
) -> None:
    client.force_login(people["Image editors"])
    refused = act(client, action="export", pick=str(mine.pk), confirmed="1")
    client.force_login(people["Compliance"])
    answer = act(client, action="export", pick=str(mine.pk), confirmed="1")

    assert refused.status_code == 422
    assert answer["Content-Type"].startswith("text/csv")
    assert str(mine.pk) in answer.content.decode()


def test_the_chooser_shows_what_can_be_used_and_leads_on_to_the_field(
    editor: Client, mine: Asset
) -> None:
    make_asset(attempt=mine.attempt, review_state="rejected", widths=())

    answer = editor.get(address(EMBEDDED))
    page = answer.content.decode()

    assert keys(answer) == [mine]
    choose = reverse("admin:imagegen_studio_choose", args=[mine.pk])
    assert escape(f"{choose}?{EMBEDDED}") in page
    assert 'name="pick"' not in page
    assert answer["X-Frame-Options"] == "SAMEORIGIN"
    assert editor.get(choose + "?" + EMBEDDED).status_code == 200


def test_another_persons_collection_is_not_even_named(editor: Client, mine: Asset) -> None:
    stranger = access.actor_for(make_user("stranger"))
    shelf = collections.create(actor=stranger, name="Layoffs")

    page = editor.get(address(f"collection={shelf.pk}")).content.decode()

    assert "Layoffs" not in page


def test_what_was_closed_for_good_is_not_listed(
    client: Client, people: dict[str, Any], mine: Asset
) -> None:
    make_asset(hard_category="sexual_minors")
    client.force_login(people["superuser"])

    answer = client.get(address())

    assert keys(answer) == [mine]
    assert delivery.CLOSED_IMAGE not in answer.content.decode()
