"""Proportions and quality tiers mean the same to all models, each in its own sizes and words."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from imagegen_app.core.types import Operation, Size
from imagegen_app.services.batches import lifecycle
from imagegen_app.services.job_requests import composition, creation, from_job
from imagegen_app.services.job_requests.values import InputSource, InvalidJobRequest
from imagegen_app.testing.factories import (
    make_grant,
    make_group,
    make_image,
    make_image_model,
    make_provider,
    make_template,
)

if TYPE_CHECKING:
    from imagegen_app.models import ImageModel
    from tests.services.conftest import Site


def model_of(adapter: str, name: str, **more: Any) -> ImageModel:
    provider = make_provider(adapter=adapter)
    return make_image_model(provider=provider, provider_model_name=name, **more)


@pytest.mark.parametrize(
    ("adapter", "name", "size", "word"),
    [
        ("openai", "gpt-image-1", "1536x1024", "medium"),
        ("openai", "gpt-image-2", "1248x832", "medium"),
        ("ideogram", "ideogram-v3", "1248x832", "DEFAULT"),
        ("recraft", "recraftv4_1", "1280x832", None),
        ("gemini", "gemini-nano-banana-2.1", "1248x832", ""),
    ],
)
def test_landscape_and_standard_become_each_models_own(
    site: Site, adapter: str, name: str, size: str, word: str | None
) -> None:
    quality = "" if word is None else "standard"
    found = site.job_request(model=model_of(adapter, name), size="3:2", quality=quality)

    request = found.provider_request
    assert (str(request.size), request.quality) == (size, word or "")


def test_high_quality_of_a_model_that_is_told_a_resolution_is_a_larger_image(site: Site) -> None:
    gemini = model_of("gemini", "gemini-nano-banana-2.1")
    standard = site.job_request(model=gemini, size="16:9", quality="standard").provider_request
    high = site.job_request(model=gemini, size="16:9", quality="high").provider_request

    assert (str(standard.size), str(high.size)) == ("1360x768", "2720x1536")
    assert (standard.quality, high.quality) == ("", "")


def test_a_templates_size_is_scaled_by_the_tier_and_pixels_are_not(site: Site) -> None:
    gemini = model_of("gemini", "gemini-nano-banana-2.1")
    version = make_template(width=1360, height=768, quality="high")
    given: dict[str, Any] = {
        "template": version,
        "variables": {"product": "mug"},
        "model": gemini,
    }

    scaled = composition.compose(actor=site.actor, **given)
    with pytest.raises(InvalidJobRequest) as refused:
        composition.compose(actor=site.actor, **given, size="1360x768")

    assert str(scaled.provider_request.size) == "2720x1536"
    assert refused.value.field == "quality"
    assert "resolution" in refused.value.reason


def test_a_job_whose_tier_was_a_resolution_is_requested_again_as_it_was(site: Site) -> None:
    gemini = model_of("gemini", "gemini-nano-banana-2.1")
    make_grant(group=make_group("Image editors"), image_model=gemini)
    asked = composition.compose(
        actor=site.actor,
        template=make_template(quality="high"),
        variables={"product": "mug"},
        model=gemini,
        size="1:1",
        quality="standard",
    )
    job = creation.request_images(actor=site.actor, job_request=asked)

    again = from_job.job_request_from(actor=site.actor, job=job).provider_request

    assert (job.quality, str(again.size), again.quality) == ("", "1024x1024", "")


def test_no_quality_is_the_templates_and_an_empty_one_the_models_own(site: Site) -> None:
    given: dict[str, Any] = {
        "template": make_template(quality="high"),
        "variables": {"product": "mug"},
        "model": model_of("openai", "gpt-image-1"),
    }
    found = [
        composition.compose(actor=site.actor, **given, quality=quality).provider_request.quality
        for quality in (None, "", "draft")
    ]

    assert found == ["high", "", "low"]


@pytest.mark.parametrize(
    ("model", "given", "reason"),
    [
        ("openai gpt-image-1", {"size": "21:9"}, "no size of the proportions 21:9"),
        ("recraft recraftv4_1", {"quality": "high"}, "(quality): not offered"),
        ("xai grok-imagine-image-2.0", {"quality": "high"}, "choose one of low, medium"),
        ("openai gpt-image-1", {"quality": "finest"}, "choose one of auto, low"),
        ("openai gpt-image-1", {"size": "0:9"}, "“0:9” is not a valid size"),
        ("openai gpt-image-1", {"size": "wide:9"}, "not a valid size"),
        ("openai gpt-image-1", {"size": "1:2:3"}, "not a valid size"),
        ("openai gpt-image-1", {"size": "nan:1"}, "not a valid size"),
    ],
)
def test_what_a_model_does_not_have_is_named(
    site: Site, model: str, given: dict[str, str], reason: str
) -> None:
    adapter, _, name = model.partition(" ")

    with pytest.raises(InvalidJobRequest) as refused:
        site.job_request(**{"size": "1:1", **given}, model=model_of(adapter, name))

    assert [refused.value.field] == list(given)
    assert reason in refused.value.reason


def test_a_model_that_takes_no_proportions_for_an_edit_says_so(site: Site) -> None:
    with pytest.raises(InvalidJobRequest) as refused:
        site.job_request(
            model=model_of("ideogram", "ideogram-4-6"),
            operation=Operation.EDIT,
            inputs=[InputSource(data=make_image())],
            size="16:9",
        )

    assert (refused.value.field, "decides them itself" in refused.value.reason) == ("size", True)


@pytest.mark.parametrize(
    ("size", "is_taken"), [("1024x1024", False), ("64x48", True), ("source", True), ("", True)]
)
def test_a_size_in_pixels_is_refused_where_a_model_takes_none(
    site: Site, size: str, is_taken: bool
) -> None:
    asked: dict[str, Any] = {
        "model": model_of("recraft", "recraftv3"),
        "operation": Operation.UPSCALE,
        "inputs": [InputSource(data=make_image())],
        "size": size or None,
    }
    if is_taken:
        assert site.job_request(**asked).provider_request.operation is Operation.UPSCALE
        return

    with pytest.raises(InvalidJobRequest) as refused:
        site.job_request(**asked)

    assert (refused.value.field, "takes no size" in refused.value.reason) == ("size", True)


def test_without_a_size_a_model_gets_a_square_that_it_has(site: Site) -> None:
    pro = model_of("recraft", "recraftv4_1_pro")

    found = composition.compose(actor=site.actor, prompt="A mug", model=pro)

    assert found.provider_request.size == Size(2048, 2048)


def test_without_a_format_a_model_is_asked_for_one_that_it_has(site: Site) -> None:
    gemini = model_of("gemini", "gemini-nano-banana-2.1")

    request = site.job_request(model=gemini, size="1:1").provider_request

    assert request.output_format == "jpeg"
    assert site.job_request().provider_request.output_format == "png"


def test_a_batch_is_priced_by_what_the_models_get_for_a_tier(site: Site) -> None:
    rows = [{"quality": "medium", "amount": "0.04"}, {"quality": "low", "amount": "0.01"}]
    listed = model_of("openai", "gpt-image-1", price_list={"currency": "USD", "per_image": rows})
    by_size = [{"max_pixels": 1_100_000, "amount": "0.04"}, {"amount": "0.12"}]
    told = {"currency": "USD", "per_image": by_size}
    gemini = model_of("gemini", "gemini-nano-banana-2.1", price_list=told)

    costs = [
        lifecycle.estimate_cost(make_template(quality=tier), model, rows=10)
        for model, tier in ((listed, "standard"), (listed, "draft"), (gemini, "high"))
    ]

    assert costs == [Decimal("0.40"), Decimal("0.10"), Decimal("1.20")]
