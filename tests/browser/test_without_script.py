"""What must work where no script runs: sign in, read the list, generate, use, approve."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.browser.site import Site

pytestmark = pytest.mark.browser


def test_an_editor_generates_and_a_reviewer_approves_without_script(
    demo: Site, visit: Callable[..., Any]
) -> None:
    page = visit("editor", java_script_enabled=False)
    page.goto(f"{demo.url}/en/admin/")
    page.click("text=Open the studio")
    page.select_option("[name=template]", "product-still-life")
    page.click("button[name=load]")
    page.fill("[name=v_product]", "teapot without script")
    page.check("[name=count][value='1']")
    page.click("[name=generate]")
    # The page asks for itself again by a meta element.
    page.locator(".is-current a.imagegen-button:has-text('Use this image')").wait_for()
    key = page.locator(".is-current a.imagegen-button:has-text('Use this image')").get_attribute(
        "href"
    )
    asset = str(key).split("/choose/")[1].split("/")[0]
    page.goto(f"{demo.url}/en/admin/imagegen/asset/")
    listed = page.locator("#result_list tbody tr").count()

    reviewer = visit("reviewer", java_script_enabled=False)
    reviewer.goto(f"{demo.url}/en/admin/imagegen/asset/?review_state__exact=pending")
    reviewer.check(f"input.action-select[value='{asset}']")
    reviewer.select_option("select[name=action]", "approve")
    reviewer.click("button[name=index]")

    assert listed >= 1
    assert "1 image was approved" in reviewer.locator(".messagelist").inner_text()
    assert demo.ask(
        "select review_state from imagegen_asset where id = ?", asset.replace("-", "")
    ) == [("approved",)]
