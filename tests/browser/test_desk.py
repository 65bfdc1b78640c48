"""The review desk in a browser: thirty images by keys, two reviewers at once, back, without script."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from django.urls import reverse

from imagegen_app.models import Asset
from imagegen_app.services.library import review
from imagegen_app.services.policy import access
from imagegen_app.testing.factories import make_asset, make_job, make_template, make_user
from tests.browser.conftest import context_of, open_page
from tests.browser.site import barriers, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.browser
OURS = "#content"
#: A decision shows the next image within this time.
MOST_MS = 100
CHECKLIST = [{"KEY": "no_person", "TEXT": "No real person can be recognized?"}]
#: Notes when a key was pressed, and when another case was shown.
_WATCH = """() => {
  window.waits = [];
  let pressed = 0;
  addEventListener("keydown", () => { pressed = performance.now(); }, true);
  new MutationObserver(() => requestAnimationFrame(() => {
    if (pressed) window.waits.push(performance.now() - pressed);
    pressed = 0;
  })).observe(document.querySelector("imagegen-desk"), { childList: true });
}"""


@pytest.fixture
def reviewing(shop: Any, live_server: Any, browser: Any) -> Iterator[Callable[..., Any]]:
    """Open a page as a reviewer, by name."""
    contexts = []

    def opened(name: str = "rita", **options: Any) -> Any:
        user = make_user(name, groups=["Image reviewers"], is_staff=True)
        context = context_of(user, live_server, browser, width=1440, **options)
        contexts.append(context)
        page = open_page(context)
        page.site = live_server.url
        return page

    yield opened
    for context in contexts:
        context.close()


def waiting(count: int) -> list[Asset]:
    version = make_template()
    return [
        make_asset(
            review_state="pending",
            job=make_job(template_version=version),
            title=f"Vase {number:02}",
            widths=(32,),
            formats=("webp",),
        )
        for number in range(1, count + 1)
    ]


def wait_for_next(page: Any) -> None:
    """Give the next image a moment to come; without it a decision only takes longer."""
    for _attempt in range(40):
        if page.evaluate("Boolean(document.querySelector('imagegen-desk')?.ahead)"):
            return
        if not page.locator("[data-go=next]").count():
            return
        page.wait_for_timeout(25)


def open_case(page: Any, asset: Asset) -> None:
    page.goto(f"{page.site}{reverse('admin:imagegen_desk_case', args=[asset.pk])}?view=needs")
    wait_for_next(page)


def is_at(page: Any, title: str) -> None:
    wait_until(page, f"document.querySelector('[data-heading]').textContent === '{title}'")


def focused(page: Any) -> str:
    return str(page.evaluate("document.activeElement.textContent.trim().slice(0, 60)"))


def states() -> dict[str, str]:
    return dict(Asset.objects.order_by("title").values_list("title", "review_state"))


def test_thirty_images_are_reviewed_by_keyboard_alone(reviewing: Callable[..., Any]) -> None:
    waiting(30)
    page = reviewing()
    page.goto(f"{page.site}{reverse('admin:imagegen_desk')}")
    page.locator("text=Review one by one").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/desk/*-*/?view=needs")
    is_at(page, "Vase 01")
    page.evaluate(_WATCH)

    for number in range(1, 31):
        wait_for_next(page)
        assert focused(page) == f"Vase {number:02}"
        page.keyboard.press("a")
        is_at(page, f"Vase {number + 1:02}" if number < 30 else "All decided")
    wait_until(page, "!document.querySelector('imagegen-desk').isSending")
    waits = sorted(page.evaluate("window.waits"))

    assert set(states().values()) == {"approved"}
    assert page.url.endswith("/desk/?view=needs")
    assert waits[len(waits) // 2] < MOST_MS, waits
    assert page.complaints == []
    assert barriers(page, of=OURS) == []


def test_one_image_is_rejected_with_its_reason_by_keys(reviewing: Callable[..., Any]) -> None:
    first, _second = waiting(2)
    page = reviewing()
    open_case(page, first)

    page.keyboard.press("x")
    asked = page.locator("[data-complaint]").inner_text()
    refused = barriers(page, of=OURS)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    is_at(page, "Vase 02")
    wait_until(page, "!document.querySelector('imagegen-desk').isSending")
    said = page.locator("[data-said]").inner_text()

    assert asked == "Choose the reason of the rejection."
    assert refused == []
    assert states() == {"Vase 01": "rejected", "Vase 02": "pending"}
    assert Asset.objects.get(pk=first.pk).rejection_reason == "faulty"
    assert said == "The image was rejected. Vase 02"


def test_a_decision_before_the_next_image_is_there_leads_to_it_all_the_same(
    reviewing: Callable[..., Any],
) -> None:
    first, _second = waiting(2)
    page = reviewing()
    held: list[Any] = []

    def answer(route: Any) -> None:
        if route.request.method == "GET":
            held.append(route)
            return
        for one in held:
            one.continue_()
        decided = route.fetch()
        # The next image came while the decision was on its way.
        wait_until(page, "Boolean(document.querySelector('imagegen-desk').ahead)")
        route.fulfill(response=decided)

    page.route(re.compile(r"/desk/.*fragment=1"), answer)
    page.goto(f"{page.site}{reverse('admin:imagegen_desk_case', args=[first.pk])}?view=needs")
    page.locator("[data-heading]").wait_for()
    page.keyboard.press("a")

    is_at(page, "Vase 02")
    assert held
    assert states() == {"Vase 01": "approved", "Vase 02": "pending"}


def test_changes_are_asked_for_with_a_note_by_keys(reviewing: Callable[..., Any]) -> None:
    first, _second = waiting(2)
    page = reviewing()
    open_case(page, first)

    page.keyboard.press("r")
    page.keyboard.type("Brighter, and axe the lamp")
    page.keyboard.press("Control+Enter")
    is_at(page, "Vase 02")
    wait_until(page, "!document.querySelector('imagegen-desk').isSending")

    first.refresh_from_db()
    assert (first.review_requested_at, first.review_note) == (None, "Brighter, and axe the lamp")


def test_what_another_reviewer_decided_meanwhile_brings_the_image_back(
    reviewing: Callable[..., Any],
) -> None:
    first, _second = waiting(2)
    page = reviewing()
    other = access.actor_for(make_user("rolf", groups=["Image reviewers"]))
    open_case(page, first)
    review.reject(actor=other, asset=first, reason="faulty")

    page.keyboard.press("a")
    wait_until(page, "document.body.textContent.includes('rolf did this on')")
    is_at(page, "Vase 01")

    assert states()["Vase 01"] == "rejected"
    assert focused(page) == "Vase 01"
    assert str(first.pk) in page.url
    assert page.locator("[role=alert]:visible").inner_text().startswith("Meanwhile its review")
    assert barriers(page, of=OURS) == []


def test_back_shows_the_image_that_was_decided_and_a_second_tab_its_state(
    reviewing: Callable[..., Any],
) -> None:
    first, second = waiting(2)
    page = reviewing()
    open_case(page, first)
    tab = open_page(page.context)
    tab.site = page.site
    open_case(tab, first)

    page.keyboard.press("a")
    is_at(page, "Vase 02")
    wait_until(page, "!document.querySelector('imagegen-desk').isSending")
    page.go_back()
    is_at(page, "Vase 01")
    chip = page.locator(".imagegen-case-head .imagegen-chip").first.inner_text()
    page.go_forward()
    is_at(page, "Vase 02")
    tab.keyboard.press("l")
    wait_until(tab, "document.body.textContent.includes('Meanwhile its review')")

    assert chip == "Approved"
    assert Asset.objects.get(pk=first.pk).is_label_required is None
    assert str(second.pk) in page.url


def test_a_site_that_does_not_answer_loses_nothing_that_was_typed(
    reviewing: Callable[..., Any],
) -> None:
    first, _second = waiting(2)
    page = reviewing()
    open_case(page, first)
    page.route("**/desk/**", lambda route: route.abort())

    page.keyboard.press("r")
    page.keyboard.type("Brighter")
    page.keyboard.press("Control+Enter")
    wait_until(page, "document.body.textContent.includes('the site does not answer')")

    assert page.input_value("#imagegen-note") == "Brighter"
    assert states()["Vase 01"] == "pending"


def test_the_checklist_is_answered_by_keys_before_an_approval(
    reviewing: Callable[..., Any], shop: Any
) -> None:
    shop.IMAGEGEN = {**shop.IMAGEGEN, "REVIEW": {"CHECKLIST": CHECKLIST}}
    first, _second = waiting(2)
    page = reviewing()
    open_case(page, first)

    page.keyboard.press("a")
    asked = page.locator("[data-complaint]").inner_text()
    page.keyboard.press("Space")
    page.keyboard.press("a")
    is_at(page, "Vase 02")
    wait_until(page, "!document.querySelector('imagegen-desk').isSending")

    assert asked == "Answer all questions of the checklist first."
    assert Asset.objects.get(pk=first.pk).checklist_answers == {"no_person": "yes"}


def test_several_images_are_chosen_and_decided_by_keys(reviewing: Callable[..., Any]) -> None:
    waiting(4)
    page = reviewing()
    page.goto(f"{page.site}{reverse('admin:imagegen_desk')}")

    page.locator(".imagegen-queue-link").first.focus()
    page.keyboard.press("Space")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Space")
    chosen = page.locator("[data-chosen]").inner_text()
    found = barriers(page, of=OURS)
    page.locator(".imagegen-together button[value=approve]").focus()
    page.keyboard.press("Enter")
    page.locator("text=2 images were decided.").wait_for()

    assert chosen == "Chosen: 2"
    assert found == []
    assert list(states().values()) == ["approved", "approved", "pending", "pending"]


def test_images_are_decided_without_script(reviewing: Callable[..., Any]) -> None:
    waiting(2)
    page = reviewing(java_script_enabled=False)
    page.goto(f"{page.site}{reverse('admin:imagegen_desk')}")

    page.click("text=Review one by one")
    page.click("button[value=reject]")
    refused = page.locator("[data-complaint]").inner_text()
    page.select_option("#imagegen-reason", "faulty")
    page.click("button[value=reject]")
    page.locator("h1:has-text('Vase 02')").wait_for()
    page.click("button[value=approve]")
    page.locator("text=Nothing waits for a review.").wait_for()

    assert refused.strip() == "Choose the reason of the rejection."
    assert states() == {"Vase 01": "rejected", "Vase 02": "approved"}
