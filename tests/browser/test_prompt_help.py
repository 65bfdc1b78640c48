"""Help with the prompt in a browser: asked for, read, taken or dropped, by mouse and by keyboard."""

from __future__ import annotations

from typing import Any

import pytest

from imagegen_app.models import TextCall
from imagegen_app.writing.base import TextModelFailed, WrittenPrompt
from tests.browser.site import barriers, shoot
from tests.services.job_requests.test_prompt_suggestions import HERE, Writer

pytestmark = pytest.mark.browser


@pytest.fixture
def studio(page: Any, live_server: Any, shop: Any) -> Any:
    shop.IMAGEGEN = {
        **shop.IMAGEGEN,
        "TEXT_MODEL": {"BACKEND": f"{HERE}.Writer", "NAME": "writer", "PRICE": "0.002"},
    }
    Writer.answer = WrittenPrompt("A calm mug by a window.")
    Writer.asked = []
    page.goto(f"{live_server.url}/en/admin/imagegen/job/studio/")
    page.locator("imagegen-recipe.is-live").wait_for()
    return page


def test_a_prompt_is_improved_and_taken_by_keyboard(studio: Any) -> None:
    page = studio
    page.focus("[name=prompt]")
    page.keyboard.type("A mug")
    page.focus(".imagegen-prompt-help > summary")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.type("calmer")

    page.keyboard.press("Enter")

    page.locator("[data-suggested]:focus").wait_for()
    found = barriers(page, of="#content")
    shoot(page, "studio-prompt-help")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.locator("[name=prompt]:focus").wait_for()
    assert Writer.asked == [("A mug", "calmer")]
    assert page.input_value("[name=prompt]") == "A calm mug by a window."
    assert page.locator("[data-suggested]").count() == 0
    # The length below the prompt follows.
    assert page.inner_text("[data-length]").startswith("23 of at most ")
    assert found == []


def test_a_refusal_is_told_and_a_suggestion_is_dropped_by_mouse(studio: Any) -> None:
    page = studio
    page.fill("[name=prompt]", "A mug")
    page.click(".imagegen-prompt-help > summary")
    page.click("[name=improve_prompt]")
    page.click("[data-act=drop]")
    assert page.input_value("[name=prompt]") == "A mug"

    Writer.answer = TextModelFailed("nothing")
    page.click("[name=improve_prompt]")

    page.locator(".imagegen-prompt-help [role=alert]").wait_for()
    assert "gave no answer" in page.inner_text(".imagegen-prompt-help")
    assert page.input_value("[name=prompt]") == "A mug"
    assert TextCall.objects.count() == 2
