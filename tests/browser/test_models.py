"""An editor changes the model in the studio: what fits stays, what does not is said, by keyboard too."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image, ImageDraw

from imagegen_app.models import Job
from imagegen_app.testing.factories import (
    make_grant,
    make_group,
    make_image,
    make_image_model,
    make_provider,
)
from tests.browser.site import barriers, shoot, wait_for_options

if TYPE_CHECKING:
    from imagegen_app.models import ImageModel

pytestmark = pytest.mark.browser


#: What an administrator corrected of a model that draws like the demo's own, and can do less.
LESS = {
    "sizes": {"allowed": ["1024x1024", "1536x1024"]},
    "supports_seed": False,
    "max_loras": 0,
    "parameters": {"strength": None},
}


@pytest.fixture
def others(shop: Any) -> dict[str, ImageModel]:
    """Models that have less than the demo's own."""
    made = {}
    for name, adapter, more in (
        ("Small model", "sandbox", LESS),
        ("Workflow", "comfyui", {}),
    ):
        made[name] = make_image_model(
            name=name,
            provider=make_provider(adapter=adapter),
            provider_model_name="text-to-image",
            capabilities=more,
        )
        make_grant(group=make_group("Image editors"), image_model=made[name])
    return made


def file(name: str, data: bytes) -> dict[str, Any]:
    return {"name": name, "mimeType": "image/png", "buffer": data}


def mask() -> bytes:
    area = Image.new("L", (64, 48))
    ImageDraw.Draw(area).rectangle((0, 0, 31, 47), fill=255)
    out = io.BytesIO()
    area.save(out, "png")
    return out.getvalue()


def choose(page: Any, label: str) -> None:
    page.locator(".imagegen-model", has_text=label).locator("input").check()
    wait_for_options(page)


def test_another_model_keeps_what_it_has_and_the_image_is_made_as_chosen(
    page: Any, live_server: Any, others: dict[str, ImageModel]
) -> None:
    page.goto(f"{live_server.url}/en/admin/imagegen/job/studio/")
    page.locator("imagegen-recipe.is-live").wait_for()
    choose(page, "Sandbox 1")
    page.fill("[name=prompt]", "A quiet picture of a cup")
    page.check("[name=size][value='3:2']")
    page.check("[name=quality][value=high]")
    page.check("[name=count][value='1']")
    page.locator("[data-section=parameters] > summary").click()
    page.fill("[name=seed]", "4711")
    page.locator("[data-section=images] > summary").click()
    page.set_input_files("[name=starts]", files=[file("cup.png", make_image())])
    page.set_input_files("[name=mask]", files=[file("mask.png", mask())])
    shoot(page, "studio-sandbox")
    found = barriers(page, of="#content")

    page.fill("[name=p_strength]", "0.5")
    choose(page, "Small model")
    changes = page.locator("[data-changes]").inner_text()
    said = page.locator("imagegen-recipe [data-said]").inner_text()
    kept = page.evaluate(
        "['starts', 'mask'].map((n) => document.querySelector(`[name=${n}]`).files[0]?.name)"
    )
    shoot(page, "studio-small")
    found += barriers(page, of="#content")
    size = page.locator("[name=size]:checked").get_attribute("value")
    with page.expect_navigation():
        page.click("[name=generate]")

    job = Job.objects.latest("created_at")
    assert "“Small model” does not take this (Seed): “4711” was left out." in changes
    assert "“Small model” does not take this (Strength): “0.5” was left out." in changes
    assert "4711" in said
    assert (kept, size) == (["cup.png", "mask.png"], "3:2")
    assert (job.operation, job.quality, job.seed) == ("inpaint", "high", None)
    assert (job.width, job.height) == (1536, 1024)
    assert [one.role for one in job.inputs.order_by("position")] == ["image", "mask"]
    assert found == []
    assert page.complaints == []


