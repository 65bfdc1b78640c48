"""What goes wrong while a person works: twice, too late, signed out, too large, or hostile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.browser.site import Site

pytestmark = pytest.mark.browser
MARKUP = "<img src=x onerror=alert(1)><script>alert(2)</script>{{7*7}}"


def _studio(site: Site, page: Any, product: str) -> None:
    page.goto(f"{site.url}/en/admin/imagegen/job/studio/?template=product-still-life")
    page.fill("[name=v_product]", product)
    page.check("[name=count][value='1']")
    page.locator(".imagegen-generate:has-text('USD')").wait_for()


def _jobs(site: Site, product: str) -> int:
    (number,) = site.ask(
        "select count(*) from imagegen_job where variables like ?", f"%{product}%"
    )[0]
    return int(number)


def test_a_double_click_makes_one_job(demo: Site, visit: Callable[..., Any]) -> None:
    page = visit("editor")
    _studio(demo, page, "cup clicked twice")
    page.dblclick("[name=generate]")
    page.locator(".is-current a.imagegen-button:has-text('Use this image')").first.wait_for()

    assert _jobs(demo, "cup clicked twice") == 1


def test_two_presses_that_both_arrive_make_one_job(demo: Site, visit: Callable[..., Any]) -> None:
    page = visit("editor", java_script_enabled=False)
    page.goto(f"{demo.url}/en/admin/imagegen/job/studio/?template=product-still-life")
    form = {
        field.get_attribute("name"): field.input_value()
        for field in page.locator(
            "form.imagegen-recipe :is(input[type=hidden], input[type=text], input:checked, select)"
        ).all()
    }
    form |= {"v_product": "cup sent twice", "size": "1024x1024", "count": "1", "generate": "1"}
    ends = [
        page.request.post(page.url, multipart=form, headers={"Referer": page.url}).url
        for _ in range(2)
    ]

    assert _jobs(demo, "cup sent twice") == 1
    assert ends[0] == ends[1]


def test_after_going_back_the_same_page_sends_no_second_job(
    demo: Site, visit: Callable[..., Any]
) -> None:
    page = visit("editor")
    _studio(demo, page, "cup and back")
    page.click("[name=generate]")
    page.locator(".is-current a.imagegen-button:has-text('Use this image')").first.wait_for()
    page.go_back()
    page.locator("[name=v_product]").wait_for()
    before = _jobs(demo, "cup and back")
    page.go_forward()
    page.locator(".is-current a.imagegen-button:has-text('Use this image')").first.wait_for()

    assert before == 1
    assert _jobs(demo, "cup and back") == 1


def test_a_session_that_ends_in_the_middle_loses_nothing(
    demo: Site, visit: Callable[..., Any]
) -> None:
    page = visit("editor")
    _studio(demo, page, "cup of the forgetful")
    page.check("[name=count][value='2']")
    page.context.clear_cookies(name="sessionid")
    page.fill("[name=v_material]", "clay")
    page.locator("text=You were signed out").wait_for()
    page.click("[name=generate]")
    page.fill("#id_username", "editor")
    page.fill("#id_password", "editor-demo")
    page.click("input[type=submit]")
    page.locator("text=This is what you typed").wait_for()
    kept = (
        page.locator("[name=v_product]").input_value(),
        page.locator("[name=v_material]").input_value(),
    )
    page.locator(".imagegen-generate:has-text('Generate 2')").click()
    page.locator(".is-current a.imagegen-button:has-text('Use this image')").nth(1).wait_for()

    assert kept == ("cup of the forgetful", "clay")
    assert _jobs(demo, "cup of the forgetful") == 1


def test_a_session_that_ends_loses_no_parameters_of_the_model(
    demo: Site, visit: Callable[..., Any]
) -> None:
    page = visit("editor")
    _studio(demo, page, "cup of the forgetful painter")
    page.click("[data-section=parameters] > summary")
    page.context.clear_cookies(name="sessionid")
    page.fill("[name=p_strength]", "0.25")
    page.check("[name=size][value='16:9']")
    page.locator("text=You were signed out").wait_for()
    page.click("[name=generate]")
    page.fill("#id_username", "editor")
    page.fill("#id_password", "editor-demo")
    page.click("input[type=submit]")
    page.locator("text=This is what you typed").wait_for()

    assert page.input_value("[name=p_strength]") == "0.25"
    assert page.locator("[name=size]:checked").get_attribute("value") == "16:9"


def test_a_poll_after_the_session_ended_shows_a_notice(
    demo: Site, visit: Callable[..., Any]
) -> None:
    page = visit("editor")
    _studio(demo, page, "cup that is watched")
    page.route("**/status/**", lambda route: route.continue_())
    page.click("[name=generate]")
    page.locator(".imagegen-turn.is-current").wait_for()
    page.context.clear_cookies(name="sessionid")
    page.evaluate(
        """async () => {
          await customElements.whenDefined("imagegen-live");
          const box = document.querySelector("imagegen-live");
          box.querySelectorAll("[data-done]").forEach((e) => e.removeAttribute("data-done"));
          return box.poll();
        }"""
    )

    # The page's own poll may have met the end, too, and said so once more.
    page.locator("text=Sign in again").first.wait_for()


@pytest.mark.usefixtures("published")  # the first job makes the budget's period
def test_a_budget_used_up_meanwhile_is_said_and_the_form_is_kept(
    demo: Site, visit: Callable[..., Any]
) -> None:
    page = visit("editor")
    _studio(demo, page, "cup without money")
    (limit,) = demo.ask('select "limit" from imagegen_budgetperiod')[0]
    demo.change('update imagegen_budgetperiod set "limit" = spent + reserved')
    try:
        page.click("[name=generate]")
        page.locator("[role=alert]:has-text('remain')").wait_for()
        kept = page.locator("[name=v_product]").input_value()
    finally:
        demo.change('update imagegen_budgetperiod set "limit" = ?', limit)

    assert kept == "cup without money"
    assert _jobs(demo, "cup without money") == 0


def test_a_template_withdrawn_meanwhile_is_said(demo: Site, visit: Callable[..., Any]) -> None:
    page = visit("editor")
    _studio(demo, page, "cup without template")
    demo.change(
        "update imagegen_prompttemplate set is_archived = 1 where slug = 'product-still-life'"
    )
    try:
        page.click("[name=generate]")
        page.locator("[role=alert]:has-text('was withdrawn meanwhile')").wait_for()
    finally:
        demo.change(
            "update imagegen_prompttemplate set is_archived = 0 where slug = 'product-still-life'"
        )

    assert _jobs(demo, "cup without template") == 0


def test_a_huge_reference_is_refused_with_and_without_script(
    demo: Site, visit: Callable[..., Any], tmp_path: Path
) -> None:
    huge = tmp_path / "huge.png"
    with huge.open("wb") as file:
        file.truncate(100 * 1024 * 1024)
    page = visit("editor")
    _studio(demo, page, "cup from a huge file")
    page.click("[data-section=images] > summary")
    page.set_input_files("[name=starts]", huge)
    page.locator("[data-upload-error=starts]:has-text('too large')").wait_for()
    plain = visit("editor", java_script_enabled=False)
    plain.goto(f"{demo.url}/en/admin/imagegen/job/studio/?template=product-still-life")
    plain.fill("[name=v_product]", "cup from a huge file")
    plain.set_input_files("[name=starts]", huge)
    plain.click("[name=generate]")
    told = plain.locator("[data-upload-error=starts]").inner_text()

    assert page.locator("[name=starts]").evaluate("e => e.files.length") == 0
    assert "100 MB; the limit is 25 MB" in told
    assert plain.locator("[name=v_product]").input_value() == "cup from a huge file"
    assert _jobs(demo, "cup from a huge file") == 0


def test_an_image_is_changed_from_one_that_was_made(
    demo: Site, visit: Callable[..., Any], published: str
) -> None:
    page = visit("editor")
    page.goto(f"{demo.url}/en/admin/imagegen/job/studio/?from={published}")
    page.fill("[name=prompt]", "The same vase at dusk")
    page.check("[name=count][value='1']")
    page.locator(".imagegen-generate:has-text('Generate 1')").click()
    page.locator(".is-current a.imagegen-button:has-text('Use this image')").first.wait_for()

    parents = demo.ask(
        "select l.parent_id from imagegen_lineage l join imagegen_asset a on a.id = l.child_id "
        "join imagegen_job j on j.id = a.job_id where j.operation = 'edit'"
    )
    assert parents == [(published.replace("-", ""),)]


def test_markup_stays_text_on_every_page(demo: Site, visit: Callable[..., Any]) -> None:
    page = visit("editor")
    dialogs: list[str] = []

    def dismiss(dialog: Any) -> None:
        dialogs.append(dialog.message)
        dialog.dismiss()

    page.on("dialog", dismiss)
    _studio(demo, page, MARKUP)
    page.fill("[name=v_material]", MARKUP)
    page.click("[name=generate]")
    page.locator(".is-current a.imagegen-button:has-text('Use this image')").first.click()
    page.fill("#imagegen-alt", MARKUP)
    page.click("button:has-text('Use this image')")
    address = page.locator("text=All details of the image").get_attribute("href")
    shown = 0
    for path in (
        address,
        f"{address}../../",
        "/en/admin/imagegen/job/",
        "/en/admin/",
        f"{address.replace('change/', '')}history/",
    ):
        page.goto(demo.url + path if path.startswith("/") else path)
        shown += page.content().count("&lt;img src=x")
    story = visit("compliance")
    story.on("dialog", dismiss)
    for path in (address, "/en/admin/imagegen/auditevent/", "/en/admin/imagegen/job/"):
        story.goto(demo.url + path)

    assert shown >= 2
    assert dialogs == []
    assert [c for c in page.complaints if "Content Security" in c] == []
