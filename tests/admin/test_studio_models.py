"""The studio's form is drawn from what the chosen model can do, and loses nothing in silence."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from imagegen_app.models import ImageModel, Job
from imagegen_app.testing.factories import (
    make_grant,
    make_group,
    make_image,
    make_image_model,
    make_provider,
    make_template,
    make_user,
)

if TYPE_CHECKING:
    from django.test import Client

STUDIO, OPTIONS, QUOTE = (f"admin:imagegen_studio{end}" for end in ("", "_options", "_quote"))


@pytest.fixture
def models(db: None, immediate: Any) -> dict[str, ImageModel]:
    """Models of very different capabilities, all granted to editors."""
    made = {}
    for adapter, name in (
        ("sandbox", "sandbox-1"),
        ("openai", "gpt-image-1"),
        ("gemini", "gemini-nano-banana-2.1"),
        ("ideogram", "ideogram-4-6"),
        ("stability", "edit"),
        ("comfyui", "text-to-image"),
    ):
        provider = make_provider(adapter=adapter)
        made[adapter] = make_image_model(
            name=adapter.title(), provider=provider, provider_model_name=name
        )
        make_grant(group=make_group("Image editors"), image_model=made[adapter])
    return made


@pytest.fixture
def editor(models: dict[str, ImageModel], client: Client) -> Client:
    client.force_login(make_user("edda", groups=["Image editors"], is_staff=True))
    return client


def test_the_studio_begins_with_a_model_that_needs_no_image(
    editor: Client, models: dict[str, ImageModel]
) -> None:
    # By its name, this one comes first.
    edits = make_image_model(
        name="A model that only edits",
        provider=make_provider(adapter="stability"),
        provider_model_name="edit",
    )
    make_grant(group=make_group("Image editors"), image_model=edits)

    page = editor.get(reverse(STUDIO)).content.decode()

    begun = re.search(r'name="image_model" id="\w+" value="(\d+)" checked', page)
    assert begun is not None
    assert begun[1] == str(models["comfyui"].pk)


def upload(name: str = "a.png", size: tuple[int, int] = (64, 64)) -> SimpleUploadedFile:
    return SimpleUploadedFile(name, make_image(size=size), "image/png")


def shown(editor: Client, model: ImageModel, **changes: Any) -> str:
    sent = {"shown_template": "", "image_model": model.pk, "load": "", **changes}
    return editor.post(reverse(STUDIO), sent).content.decode()


def asked(editor: Client, model: ImageModel, **changes: Any) -> Any:
    recipe = {"shown_template": "", "prompt": "A mug", "image_model": model.pk, "count": "1"}
    return editor.post(reverse(STUDIO), {**recipe, "generate": "1", **changes})


def names(page: str) -> set[str]:
    form = page.partition("data-options")[2].partition("data-quote")[0]
    return set(re.findall(r'<(?:input|select|textarea)[^>]* name="(\w+)"', form)) | set(
        re.findall(r'<(?:input|select|textarea) name="(\w+)"', form)
    )


@pytest.mark.parametrize(
    ("adapter", "has", "lacks"),
    [
        (
            "sandbox",
            {"quality", "seed", "negative", "mask", "references", "styles", "operation"}
            | {"guide_0_kind", "guide_3_end", "lora_3_weight", "p_strength"},
            {"guide_4_file", "lora_4", "p_steps", "p_anchor"},
        ),
        (
            "openai",
            {"quality", "mask", "references", "p_moderation"},
            {"seed", "negative", "lora_0"},
        ),
        ("gemini", {"quality", "seed", "starts", "p_safety_threshold"}, {"mask", "negative"}),
        ("stability", {"mask", "operation", "seed", "p_style_preset"}, {"quality", "styles"}),
        ("comfyui", {"p_steps", "p_guidance", "p_sampler", "seed"}, {"starts", "mask", "quality"}),
    ],
)
def test_there_are_only_the_fields_of_what_the_model_takes(
    editor: Client, models: dict[str, ImageModel], adapter: str, has: set[str], lacks: set[str]
) -> None:
    found = names(shown(editor, models[adapter]))

    assert has <= found
    assert not lacks & found


def test_what_a_model_lacks_is_said_where_it_would_be(
    editor: Client, models: dict[str, ImageModel]
) -> None:
    openai, comfyui = shown(editor, models["openai"]), shown(editor, models["comfyui"])
    stability = shown(editor, models["stability"])

    assert "“Openai” takes no seed: each request gives another image." in openai
    assert "“Openai” takes no negative prompt." in openai
    assert "“Comfyui” has no quality tiers." in comfyui
    assert "“Stability” takes no proportions here: it decides them itself." in stability
    assert "“Stability” needs a source image." in stability


def test_whether_a_seed_gives_the_same_image_is_said(
    editor: Client, models: dict[str, ImageModel]
) -> None:
    assert "The same seed and settings give the same image." in shown(editor, models["comfyui"])
    assert "does not promise the same image for the same seed" in shown(editor, models["gemini"])


def test_proportions_and_quality_are_asked_for_in_the_models_own(
    editor: Client, models: dict[str, ImageModel]
) -> None:
    quoted = editor.post(
        reverse(QUOTE),
        {
            "shown_template": "",
            "prompt": "A mug",
            "image_model": models["gemini"].pk,
            "size": "16:9",
            "quality": "high",
            "count": "1",
        },
    ).content.decode()
    asked(editor, models["sandbox"], size="16:9", quality="standard")

    job = Job.objects.get()
    assert (job.width, job.height, job.quality) == (1360, 768, "medium")
    assert "2720 × 1536" in quoted  # noqa: RUF001 - as people write sizes


def test_another_model_keeps_what_it_has_and_says_what_it_has_not(
    editor: Client, models: dict[str, ImageModel]
) -> None:
    chosen = {
        "prompt": "A mug",
        "shown_model": models["sandbox"].pk,
        "size": "16:9",
        "quality": "high",
        "count": "4",
        "seed": "4711",
        "negative": "hands",
        "operation": "relight",
        "p_strength": "0.5",
        "guide_0_kind": "depth",
        "lora_0": "paint",
        "chosen_styles": "2",
    }
    same = shown(editor, models["sandbox"], **chosen)
    gemini = shown(editor, models["gemini"], **chosen)
    openai = shown(editor, models["openai"], **chosen)

    assert "data-changes" not in same
    for page in (same, gemini):
        assert re.search(r'name="size" value="16:9"[^>]* checked', page)
        assert re.search(r'name="quality" value="high"[^>]* checked', page)
        assert re.search(r'name="seed" value="4711"', page)
    for sentence in (
        "“Gemini” makes 1 image at a time, not 4.",
        "“Gemini” does not take this (Negative prompt): “hands” was left out.",
        "“Gemini” does not take this (Operation): “Change the lighting” was left out.",
        "“Gemini” does not take this (Strength): “0.5” was left out.",
        "“Gemini” does not take this (Kind): “depth” was left out.",
        "“Gemini” does not take this (LoRA): “paint” was left out.",
        "“Gemini” does not take this (Guide for the style): “chosen file” was left out.",
    ):
        assert sentence in gemini
    assert "“Openai” does not have the size 16:9; it is now automatic." in openai
    assert "“Openai” does not take this (Seed): “4711” was left out." in openai
    assert not Job.objects.exists()


def test_a_model_that_was_changed_without_script_still_loses_nothing(
    editor: Client, models: dict[str, ImageModel]
) -> None:
    page = asked(
        editor, models["openai"], shown_model=models["comfyui"].pk, seed="4711", p_steps="30"
    )

    html = page.content.decode()
    assert page.status_code == 422
    assert "“Openai” does not support this (seed): not offered." in html
    # They are still there to be cleared by hand.
    assert {"seed", "p_steps"} <= names(html)
    assert "The chosen model does not have this. Leave it empty." in html
    assert not Job.objects.exists()


def test_files_are_to_be_chosen_again_where_a_page_is_loaded_for_another_model(
    editor: Client, models: dict[str, ImageModel]
) -> None:
    page = shown(editor, models["openai"], prompt="A blue mug", starts=upload())

    assert "Choose the files again" in page
    assert "A blue mug" in page


def test_the_options_are_a_fragment_for_those_who_may_request_images(
    editor: Client, models: dict[str, ImageModel]
) -> None:
    sent = {"shown_template": "", "prompt": "A mug", "image_model": models["comfyui"].pk}

    fragment = editor.post(reverse(OPTIONS), sent)
    editor.force_login(make_user("staff", is_staff=True))

    html = fragment.content.decode()
    assert "<html" not in html
    assert {"p_steps", "shown_model"} <= names(html)
    assert "Generate 4 · about 0.08 USD" in html
    # A page that one may not see is not there.
    assert editor.post(reverse(OPTIONS), sent).status_code == 404


def test_an_operation_of_the_models_own_can_be_chosen(
    editor: Client, models: dict[str, ImageModel]
) -> None:
    asked(editor, models["sandbox"], operation="relight", starts=upload())

    assert Job.objects.get().operation == "relight"


def test_the_parameters_of_a_chosen_operation_are_offered(
    editor: Client, models: dict[str, ImageModel]
) -> None:
    found = names(shown(editor, models["stability"], operation="outpaint"))

    assert {"p_anchor", "p_creativity"} <= found
    assert "p_light_source_direction" not in found


def test_a_templates_operation_is_kept_with_a_source_image(
    editor: Client, models: dict[str, ImageModel]
) -> None:
    make_template(slug="lit", operation="relight", image_model=models["sandbox"])

    asked(
        editor,
        models["sandbox"],
        template="lit",
        shown_template="lit",
        v_product="mug",
        starts=upload(),
    )

    assert Job.objects.get().operation == "relight"


def test_a_recipe_is_made_again_with_its_quality_and_lora(
    editor: Client, models: dict[str, ImageModel]
) -> None:
    asked(editor, models["sandbox"], size="16:9", quality="high", lora_0="paint")
    job = Job.objects.get()

    page = editor.get(reverse(STUDIO), {"again": str(job.pk)}).content.decode()

    assert re.search(r'name="quality" value="high"[^>]* checked', page)
    assert re.search(r'name="size" value="16:9"[^>]* checked', page)
    assert re.search(r'name="lora_0" value="paint"', page)


@pytest.mark.parametrize(
    ("wanted", "offered"),
    [({"size": "1:1", "quality": "standard"}, "standard"), ({"size": "1024x1024"}, "usual")],
)
def test_a_recipe_does_not_take_the_tier_of_its_template_instead_of_its_own(
    editor: Client, models: dict[str, ImageModel], wanted: dict[str, str], offered: str
) -> None:
    adapter = "gemini" if "quality" in wanted else "sandbox"
    template = {"template": "fine", "shown_template": "fine", "v_product": "mug"}
    make_template(slug="fine", quality="high", image_model=models[adapter])
    sent = {**template, "quality": "usual", **wanted}
    assert asked(editor, models[adapter], **sent).status_code == 302
    job = Job.objects.get()

    page = editor.get(reverse(STUDIO), {"again": str(job.pk)})
    form = page.context["form"]
    recipe = {field.name: field.value() for field in form if field.value() not in (None, "")}
    assert editor.post(reverse(STUDIO), {**recipe, **template, "generate": "1"}).status_code == 302

    again = Job.objects.latest("created_at")
    assert page.context["hindrance"] is None
    assert (again.width, again.height, again.quality) == (job.width, job.height, "")
    assert re.search(rf'name="quality" value="{offered}"[^>]* checked', page.content.decode())


def test_another_resolution_is_chosen_beside_the_proportions_as_before(
    editor: Client, models: dict[str, ImageModel]
) -> None:
    assert asked(editor, models["gemini"], size="1024x1024").status_code == 302
    job = Job.objects.get()
    form = editor.get(reverse(STUDIO), {"again": str(job.pk)}).context["form"]
    recipe = {field.name: field.value() for field in form if field.value() not in (None, "")}

    sent = {**recipe, "shown_template": "", "quality": "high", "generate": "1"}
    answer = editor.post(reverse(STUDIO), sent)

    assert recipe["size"] == "1024x1024"
    assert answer.status_code == 302
    again = Job.objects.latest("created_at")
    assert (again.width, again.height) == (2048, 2048)


def test_more_models_cost_no_more_queries(editor: Client, models: dict[str, ImageModel]) -> None:
    def count() -> int:
        with CaptureQueriesContext(
            connection,
        ) as queries:
            shown(editor, models["comfyui"])
        return len(queries)

    count()
    before = count()
    for _ in range(5):
        more = make_image_model(provider=make_provider(adapter="fal"))
        make_grant(group=make_group("Image editors"), image_model=more)

    assert count() == before


def test_a_model_whose_adapter_is_gone_is_said_and_breaks_nothing(
    editor: Client, models: dict[str, ImageModel]
) -> None:
    gone = make_image_model(name="Gone", provider=make_provider(adapter="no_such_adapter"))
    make_grant(group=make_group("Image editors"), image_model=gone)

    page = shown(editor, gone, prompt="A mug", seed="7")

    assert "is not a known adapter" in page
    assert "A mug" in page


def test_nobody_without_a_model_sees_fields_that_lead_nowhere(client: Client, db: None) -> None:
    client.force_login(make_user("new", groups=["Image editors"], is_staff=True))

    page = client.get(reverse(STUDIO)).content.decode()

    assert "No provider is set up yet." in page
    assert 'data-section="images"' not in page
