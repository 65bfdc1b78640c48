"""Compose the job request of an ended job again, for a re-run."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

from imagegen_app.core import kit_values, prompts, shots
from imagegen_app.core.types import InputRole, Lora, Size
from imagegen_app.imaging.ingredients import IngredientFacts
from imagegen_app.services.gateways import storage
from imagegen_app.services.gateways.manifests import UploadManifest
from imagegen_app.services.job_requests import (
    _follow_ups,
    composition,
    fixed_guides,
    kit_effects,
    shot_choice,
)
from imagegen_app.services.job_requests.values import (
    AppliedKit,
    ContentOrigin,
    InputSource,
    InvalidJobRequest,
)
from imagegen_app.services.jobs.rebuilding import guide_of
from imagegen_app.services.policy import closed_content
from imagegen_app.services.policy.storage_refusals import refuse_on_storage_failure

if TYPE_CHECKING:
    from imagegen_app.core.actors import Actor
    from imagegen_app.core.passes import Pass
    from imagegen_app.models import Job, JobInput, TemplateVersion
    from imagegen_app.services.job_requests.values import JobRequest


def job_request_from(*, actor: Actor, job: Job, instruction: str = "") -> JobRequest:
    """Return the job request of an ended job, to be requested again; a random seed stays random.

    `instruction` is put behind its prompt, and so are those that were put behind it before.

    :raises InvalidJobRequest: if a part is no longer valid, or its prompt was erased.
    :raises StorageUnavailable: if an input image cannot be read at present.
    :raises ImageFileMissing: if the file of an input image is missing.
    :raises ClosedForGood: if a verdict on it is in a hard category.
    """
    closed_content.require_open_job(job)
    if job.prompt_erased_at is not None:
        raise InvalidJobRequest(
            _("Its prompt was erased."),
            field="prompt",
            remedy=_("Write a new prompt, or request the image from a template."),
        )
    uploads = input_sources(job)
    # A follow-up pass has no prompt.
    version = job.template_version if job.root_id is None else None
    added = "" if version is None else added_instruction(job)
    job_request = composition.compose(
        actor=actor,
        template=version,
        variables=job.variables if version else None,
        prompt="" if version else job.prompt,
        negative_prompt=job.negative_prompt,
        model=job.image_model,
        operation=job.operation,
        size=Size(job.width, job.height),
        count=job.count,
        seed=job.seed,
        # Empty if none was wanted, or if its tier was a resolution: the size tells that.
        quality=job.quality,
        output_format=job.output_format,
        background=job.background,
        parameters=job.parameters,
        loras=[Lora(**one) for one in job.loras],
        inputs=uploads,
        policy=job.unknown_outcome_policy,
        batch=job.batch,
        row_key=job.row_key,
        passes=requested_passes(job),
        # As it was then, though another version may be published.
        brand_kit=job.brand_kit_version if job.root_id is None else None,
        shot=job.shot if version else "",
    )
    job_request = composition.with_instruction(
        job_request, "\n".join(filter(None, (added, instruction)))
    )
    return replace(
        as_received(job_request, job),
        replaces=job,
        template_version=job.template_version,
        shot=job.shot,
        brand_kit=job_request.brand_kit or _kit_of_pass(job),
        # All was given above, as it became; what of it somebody chose is told by the job.
        chosen=job.chosen,
    )


def added_instruction(job: Job) -> str:
    """Return what was put behind the text of a job's template, such as a reviewer's note.

    It is not stored by itself: a version of a template never changes, so what its text does not say
    was added.
    """
    version = job.template_version
    if version is None or job.root_id is not None:
        return ""
    try:
        variables = prompts.variables_from(version.variables)
        shot = next((one for one in shot_choice.shots_of(version) if one.key == job.shot), None)
        text = shots.render(version.body, variables, job.variables, shot).text
    except prompts.PromptTemplateError:
        # The values were erased, and the prompt with them.
        return ""
    kit = job.brand_kit_version
    prompt = job.prompt if kit is None else kit_values.without_style(job.prompt, kit.style_words)
    return prompt[len(text) :].strip() if prompt.startswith(f"{text}\n") else ""


def _kit_of_pass(job: Job) -> AppliedKit | None:
    """Return the kit of the job that a follow-up pass works for: it adds nothing to the pass."""
    return None if job.brand_kit_version is None else AppliedKit(job.brand_kit_version)


def requested_passes(job: Job) -> tuple[Pass, ...]:
    """Return the follow-up passes that were requested with a job, in order."""
    return _follow_ups.requested_passes(job)


def input_sources(job: Job) -> list[InputSource]:
    """Return the input images of a job, to be used again in the same order.

    :raises StorageUnavailable: if one cannot be read at present.
    :raises ImageFileMissing: if the file of one is missing.
    """
    with refuse_on_storage_failure(_("The images were not requested.")):
        return [
            InputSource(
                role=InputRole(entry.role),
                asset=entry.asset,
                data=b""
                if entry.asset
                else storage.get(entry.original_storage_key or entry.storage_key),
                digital_source_type=entry.digital_source_type,
                guide=guide_of(entry),
                content=ContentOrigin.from_dict(entry.content_origin),
                found_at=entry.found_at,
                is_reused=True,
            )
            for entry in _entries(job)
        ]


def own_input_sources(job: Job, *, version: TemplateVersion | None) -> list[InputSource]:
    """Return the input images of a job, to be used with a template, which brings its own guides.

    Those of the job's brand kit come with the kit again.

    :raises StorageUnavailable: if one cannot be read at present.
    :raises ImageFileMissing: if the file of one is missing.
    """
    sources = kit_effects.without_references(job.brand_kit_version, input_sources(job))
    if version is None:
        return sources
    return fixed_guides.without_fixed_guides(job.template_version, sources)


def as_received(job_request: JobRequest, job: Job) -> JobRequest:
    """Return the request with the facts that were read when the job's inputs were first received.

    Its first inputs are those of the job; a file that was stored may not be the one that came.
    """
    known = [
        replace(
            origin,
            manifest=UploadManifest(
                IngredientFacts.from_dict(entry.ingredient_facts), key=entry.manifest_key
            ),
        )
        if entry.ingredient_facts
        else origin
        for entry, origin in zip(_entries(job), job_request.input_origins, strict=False)
    ]
    return replace(job_request, input_origins=(*known, *job_request.input_origins[len(known) :]))


def _entries(job: Job) -> list[JobInput]:
    return list(job.inputs.select_related("asset").order_by("position"))
