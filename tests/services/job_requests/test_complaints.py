"""Validation errors of requests are values, translated into the reader's language."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING

import pytest
from django.utils.translation import gettext, override

from imagegen_app.core.capabilities import Capabilities, SizeRule
from imagegen_app.core.i18n import Message
from imagegen_app.core.model_parameters import Parameter
from imagegen_app.core.types import (
    Complaint,
    GenerationRequest,
    ImageInput,
    InputRole,
    Operation,
    Size,
)
from imagegen_app.providers.parameters import validation_errors
from imagegen_app.services.job_requests import prices, template_drafts, values
from imagegen_app.services.policy.model_catalog import InvalidRecord

if TYPE_CHECKING:
    from tests.services.conftest import Site

#: The capabilities of a model that supports almost nothing.
NARROW = Capabilities(
    operations=frozenset({Operation.INPAINT, Operation.REMOVE_BACKGROUND}),
    sizes=SizeRule(step=16, min_pixels=65_536, max_pixels=1_048_576, max_side=1536, max_ratio=2.0),
    max_prompt_chars=3,
    qualities=("low", "high"),
    parameters={"style": Parameter("choice", choices=("vivid",)), "note": Parameter()},
)


def picture(role: InputRole, side: int) -> ImageInput:
    return ImageInput(
        role=role, media_type="image/png", sha256="", width=side, height=side, data=b""
    )


def every_complaint() -> list[Complaint]:
    """Return at least one validation error of each kind."""
    asked_for = partial(GenerationRequest, model="m", prompt="four", size=Size(1, 1))
    asked = [
        asked_for(operation=Operation.GENERATE),
        asked_for(
            operation=Operation.INPAINT,
            count=9,
            quality="best",
            background="transparent",
            output_format="jpeg",
            seed=1,
            negative_prompt="x",
            inputs=(picture(InputRole.IMAGE, 8), *2 * (picture(InputRole.MASK, 9),)),
            parameters={"style": "dull", "note": "x" * 999, "other": 1},
        ),
        asked_for(operation=Operation.INPAINT),
    ]
    found = [one for request in asked for one in validation_errors(request, capabilities=NARROW)]
    sizes = [Size(17, 16), Size(16, 16), Size(1600, 1600), Size(1552, 512), Size(1024, 496)]
    found += [c for size in sizes if (c := NARROW.sizes.error_for(size)) is not None]
    listed = SizeRule(allowed=(Size(1, 2),)).error_for(Size(3, 4))
    return found if listed is None else [*found, listed]


@pytest.mark.parametrize("language", ["de", "fr"])
def test_every_validation_error_is_translated_with_its_values(language: str) -> None:
    found = every_complaint()
    texts = {one.reason.text for one in found}
    placeholders = re.compile(r"%\((\w+)\)s")

    assert len(texts) >= 17
    with override(language):
        translations = {text: gettext(text) for text in texts}
        reasons = [values.complaint_reason(one) for one in found]
    assert [text for text in texts if translations[text] == text] == []
    assert all(
        set(placeholders.findall(a)) == set(placeholders.findall(b))
        for a, b in translations.items()
    )
    assert not any("%(" in sentence for sentence in reasons)


def test_a_validation_error_is_english_in_a_log() -> None:
    complaint = Complaint("size", Message("at most %(limit)s pixels", {"limit": 9}))

    assert str(complaint) == "size: at most 9 pixels"


@pytest.mark.parametrize(
    ("language", "reason"),
    [
        ("en", "does not support this (negative prompt): not offered."),
        ("de", "(negativer Prompt): wird nicht angeboten."),
        ("fr", "(prompt négatif) : n"),
    ],
)
def test_an_unsupported_request_is_refused_in_the_readers_language(
    site: Site, monkeypatch: pytest.MonkeyPatch, language: str, reason: str
) -> None:
    from imagegen_app.services.gateways import adapters  # noqa: PLC0415 - beside its only use

    able = adapters.capabilities(site.model)
    narrow = Capabilities(operations=able.operations, sizes=able.sizes)
    monkeypatch.setattr(adapters, "capabilities", lambda _model: narrow)

    with override(language), pytest.raises(values.InvalidJobRequest) as refusal:
        site.job_request(negative_prompt="chrome")

    assert refusal.value.field == "negative_prompt"
    assert reason in refusal.value.reason.replace("\N{NO-BREAK SPACE}", " ")


@pytest.mark.parametrize(
    ("language", "reason"),
    [
        ("en", "the price list names no price per image"),
        ("de", "die Preisliste nennt keinen Preis pro Bild"),
        ("fr", "indique aucun prix par image"),
    ],
)
def test_a_missing_price_is_explained_in_the_readers_language(
    site: Site, language: str, reason: str
) -> None:
    site.model.price_list = {"currency": "USD", "per_image": []}

    with override(language), pytest.raises(prices.NoPrice) as refusal:
        site.request()

    assert reason in refusal.value.reason


def test_an_unsupported_template_size_is_explained_in_the_readers_language(
    site: Site,
) -> None:
    draft = template_drafts.Draft(body="A mug", image_model=site.model, size=Size(9000, 9000))

    with override("de"), pytest.raises(InvalidRecord) as refusal:
        template_drafts.check(draft)

    assert "Pixel" in str(refusal.value)
