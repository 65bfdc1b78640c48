"""The review desk: views with counts, one case, decisions by plain posts, and what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.urls import reverse

from imagegen_app.models import Asset
from imagegen_app.services.library import review_decisions, review_requests
from imagegen_app.services.policy import access
from imagegen_app.testing.factories import make_asset, make_job, make_template, make_user

if TYPE_CHECKING:
    from django.test import Client

pytestmark = pytest.mark.django_db
CHECKLIST = [{"KEY": "no_person", "TEXT": "No real person can be recognized?"}]


@pytest.fixture
def rita(client: Client, settings: Any) -> Any:
    """Sign a reviewer in, on a site that requires a second reviewer."""
    settings.IMAGEGEN = {**settings.IMAGEGEN, "REQUIRE_SECOND_REVIEWER": True}
    user = make_user("rita", groups=["Image reviewers"], is_staff=True)
    client.force_login(user)
    return user


def case_url(asset: Asset) -> str:
    return reverse("admin:imagegen_desk_case", args=[asset.pk]) + "?view=needs"


def post(client: Client, asset: Asset, decision: str, **more: Any) -> Any:
    seen = review_decisions.shown(asset)
    data = {"decision": decision, "view": "needs", "shown": f"{seen.sha256}:{seen.state}", **more}
    return client.post(more.pop("url", case_url(asset)), data)


def test_the_desk_lists_what_waits_and_nothing_else(client: Client, rita: Any) -> None:
    waiting = make_asset(review_state="pending", title="A waiting vase")
    make_asset(review_state="pending", title="A draft", review_requested_at=None)
    make_asset(review_state="approved", title="A mug on sale")

    page = client.get(reverse("admin:imagegen_desk")).content.decode()

    assert "A waiting vase" in page
    assert "A draft" not in page
    assert "A mug on sale" not in page
    assert case_url(waiting) in page


def test_a_decision_leads_to_the_next_image(client: Client, rita: Any) -> None:
    first, second = (make_asset(review_state="pending") for _n in range(2))

    answer = post(client, first, "approve")

    first.refresh_from_db()
    assert first.review_state == "approved"
    assert answer.url == case_url(second)
    assert post(client, second, "approve").url == reverse("admin:imagegen_desk") + "?view=needs"


def test_a_rejection_without_a_reason_is_asked_for_it_and_keeps_the_note(
    client: Client, rita: Any
) -> None:
    asset = make_asset(review_state="pending")

    answer = post(client, asset, "reject", note="The handle is missing")

    assert answer.status_code == 422
    assert "Choose the reason of the rejection." in answer.content.decode()
    assert "The handle is missing" in answer.content.decode()
    assert post(client, asset, "reject", reason="faulty").status_code == 302


def test_a_changed_file_brings_the_case_back_with_one_sentence(client: Client, rita: Any) -> None:
    asset = make_asset(review_state="pending")

    answer = post(client, asset, "approve", shown=f"{'0' * 64}:pending")

    assert answer.status_code == 422
    assert "The file of this image was changed" in answer.content.decode()
    asset.refresh_from_db()
    assert asset.review_state == "pending"


def test_authors_are_told_before_they_press_that_another_person_approves(
    client: Client, rita: Any
) -> None:
    asset = make_asset(review_state="pending", requester=rita)

    page = client.get(case_url(asset)).content.decode()

    assert "You requested this image; another person must approve it." in page
    assert page.count('aria-disabled="true"') == 2


def test_the_checklist_is_asked_and_its_answers_are_kept(
    client: Client, rita: Any, settings: Any
) -> None:
    settings.IMAGEGEN = {**settings.IMAGEGEN, "REVIEW": {"CHECKLIST": CHECKLIST}}
    asset = make_asset(review_state="pending")

    open_question = post(client, asset, "approve")
    unexplained = post(client, asset, "approve", **{"answer-no_person": "no"})
    done = post(client, asset, "approve", **{"answer-no_person": "yes"})

    assert "Not all questions" in open_question.content.decode()
    assert "say why in the note" in unexplained.content.decode()
    assert 'value="no" checked' in unexplained.content.decode()
    assert done.status_code == 302


def test_a_fragment_is_the_case_alone(client: Client, rita: Any) -> None:
    first, second = (make_asset(review_state="pending") for _n in range(2))

    fragment = client.get(case_url(first) + "&fragment=1").content.decode()
    after = post(client, first, "approve", url=case_url(first) + "&fragment=1").content.decode()
    last = post(client, second, "approve", url=case_url(second) + "&fragment=1").content.decode()

    assert f'data-case="{first.pk}"' in fragment
    assert "<html" not in fragment
    assert f'data-case="{second.pk}"' in after
    assert "The image was approved." in after
    assert "All decided" in last


def test_an_author_sees_what_came_back_and_sends_it_again(client: Client, rita: Any) -> None:
    edda = make_user("edda", groups=["Image editors"], is_staff=True)
    asset = make_asset(review_state="pending", requester=edda)
    review_requests.request_changes(
        actor=access.actor_for(rita), asset=asset, note="Brighter, please"
    )
    client.force_login(edda)

    desk = client.get(reverse("admin:imagegen_desk")).content.decode()
    sent: Any = client.post(
        reverse("admin:imagegen_desk_request", args=[asset.pk]), {"note": "Done", "back": "desk"}
    )

    assert "Brighter, please" in desk
    assert "Sent back to me" in desk
    assert sent.url == reverse("admin:imagegen_desk")
    asset.refresh_from_db()
    assert asset.review_requested_at is not None
    assert asset.review_request_note == "Done"


def test_nobody_opens_a_case_that_is_not_theirs_to_see(client: Client, rita: Any) -> None:
    asset = make_asset(review_state="pending")
    client.force_login(make_user("edda", groups=["Image editors"], is_staff=True))

    assert client.get(case_url(asset)).status_code == 404
    assert post(client, asset, "approve").status_code == 404
    client.force_login(make_user("vera", is_staff=True))
    assert client.get(reverse("admin:imagegen_desk")).status_code == 404
    assert client.get(reverse("admin:imagegen_alt_texts")).status_code == 404


def test_like_images_are_decided_with_one_press_and_others_are_not(
    client: Client, rita: Any
) -> None:
    version = make_template()
    alike = [
        make_asset(review_state="pending", job=make_job(template_version=version)) for _n in "12"
    ]
    other = make_asset(
        review_state="pending", job=make_job(template_version=make_template()), title="The odd one"
    )

    def decide(assets: list[Asset]) -> Any:
        seen = {a: review_decisions.shown(a) for a in assets}
        shown = {f"shown-{a.pk}": f"{s.sha256}:{s.state}" for a, s in seen.items()}
        data = {"view": "needs", "decision": "approve", "asset": [str(a.pk) for a in assets]}
        return client.post(reverse("admin:imagegen_desk_decide"), {**data, **shown})

    mixed = decide([*alike, other])
    none = decide([])
    done = decide(alike)

    assert mixed.status_code == 422
    assert "not made from one template" in mixed.content.decode()
    assert mixed.content.decode().count("checked") == 3
    assert "No image is chosen." in none.content.decode()
    assert done.status_code == 302
    assert Asset.objects.filter(review_state="approved").count() == 2


def test_the_image_has_the_same_bar_on_its_own_page(client: Client, rita: Any) -> None:
    asset = make_asset(review_state="pending")
    address = reverse("admin:imagegen_asset_change", args=[asset.pk])

    page = client.get(address).content.decode()
    answer = post(client, asset, "label", back="image", url=case_url(asset))

    assert all(f'value="{one}"' in page for one in ("approve", "label", "changes", "reject"))
    assert answer.url == address
    asset.refresh_from_db()
    assert asset.is_label_required


def test_pages_of_the_desk_need_few_queries_however_much_waits(
    client: Client, rita: Any, django_assert_max_num_queries: Any
) -> None:
    assets = [make_asset(review_state="pending") for _n in range(12)]
    client.get(case_url(assets[0]))

    with django_assert_max_num_queries(15):
        client.get(reverse("admin:imagegen_desk"))
    with django_assert_max_num_queries(15):
        client.get(case_url(assets[5]) + "&fragment=1")
