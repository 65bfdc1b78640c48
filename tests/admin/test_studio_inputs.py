"""Input images and LoRA of the studio: each in its role, and what does not fit is named."""

from __future__ import annotations

import re
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import pytest
from django.urls import reverse
from django.utils.html import escape
from django.utils.translation import override

from imagegen_app.models import Job
from tests.admin.test_studio_models import (
    OPTIONS,
    QUOTE,
    asked,
    editor,
    models,
    shown,
    upload,
)

if TYPE_CHECKING:
    from django.test import Client

    from imagegen_app.models import ImageModel

__all__ = ["editor", "models"]


def test_the_studio_offers_every_format_that_is_read(
    editor: Client, models: dict[str, ImageModel]
) -> None:
    page = shown(editor, models["sandbox"])

    accepted = page.partition('accept="')[2].partition('"')[0].split(",")
    assert set(accepted) - {"image/heic"} == {"image/png", "image/jpeg", "image/webp", "image/avif"}
    assert ("image/heic" in accepted) is (find_spec("pillow_heif") is not None)


def test_a_mask_guides_and_lora_are_requested_by_their_roles(
    editor: Client, models: dict[str, ImageModel]
) -> None:
    asked(
        editor,
        models["sandbox"],
        starts=upload(),
        mask=upload("mask.png"),
        styles=[upload("s1.png"), upload("s2.png")],
        guide_0_file=upload("g.png"),
        guide_0_kind="depth",
        guide_0_weight="0.8",
        guide_0_start="0.1",
        guide_0_end="0.9",
        guide_1_file=upload("h.png"),
        lora_0="paint",
        lora_0_weight="0.5",
        lora_1="ink",
    )

    job = Job.objects.get()
    roles = [entry.role for entry in job.inputs.order_by("position")]
    guides = [entry.guide for entry in job.inputs.filter(role="control").order_by("position")]
    assert job.operation == "inpaint"
    assert roles == ["image", "style", "style", "mask", "control", "control"]
    assert guides == [
        {"kind": "depth", "weight": 0.8, "start": 0.1, "end": 0.9},
        {"kind": "", "weight": 1.0, "start": 0.0, "end": 1.0},
    ]
    assert job.loras == [{"name": "paint", "weight": 0.5}, {"name": "ink", "weight": 1.0}]


def test_guides_alone_lead_a_new_image(editor: Client, models: dict[str, ImageModel]) -> None:
    asked(editor, models["sandbox"], guide_0_file=upload(), size="1:1")

    assert Job.objects.get().operation == "control"


@pytest.mark.parametrize(
    ("adapter", "sent", "reason"),
    [
        ("sandbox", {"mask": 1}, "this operation needs an image"),
        ("gemini", {"starts": 1, "mask": 1}, "(mask): not offered"),
        ("openai", {"starts": 1, "styles": 1}, "(guide for the style): not offered"),
        ("openai", {"guide_0_file": 1}, "(guide for shapes): not offered"),
        ("openai", {"lora_0": "paint"}, "(LoRA): not offered"),
        ("sandbox", {"lora_0": "paint", "lora_0_weight": "9"}, "a weight must be between 0 and 1"),
        ("sandbox", {"guide_0_file": 1, "guide_0_kind": "mood"}, "choose one of canny, depth"),
        (
            "sandbox",
            {"guide_0_file": 1, "guide_0_start": "0.9", "guide_0_end": "0.1"},
            "it must start before it ends",
        ),
        ("sandbox", {"starts": 9}, "at most 8 images are possible"),
        ("openai", {"references": 17}, "at most 16 images are possible"),
        ("openai", {"references": 18}, "At most 16 images can be handed in, not 18."),
        ("sandbox", {"operation": "levitate"}, "“levitate” is not a valid operation."),
        ("openai", {"operation": "relight"}, "“Change the lighting” is not offered"),
        ("sandbox", {"size": "wide"}, "“wide” is not a valid size."),
        ("sandbox", {"quality": "finest"}, "choose one of auto, low, medium, high"),
        ("sandbox", {"count": "9"}, "between 1 and 8 images are possible"),
        ("sandbox", {"guide_0_weight": "0.5"}, "Choose the image of this guide"),
        ("sandbox", {"lora_0_weight": "0.5"}, "Name the LoRA of this weight"),
        ("sandbox", {"lora_0": "paint", "lora_0_weight": "nan"}, "Enter a number."),
        ("sandbox", {"seed": "-1"}, "greater than or equal to 0"),
    ],
)
def test_what_does_not_fit_is_named_and_nothing_is_requested(
    editor: Client, models: dict[str, ImageModel], adapter: str, sent: dict[str, Any], reason: str
) -> None:
    files = {
        name: [upload(f"{n}.png") for n in range(value)] if isinstance(value, int) else value
        for name, value in sent.items()
    }

    page = asked(editor, models[adapter], **files)

    assert escape(reason) in page.content.decode() or reason in page.content.decode()
    assert not Job.objects.exists()


def test_a_mask_of_another_shape_is_named_with_both_sizes(
    editor: Client, models: dict[str, ImageModel]
) -> None:
    page = asked(editor, models["sandbox"], starts=upload(), mask=upload("mask.png", size=(64, 32)))

    assert "The mask has 64x32 pixels, the image 64x64." in page.content.decode()
    assert not Job.objects.exists()


def test_a_price_counts_chosen_files_but_a_request_only_those_that_came(
    editor: Client, models: dict[str, ImageModel]
) -> None:
    chosen = {"chosen_starts": "1", "chosen_mask": "1"}
    recipe = {"shown_template": "", "prompt": "A mug", "count": "1"}
    priced, refused = (
        editor.post(reverse(QUOTE), {**recipe, **chosen, "image_model": models[name].pk})
        for name in ("stability", "gemini")
    )
    asked(editor, models["sandbox"], **chosen, size="1:1")

    assert "Generate 1 · about 0.02 USD" in priced.content.decode()
    assert "(mask): not offered" in refused.content.decode()
    job = Job.objects.get()
    assert (job.operation, job.inputs.count()) == ("generate", 0)


@pytest.mark.parametrize("number", ["-1", "x", "9" * 400, "17"])
def test_a_nonsense_number_of_chosen_files_is_no_error(
    editor: Client, models: dict[str, ImageModel], number: str
) -> None:
    sent = {"shown_template": "", "prompt": "A mug", "image_model": models["sandbox"].pk}

    answer = editor.post(reverse(OPTIONS), {**sent, "chosen_starts": number})

    assert answer.status_code == 200


def test_no_label_or_help_of_an_upload_is_left_in_english(
    editor: Client, models: dict[str, ImageModel]
) -> None:
    with override("de"):
        address = reverse("admin:imagegen_studio_options")
    sent = {"shown_template": "", "prompt": "Tasse", "image_model": models["sandbox"].pk}

    html = editor.post(address, sent).content.decode()

    texts = re.findall(r'(?:class="help"[^>]*>|<label[^>]*>)\s*([^<]+)', html)
    assert len(texts) > 20
    assert [text for text in texts if re.search(r"\b(the|most|images|of|is)\b", text)] == []
