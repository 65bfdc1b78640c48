"""Read the recipe of a job, to change it and generate more."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from imagegen_app.services.audit import prompt_access
from imagegen_app.services.gateways import content_fields
from imagegen_app.services.library import chooser

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagegen_app.core.actors import Person
    from imagegen_app.models import Job, TemplateVersion


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a job was requested with, as far as the reader may know it."""

    #: The template as it is published now; None for a free prompt.
    version: TemplateVersion | None
    variables: Mapping[str, str] = field(repr=False)
    #: Empty with a template.
    prompt: str = field(repr=False)
    #: Empty if it is the template's own.
    negative_prompt: str = field(repr=False)
    image_model_id: int
    #: Such as `1536x864`.
    size: str
    count: int
    #: None for a random one.
    seed: int | None
    #: The job whose input images can be used again; None if it has none that the reader may use.
    inputs_of: Job | None


def recipe_of(actor: Person, job: Job, *, as_free_prompt: bool = False) -> Recipe:
    """Return the recipe of a job; of a follow-up pass, that of the job that was requested.

    The template's own words are offered, and the prompt itself where it is no longer published or
    `as_free_prompt` asks for it: whoever edits an image says in words what is to change.
    Reading the prompt of another person's job is recorded; without permission it stays empty.
    """
    job = job.root or job
    prompt = prompt_access.read_prompt(actor, job)
    used = job.template_version
    version = None
    if used is not None and not as_free_prompt:
        version = content_fields.published_version(used.template.slug)
    own_negative = (
        "" if version and used and job.negative_prompt == used.negative else job.negative_prompt
    )
    return Recipe(
        version=version,
        variables={}
        if prompt is None or version is None
        else {str(name): str(value) for name, value in job.variables.items()},
        prompt="" if prompt is None or version is not None else prompt,
        negative_prompt="" if prompt is None else own_negative,
        image_model_id=job.image_model_id,
        size=f"{job.width}x{job.height}",
        count=job.count,
        seed=job.seed,
        inputs_of=job if _may_use_inputs(actor, job) else None,
    )


def _may_use_inputs(actor: Person, job: Job) -> bool:
    """Return whether the job is the person's own, and each input asset is still usable."""
    if job.requester_id != actor.user.pk:
        return False
    inputs = job.inputs.all()
    unusable = inputs.filter(asset__isnull=False).exclude(asset__in=chooser.usable_assets(actor))
    return inputs.exists() and not unusable.exists()