def test_the_model_and_its_options_are_reached_by_keyboard_and_focus_stays(
    page: Any, live_server: Any, others: dict[str, ImageModel]
) -> None:
    page.goto(f"{live_server.url}/en/admin/imagegen/job/studio/")
    page.locator("imagegen-recipe.is-live").wait_for()
    page.fill("[name=prompt]", "A cup")
    page.focus("[name=image_model]")
    page.locator(".imagegen-model", has_text="Sandbox 1").locator("input").check()
    page.keyboard.press("ArrowDown")
    wait_for_options(page)
    focused = page.evaluate("document.activeElement.name")
    page.focus("[data-section=parameters] > summary")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.type("hands")

    assert focused == "image_model"
    assert page.input_value("[name=shown_model]") == str(others["Small model"].pk)
    assert page.input_value("[name=negative]") == "hands"
    assert page.complaints == []


def test_what_is_typed_while_the_options_are_under_way_is_not_lost(
    page: Any, live_server: Any, others: dict[str, ImageModel]
) -> None:
    page.goto(f"{live_server.url}/en/admin/imagegen/job/studio/")
    page.locator("imagegen-recipe.is-live").wait_for()
    choose(page, "Sandbox 1")
    page.fill("[name=prompt]", "A cup")
    page.locator("[data-section=parameters] > summary").click()

    def slow(route: Any) -> None:
        # The person types while the server works.
        page.fill("[name=seed]", "42")
        route.continue_()

    page.route("**/studio/options/**", slow)
    choose(page, "Workflow")

    assert page.input_value("[name=seed]") == "42"
    assert page.locator("[name=p_steps]").is_visible()
    assert page.complaints == []


def test_a_draft_for_another_model_comes_back_with_its_options(
    page: Any, live_server: Any, others: dict[str, ImageModel]
) -> None:
    page.goto(f"{live_server.url}/en/admin/imagegen/job/studio/")
    page.locator("imagegen-recipe.is-live").wait_for()
    choose(page, "Workflow")
    page.fill("[name=prompt]", "A forgotten cup")
    page.locator("[data-section=parameters] > summary").click()
    page.fill("[name=p_steps]", "30")
    # As the form leaves it when a sign-in comes between.
    page.evaluate(
        """() => {
          const form = new FormData(document.querySelector("imagegen-recipe form"));
          const draft = Object.fromEntries([...form].filter(([, v]) => typeof v === "string"));
          delete draft.shown_model;
          sessionStorage.setItem("imagegen-draft", JSON.stringify(draft));
        }"""
    )
    page.goto(f"{live_server.url}/en/admin/imagegen/job/studio/")
    page.locator("[name=p_steps]").wait_for(state="attached")
    wait_for_options(page)

    assert page.input_value("[name=prompt]") == "A forgotten cup"
    assert page.input_value("[name=p_steps]") == "30"
    assert page.complaints == []


def test_the_list_of_models_keeps_its_prices_and_tells_on_demand_who_may_not_be_used(
    page: Any, live_server: Any, others: dict[str, ImageModel]
) -> None:
    make_image_model(name="Strange", provider=others["Workflow"].provider)
    page.goto(f"{live_server.url}/en/admin/imagegen/job/studio/")
    page.locator("imagegen-recipe.is-live").wait_for()
    choose(page, "Sandbox 1")
    facts = page.locator(".imagegen-model", has_text="Small model").locator("[data-facts-of]")
    before = facts.inner_text()
    page.check("[name=count][value='1']")
    page.fill("[name=prompt]", "A cup")
    page.focus("[data-show-refused]")
    page.keyboard.press("Enter")
    page.locator(".imagegen-refused").wait_for()
    page.locator(".imagegen-generate:has-text('Generate 1')").wait_for()
    focused = page.evaluate("document.activeElement.textContent")
    shoot(page, "studio-models")

    assert before.startswith("0.08 USD")
    assert facts.inner_text().startswith("0.02 USD")
    assert focused == "Models you may not use"
    assert "Your groups have no grant for “Strange”." in page.inner_text(".imagegen-refused")
    assert page.locator(".imagegen-model", has_text="Strange").count() == 0
    assert barriers(page, of="#content") == []
    assert page.complaints == []
