"""An editor chooses follow-up passes by keyboard, and without script; a mistake is said beside its field."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from imagegen_app.models import Job
from tests.browser.site import barriers, shoot, wait_for_options

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.browser.site import Site

pytestmark = pytest.mark.browser
STUDIO = "/en/admin/imagegen/job/studio/"
FIX = "Correct the spelling on the label"


def focused(page: Any) -> str:
    return str(page.evaluate("document.activeElement.name || document.activeElement.textContent"))


def choose_by_keyboard(page: Any, label: str) -> None:
    """Choose in the select that has the focus, as somebody who types the first words of a label."""
    page.keyboard.type(label)
    page.keyboard.press("Tab")


def test_passes_are_chosen_by_keyboard_and_a_mistake_is_said_beside_its_field(
    page: Any, live_server: Any
) -> None:
    page.goto(f"{live_server.url}{STUDIO}")
    page.locator("imagegen-recipe.is-live").wait_for()
    page.fill("[name=prompt]", "A cup")
    page.check("[name=count][value='1']")
    page.focus("[data-section=passes] > summary")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    choose_by_keyboard(page, "Upscale 2")
    # No instruction is asked for: the next stop is the disclosure of further passes.
    after = focused(page)
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    choose_by_keyboard(page, "Edit")
    instruction = focused(page)
    shoot(page, "studio-passes")
    found = barriers(page, of="#content")
    with page.expect_navigation():
        page.click("[name=generate]")
    error = page.locator("#id_pass_text_1_error").inner_text()
    described = page.locator("[name=pass_text_1]").get_attribute("aria-describedby")
    shoot(page, "studio-passes-error")
    found += barriers(page, of="#content")
    page.focus("[name=pass_text_1]")
    # All at once: the price that is asked for after each key would replace the button under the click.
    with page.expect_response("**/studio/quote/**"):
        page.keyboard.insert_text(FIX)
    wait_for_options(page)
    page.locator(".imagegen-generate:has-text('0.06 USD')").wait_for()
    with page.expect_navigation():
        page.click("[name=generate]")
    page.locator(".is-current .imagegen-turn-title a").click()
    page.locator("text=pass 3 of 3").first.wait_for()
    shoot(page, "studio-job-passes")
    found += barriers(page, of="#content")

    root = Job.objects.get(root=None)
    assert (after, instruction) == ("More passes", "pass_text_1")
    assert error == "A follow-up edit needs an instruction: what to change."
    assert described is not None
    assert "id_pass_text_1_error" in described
    assert [one["operation"] for one in root.passes] == ["upscale", "edit"]
    assert Job.objects.get(operation="edit").prompt == FIX
    assert found == []
    assert page.complaints == []


def test_passes_of_a_template_are_changed_without_script(
    demo: Site, visit: Callable[..., Any]
) -> None:
    page = visit("editor", java_script_enabled=False)
    page.goto(f"{demo.url}{STUDIO}?template=product-cut-out")
    begun = [page.input_value(f"[name=pass_{number}]") for number in range(3)]
    page.fill("[name=v_product]", "jug without script")
    page.check("[name=count][value='1']")
    page.select_option("[name=pass_0]", label="Restore faces with Sandbox 1")
    page.select_option("[name=pass_1]", value="")
    page.click("[name=generate]")
    page.locator(".is-current .imagegen-turn-title a").click()
    page.locator("text=pass 2 of 2").first.wait_for()

    assert begun == ["upscale:2:sandbox-1", "remove_background:sandbox-1", ""]
    shown = page.locator(".imagegen-then").inner_text()
    assert "Pass 2: Restore faces with Sandbox 1" in shown
