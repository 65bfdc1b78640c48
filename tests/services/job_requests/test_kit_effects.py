"""What a brand kit adds to requests: behind what is there, told, and never dropped in silence."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from imagegen_app.core.kit_values import PaletteColour
from imagegen_app.core.states import ReviewState
from imagegen_app.core.types import Lora, Operation
from imagegen_app.models import Asset, AuditEvent, Batch, BrandKit, Job, PromptTemplate
from imagegen_app.services.batches import row_jobs
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.job_requests import (
    brand_kits,
    cache_hits,
    composition,
    creation,
    from_job,
    template_drafts,
    templates,
)
from imagegen_app.services.job_requests.brand_kits import KitDraft
from imagegen_app.services.job_requests.values import InvalidJobRequest
from imagegen_app.services.library import evidence, summary
from imagegen_app.services.library.recipes import recipe_of
from imagegen_app.services.policy import access
from imagegen_app.services.policy.model_catalog import InvalidRecord
from imagegen_app.services.worker import driver
from imagegen_app.testing.factories import make_asset, make_image_model, make_user
from tests.services.batches.test_lifecycle import products, start

if TYPE_CHECKING:
    from pathlib import Path

    from imagegen_app.core.actors import Person
    from imagegen_app.services.job_requests.values import JobRequest
    from tests.services.conftest import Site

STYLE = "soft daylight, matte surfaces"


def author() -> Person:
    user = make_user(groups=["Template authors", "Image reviewers"])
    return access.actor_for(user)


def made(slug: str = "house", **content: Any) -> BrandKit:
    draft = KitDraft(**{"style_words": STYLE, **content})
    return brand_kits.create(actor=author(), name=slug.capitalize(), slug=slug, draft=draft)


def changed(kit: BrandKit, **content: Any) -> None:
    assert kit.current is not None
    draft = replace(brand_kits.draft_of(kit.current), **content)
    brand_kits.publish(actor=author(), kit=kit, draft=draft)


def inherited(site: Site, kit: BrandKit, **content: Any) -> str:
    draft = template_drafts.Draft(
        **{"body": "A mug", "image_model": site.model, "brand_kit": kit, **content}
    )
    return templates.create(actor=author(), name="Mugs", slug="mugs", draft=draft).slug


def composed(site: Site, **request: Any) -> JobRequest:
    return composition.compose(actor=site.actor, **{"model": site.model, **request})


def test_style_words_stand_behind_the_prompt_and_are_told_apart(site: Site) -> None:
    found = composed(site, prompt="A mug", brand_kit=made())

    assert found.provider_request.prompt == f"A mug, {STYLE}"
    assert found.brand_kit is not None
    assert found.brand_kit.words == f", {STYLE}"


def test_the_kit_comes_behind_the_templates_own_values(site: Site) -> None:
    kit = made(
        negative_words="text, blur",
        loras=[Lora("ink", 0.5), Lora("paper", 0.5)],
        seed=7,
    )
    slug = inherited(site, kit, body="A mug.", negative="Blur", loras=[Lora("ink", 0.9)])

    found = composed(site, template=slug).provider_request

    assert found.prompt == f"A mug. {STYLE}"
    assert found.negative_prompt == "Blur, text"
    assert found.loras == (Lora("ink", 0.9), Lora("paper", 0.5))
    assert found.seed == 7
    assert composed(site, template=slug, seed=3).provider_request.seed == 3


def test_a_template_with_a_seed_of_its_own_keeps_it(site: Site) -> None:
    slug = inherited(site, made(seed=7), seed_strategy="fixed", seed=11)

    assert composed(site, template=slug).provider_request.seed == 11


def test_reference_images_lead_the_style_of_each_image(site: Site) -> None:
    asset = make_asset()

    found = composed(site, prompt="A mug", brand_kit=made(references=[asset.pk]))

    assert [one.role for one in found.provider_request.inputs] == ["style"]
    assert [one.asset for one in found.input_origins] == [asset]


def test_a_reference_that_is_not_approved_any_more_refuses_with_the_reason(site: Site) -> None:
    asset = make_asset()
    kit = made(references=[asset.pk])
    use_case(audited=False)(Asset.objects.filter(pk=asset.pk).update)(
        review_state=ReviewState.WITHDRAWN.value
    )

    with pytest.raises(InvalidJobRequest) as refused:
        composed(site, prompt="A mug", brand_kit=kit)

    assert "Reference 1" in refused.value.reason
    assert "Withdrawn" in refused.value.reason


@pytest.mark.parametrize(
    ("content", "lacking", "told"),
    [
        ({"negative_words": "text"}, {"supports_negative_prompt": False}, "negative prompt"),
        ({"loras": [Lora("ink")]}, {"max_loras": 0}, "LoRA"),
        ({"seed": 7}, {"supports_seed": False}, "seed"),
    ],
)
def test_what_a_model_cannot_take_refuses_and_names_the_kit(
    site: Site, content: dict[str, Any], lacking: dict[str, Any], told: str
) -> None:
    model = make_image_model(provider=site.model.provider, capabilities=lacking)

    with pytest.raises(InvalidJobRequest) as refused:
        composed(site, prompt="A mug", brand_kit=made(**content), model=model)

    assert refused.value.field == "brand_kit"
    assert "“House”" in refused.value.reason
    assert told in refused.value.reason
    with pytest.raises(InvalidRecord) as published:
        inherited(site, BrandKit.objects.get(), image_model=model)
    assert published.value.field == "brand_kit"


def test_an_operation_without_words_refuses_a_kit(site: Site) -> None:
    with pytest.raises(InvalidJobRequest) as refused:
        composed(site, operation=Operation.UPSCALE, brand_kit=made())

    assert refused.value.field == "brand_kit"


def test_another_kit_than_the_templates_is_refused(site: Site) -> None:
    slug = inherited(site, made())

    with pytest.raises(InvalidJobRequest, match="brand kit"):
        composed(site, template=slug, brand_kit=made("other"))


@pytest.mark.parametrize("given", ["unknown", "archived"])
def test_a_kit_that_cannot_be_used_is_refused(site: Site, given: str) -> None:
    kit = made("archived")
    brand_kits.archive(actor=author(), kit=kit)

    with pytest.raises(InvalidJobRequest) as refused:
        composed(site, prompt="A mug", brand_kit=given)

    assert refused.value.field == "brand_kit"


def test_the_words_count_for_the_limit_of_the_prompt(site: Site) -> None:
    with pytest.raises(InvalidJobRequest) as refused:
        composed(site, prompt="m" * 31_990, brand_kit=made())

    assert "31" in refused.value.remedy


def test_the_words_are_screened_like_any_prompt(site: Site, settings: Any) -> None:
    settings.IMAGEGEN = {
        **settings.IMAGEGEN,
        "SCREENERS": [
            {
                "BACKEND": "imagegen_app.moderation.block_list.BlockList",
                "NAME": "words",
                "STAGES": ["prompt"],
                "OPTIONS": {"terms": ["daylight"]},
            }
        ],
    }
    with pytest.raises(creation.PromptBlocked):
        site.request(prompt="A mug", brand_kit=made())


def test_the_cache_knows_a_kit_by_what_it_does(site: Site) -> None:
    kit = made(palette=[PaletteColour("Ink", "#000000")])
    with_kit = composed(site, prompt="A mug", seed=1, brand_kit=kit)
    by_hand = composed(site, prompt=f"A mug, {STYLE}", seed=1)

    assert cache_hits.fingerprint_of(with_kit) == cache_hits.fingerprint_of(by_hand)
    # The same key with another kit is another request nevertheless.
    assert cache_hits.digest_of(with_kit) != cache_hits.digest_of(by_hand)


def test_the_job_and_the_log_name_kit_and_version(site: Site) -> None:
    kit = made()
    changed(kit, style_words="dark")

    job = site.request(prompt="A mug", brand_kit="house")

    assert str(job.brand_kit_version) == "House v2"
    event = AuditEvent.objects.get(type="job.requested", job_id=job.pk)
    assert '"brand_kit":"house","brand_kit_version":2' in event.body
    told = brand_kits.evidence_of(job)
    published = AuditEvent.objects.filter(type="brand_kit.version_published").latest("pk")
    assert told is not None
    assert str(told["digest"]) in published.body


def test_a_job_that_is_requested_again_has_the_version_of_then_once(site: Site) -> None:
    asset = make_asset()
    kit = made(negative_words="text", loras=[Lora("ink", 0.5)], references=[asset.pk], seed=5)
    job = site.request(prompt="A mug", brand_kit="house")
    changed(kit, style_words="dark", negative_words="blur")

    request = from_job.job_request_from(actor=site.actor, job=job)

    assert request.provider_request.prompt == job.prompt
    assert request.provider_request.negative_prompt == "text"
    assert request.provider_request.loras == (Lora("ink", 0.5),)
    assert len(request.provider_request.inputs) == 1
    assert request.brand_kit is not None
    assert request.brand_kit.version == job.brand_kit_version


def test_a_recipe_offers_the_kit_and_leaves_out_what_it_adds(site: Site) -> None:
    asset = make_asset()
    kit = made(negative_words="text", loras=[Lora("ink", 0.5)], references=[asset.pk], seed=5)
    job = site.request(prompt="A mug", negative_prompt="blur", brand_kit="house")

    recipe = recipe_of(site.actor, job)

    assert recipe.brand_kit == kit
    assert (recipe.prompt, recipe.negative_prompt) == ("A mug", "blur")
    assert (list(recipe.loras), recipe.seed, recipe.inputs_of) == ([], None, None)


def test_all_rows_of_a_batch_have_the_kit_of_its_start(site: Site) -> None:
    kit = made()
    slug = inherited(site, kit)
    version = PromptTemplate.objects.get(slug=slug).current
    assert version is not None
    start(site, version, products(2), mapping={})
    changed(kit, style_words="dark")

    while row_jobs.create_next_jobs():
        pass

    assert Batch.objects.get().brand_kit_version == kit.versions.get(number=1)
    assert {job.prompt for job in Job.objects.all()} == {f"A mug, {STYLE}"}


def test_the_image_tells_in_words_and_in_its_evidence_which_kit_it_has(
    site: Site, settings: Any, tmp_path: Path
) -> None:
    settings.IMAGEGEN = {**settings.IMAGEGEN, "STATE_DIR": tmp_path}
    kit = made()
    assert kit.current is not None
    job = site.request(prompt="A mug", brand_kit="house")
    driver.drive(seconds=15)
    asset = job.assets.get()
    auditor = access.actor_for(make_user(permissions=["imagegen.export_audit"]))

    pack = evidence.build_pack(actor=auditor, asset=asset).data
    facts = json.loads(zipfile.ZipFile(io.BytesIO(pack)).read("summary.json"))

    told = "The brand kit “House v1” was added to it."
    assert told in summary.origin_sentences(site.actor, asset)
    assert told in facts["sentences"]
    digest = brand_kits.digest_of(kit.current)
    assert facts["brand_kit"] == {"kit": "house v1", "digest": digest}


def test_follow_up_passes_belong_to_the_same_kit(site: Site) -> None:
    kit = made()

    job = site.request(
        prompt="A mug", brand_kit="house", passes=[f"upscale:2:{site.model.slug}"], count=1
    )

    assert [one.brand_kit_version for one in Job.objects.all()] == [kit.current] * 2
    (later,) = job.chain.all()
    request = from_job.job_request_from(actor=site.actor, job=job)
    assert [one.requested.model for one in request.passes] == [site.model.slug]
    assert later.prompt == ""
