"""A template is written: marks and check follow what is typed; by mouse, by keyboard, and without script."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.browser.site import barriers, shoot, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.browser.site import Site

pytestmark = pytest.mark.browser
ADD = "/en/admin/imagegen/prompttemplate/add/"
_PROMPT = "A {{ product }} in {{ moood|upper }} light"
_FOCUSED = "document.activeElement"


def listed(page: Any) -> list[str]:
    """Return the names of the variables in the order of their rows."""
    rows = page.locator("[prefix=variables] [data-list] [data-name]")
    return [one.input_value() for one in rows.all()]


def test_what_is_typed_is_marked_checked_and_shown(demo: Site, visit: Callable[..., Any]) -> None:
    page = visit("admin", width=1440)
    page.goto(f"{demo.url}{ADD}")
    body = page.locator("#id_body")
    body.fill(_PROMPT)

    page.locator("[data-add-name=moood]").wait_for()
    unknown = page.locator(".field-body mark[data-unknown]").all_inner_texts()
    page.locator("[data-part=body]", has_text="Prompt").last.click()
    caret = body.evaluate("e => [document.activeElement === e, e.selectionStart]")
    page.click("[data-add-name=product]")
    page.click("[data-add-name=moood]")
    page.locator(".imagegen-chip:has-text('No problems found')").wait_for()
    after = page.locator(".field-body mark[data-unknown]").count()
    summary = page.locator("[data-summary]").text_content()
    example = page.locator(".imagegen-preview").first.inner_text()
    page.select_option("[name=preview]", "catalog.Product.image")
    page.locator(".imagegen-preview:has-text('Moood: a value is required.')").first.wait_for()
    page.locator("[prefix=variables] [data-list] [data-row]").nth(1).locator(
        "[name$=required]"
    ).uncheck()
    page.locator(".imagegen-preview mark[title=product]").nth(2).wait_for()
    shown = page.locator(".imagegen-preview").count()
    complaints = list(page.complaints)
    wait_until(page, "document.querySelector('.imagegen-editor-check > [data-said]').textContent")
    shoot(page, "template-editor")

    assert sorted(unknown) == ["moood", "product"]
    assert caret == [True, _PROMPT.index("moood")]
    assert after == 0
    assert summary == "No problems found"
    assert "A Product in MOOOD light" in example
    assert shown == 3
    assert page.evaluate("document.documentElement.scrollWidth") <= 1440
    assert barriers(page) == []
    assert complaints == []


def test_the_marks_lie_behind_the_words_at_any_size(demo: Site, visit: Callable[..., Any]) -> None:
    page = visit("admin", width=390)
    page.goto(f"{demo.url}{ADD}")
    body = page.locator("#id_body")
    body.fill("\n".join(f"Line {n} with {{{{ product }}}} and a few more words" for n in range(40)))
    body.evaluate("e => { e.style.height = '120px'; e.scrollTop = 300; }")

    wait_until(
        page,
        "(() => { const a = document.querySelector('#id_body'); const m = a.parentNode.querySelector"
        "('[data-mirror]'); return m.scrollTop === a.scrollTop && m.scrollHeight - m.clientHeight >= "
        "a.scrollHeight - a.clientHeight - 2 && Math.abs(m.clientWidth - a.clientWidth) < 2; })()",
    )
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.parametrize("text", ["A {{ product }} on slate", "{{ product }} على طاولة"])
@pytest.mark.parametrize("way", ["ltr", "rtl"])
def test_the_marks_run_as_the_words_do(
    demo: Site, visit: Callable[..., Any], text: str, way: str
) -> None:
    page = visit("admin")
    page.goto(f"{demo.url}{ADD}")
    page.locator("imagegen-editor.is-live").wait_for()
    page.evaluate("way => { document.documentElement.dir = way }", way)
    page.fill("#id_body", text)

    # A field tells of no place of its words: a copy that is no field does.
    same = page.evaluate(
        "(() => { const a = document.querySelector('#id_body'); const m = a.parentNode.querySelector"
        "('[data-mirror]'); const r = a.getBoundingClientRect(); const s = m.getBoundingClientRect(); "
        "return getComputedStyle(a).direction === getComputedStyle(m).direction && Math.abs(r.left + "
        "a.clientLeft - s.left) < 1 && Math.abs(r.top + a.clientTop - s.top) < 1; })()"
    )

    assert same


def test_variables_are_added_moved_and_removed_by_keyboard(
    demo: Site, visit: Callable[..., Any]
) -> None:
    page = visit("admin")
    page.goto(f"{demo.url}{ADD}")
    page.locator("[prefix=variables].is-live").wait_for()
    page.locator("[prefix=variables] [data-list] [data-name]").focus()
    page.keyboard.type("first")
    page.locator("[prefix=variables] [data-add]").focus()
    page.keyboard.press("Enter")
    page.keyboard.type("second")
    added = listed(page)
    said = page.locator("[prefix=variables] > [data-said]").inner_text()
    page.locator("[prefix=variables] [data-row]").nth(1).locator("[data-up]").focus()
    page.keyboard.press("Enter")
    moved = listed(page)
    kept = page.evaluate(f"{_FOCUSED}.matches('[data-down]')")
    page.locator("[prefix=variables] [data-row]").nth(0).locator("[data-kind]").select_option(
        "choice"
    )
    choices = (
        page.locator("[prefix=variables] [data-row]")
        .nth(0)
        .locator("[data-for=choice]")
        .is_visible()
    )
    others = (
        page.locator("[prefix=variables] [data-row]")
        .nth(1)
        .locator("[data-for=choice]")
        .is_visible()
    )
    page.locator("[prefix=variables] [data-row]").nth(0).locator("[data-remove]").focus()
    page.keyboard.press("Enter")

    assert added == ["first", "second"]
    assert "2" in said
    assert moved == ["second", "first"]
    assert kept
    assert (choices, others) == (True, False)
    assert listed(page) == ["first"]
    assert page.evaluate(f"{_FOCUSED}.matches('[data-remove]')")


def test_a_template_is_written_without_script(demo: Site, visit: Callable[..., Any]) -> None:
    page = visit("admin", java_script_enabled=False)
    page.goto(f"{demo.url}{ADD}")
    page.fill("#id_name", "Without script")
    page.fill("#id_slug", "without-script")
    page.fill("#id_body", "A {{ product }}")
    page.click("[name=_check]")
    told = page.locator(".imagegen-problems").inner_text()
    page.click("button[name=_add_variable][value=product]")
    page.locator(".imagegen-chip:has-text('No problems found')").wait_for()
    page.fill("[name=variables-1-name]", "mood")
    page.fill("[name=variables-1-order]", "0")
    page.fill("#id_alt_pattern", "{{ mood }}")
    page.click("[name=_save]")

    stored = demo.ask(
        "select v.variables from imagegen_templateversion v join imagegen_prompttemplate t on "
        "t.id = v.template_id where t.slug = 'without-script'"
    )
    assert "Line 1, column 6: The variable “product” is not defined" in told
    assert [one["name"] for one in json.loads(stored[0][0])] == ["mood", "product"]


def test_a_signed_out_author_keeps_what_was_typed(demo: Site, visit: Callable[..., Any]) -> None:
    page = visit("admin")
    page.goto(f"{demo.url}{ADD}")
    page.locator("imagegen-editor.is-live").wait_for()
    page.context.clear_cookies()
    page.fill("#id_body", "A mug")

    page.locator("[data-problem]:has-text('You were signed out')").wait_for()
    assert page.input_value("#id_body") == "A mug"


def test_versions_are_compared_and_one_is_tried_out(demo: Site, visit: Callable[..., Any]) -> None:
    page = visit("admin", width=1440)
    page.goto(f"{demo.url}{ADD}")
    page.fill("#id_name", "Plain vase")
    page.fill("#id_body", "A red vase")
    page.click("[name=_continue]")
    page.fill("#id_body", "A blue vase")
    page.click("[name=_continue]")
    page.click("text=Compare versions, and go back to one")
    page.click("text=Make a test image of v1")
    page.locator("text=This is version 1 of “Plain vase”").wait_for()
    page.locator(".imagegen-generate:has-text('USD')").click()
    page.locator(".is-current a.imagegen-button:has-text('Use this image')").first.wait_for()

    page.goto(f"{demo.url}/en/admin/imagegen/prompttemplate/")
    page.click("a:has-text('Plain vase')")
    page.click("text=Compare versions, and go back to one")
    page.locator(".imagegen-test-images img").first.wait_for()
    prompts = demo.ask(
        "select distinct j.prompt from imagegen_job j join imagegen_templateversion v on "
        "v.id = j.template_version_id join imagegen_prompttemplate t on t.id = v.template_id "
        "where t.name = 'Plain vase'"
    )
    shoot(page, "template-versions")

    assert prompts == [("A red vase",)]
    assert page.locator("text=Publish v1 again").is_visible()
    assert barriers(page) == []


def test_words_that_are_composed_stay_whole_while_the_marks_follow(
    demo: Site, visit: Callable[..., Any]
) -> None:
    page = visit("admin")
    page.goto(f"{demo.url}{ADD}")
    page.locator("imagegen-editor.is-live").wait_for()
    page.fill("#id_body", "{{ product }} ")
    page.locator("#id_body").press("End")
    session = page.context.new_cdp_session(page)
    for text in ("と", "とう", "とうき"):
        session.send(
            "Input.imeSetComposition",
            {"text": text, "selectionStart": len(text), "selectionEnd": len(text)},
        )
    session.send("Input.insertText", {"text": "陶器"})

    assert page.input_value("#id_body") == "{{ product }} 陶器"
    assert page.locator(".field-body [data-mirror]").text_content() == "{{ product }} 陶器\n"
    assert page.locator(".field-body mark[data-kind=variable]").inner_text() == "product"


def test_the_longest_text_is_marked_within_a_frame_or_two(
    demo: Site, visit: Callable[..., Any]
) -> None:
    page = visit("admin")
    page.goto(f"{demo.url}{ADD}")
    page.locator("imagegen-editor.is-live").wait_for()
    page.fill("#id_body", "{{ product | upper }}, " * 340)

    took = page.evaluate(
        "(() => { const e = document.querySelector('imagegen-editor'); const box = e.querySelector("
        "'.field-body [data-source]'); const times = []; for (let i = 0; i < 9; i += 1) { const t = "
        "performance.now(); e.paint(box); times.push(performance.now() - t); } return times.sort((a, "
        "b) => a - b)[4]; })()"
    )

    assert page.locator(".field-body mark[data-kind=variable]").count() == 340
    # A busy machine is slow: quietly it takes a tenth of this.
    assert took < 100, took
