"""Read the recipe of a job, to change it and generate more."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from imagegen_app.core import kit_values
from imagegen_app.core.types import InputRole, texts_in
from imagegen_app.services.audit import prompt_access
from imagegen_app.services.job_requests import (
    from_job,
    kit_effects,
    request_texts,
    shot_choice,
)
from imagegen_app.services.job_requests.fixed_guides import fixed_guides
from imagegen_app.services.job_requests.values import SIZE_OF_SOURCE, InvalidJobRequest
from imagegen_app.services.policy import template_access, use_of_assets

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from imagegen_app.core.actors import Person
    from imagegen_app.core.passes import Pass
    from imagegen_app.models import BrandKit, BrandKitVersion, Job, TemplateVersion


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
    model_name: str
    #: Such as `1536x864`, or `16:9` where proportions were chosen; empty where nobody chose one.
    size: str
    count: int
    #: None for a random one.
    seed: int | None
    #: A tier, or the model's own word; empty where nobody chose one.
    quality: str
    #: The model's own word; empty where nobody chose one.
    background: str
    #: Such as `webp`; empty where nobody chose one.
    output_format: str
    #: The follow-up passes of each image, in order; without instructions that may not be read.
    passes: Sequence[Pass] = field(repr=False)
    #: Each with `name` and `weight`.
    loras: Sequence[Mapping[str, Any]]
    #: The model's own parameters, by name.
    parameters: Mapping[str, Any] = field(repr=False)
    #: The published version's kit is offered; None without one.
    brand_kit: BrandKit | None
    #: The job whose input images can be used again; None if it has none that the reader may use.
    inputs_of: Job | None
    #: Whether it has input images, but the reader may not use them.
    lacks_inputs: bool = False
    #: The short name of the template's shot; empty without one.
    shot: str = ""


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
        version = template_access.usable_version(actor, used.template.slug)
    kit = job.brand_kit_version
    own_negative = _own_terms(job.negative_prompt, kit)
    if version and used and _is_negative_of(used, job, own_negative):
        own_negative = ""
    usable = _may_use_inputs(actor, job, version)
    return Recipe(
        version=version,
        variables={}
        if prompt is None or version is None
        else {str(name): str(value) for name, value in job.variables.items()},
        prompt="" if prompt is None or version is not None else _own_prompt(prompt, kit),
        negative_prompt="" if prompt is None else own_negative,
        image_model_id=job.image_model_id,
        model_name=job.image_model.name,
        size=_size(job),
        count=job.count,
        # The kit brings its own again.
        seed=None if kit is not None and job.seed == kit.seed else job.seed,
        quality=str(job.chosen.get("quality", "")),
        background=job.background,
        output_format=str(job.chosen.get("output_format", "")),
        passes=[
            # Words may be as personal as the prompt.
            one if prompt is not None else replace(one, instruction="")
            for one in from_job.requested_passes(job)
        ],
        loras=_own_loras(job, kit),
        parameters={
            name: value
            for name, value in job.parameters.items()
            # Words may be as personal as the prompt.
            if prompt is not None or not any(" " in text for text in texts_in(value))
        },
        brand_kit=None if kit is None or kit.kit.is_archived else kit.kit,
        inputs_of=job if usable else None,
        lacks_inputs=usable is False,
        shot=job.shot if version is not None else "",
    )


def _own_prompt(prompt: str, kit: BrandKitVersion | None) -> str:
    return prompt if kit is None else kit_values.without_style(prompt, kit.style_words)


def _own_terms(negative: str, kit: BrandKitVersion | None) -> str:
    """Return a negative prompt without what the kit adds to it."""
    return negative if kit is None else kit_values.without_terms(negative, kit.negative_words)


def _own_loras(job: Job, kit: BrandKitVersion | None) -> list[Mapping[str, Any]]:
    """Return the LoRA of a job without those that its kit adds again."""
    of_kit = [] if kit is None else list(kit.loras)
    return [one for one in job.loras if one not in of_kit]


def only_seed(recipe: Recipe) -> Recipe:
    """Return the seed with its model alone: elsewhere it means another image."""
    alone = replace(only_prompt(recipe), version=None, variables={}, prompt="", negative_prompt="")
    return replace(alone, seed=recipe.seed)


def only_prompt(recipe: Recipe) -> Recipe:
    """Return the words alone: template, variables, prompt and negative prompt."""
    return replace(
        recipe,
        size="",
        count=1,
        seed=None,
        quality="",
        background="",
        output_format="",
        passes=(),
        loras=(),
        parameters={},
        brand_kit=None,
        inputs_of=None,
        lacks_inputs=False,
    )


def _size(job: Job) -> str:
    chosen = str(job.chosen.get("size", ""))
    shots = shot_choice.shots_of(job.template_version)
    if any(one.key == job.shot and one.size == chosen for one in shots):
        # Nobody chose it but the template's author.
        return ""
    return f"{job.width}x{job.height}" if "x" in chosen or chosen == SIZE_OF_SOURCE else chosen


def _may_use_inputs(actor: Person, job: Job, version: TemplateVersion | None) -> bool | None:
    """Return whether the job is the person's own, and each input asset still usable; None without.

    What the template fixes does not count: it comes from the template that is used now.
    """
    references = kit_effects.references_of(job.brand_kit_version)
    inputs = job.inputs.exclude(role=InputRole.STYLE.value, asset__in=references)
    if version is not None:
        fixed = [one.asset_id for one in fixed_guides(job.template_version)]
        inputs = inputs.exclude(role=InputRole.CONTROL.value, asset__in=fixed)
    if not inputs.exists():
        return None
    if job.requester_id != actor.user.pk:
        return False
    unusable = inputs.filter(asset__isnull=False).exclude(
        asset__in=use_of_assets.usable_assets(actor)
    )
    return not unusable.exists()


def _is_negative_of(version: TemplateVersion, job: Job, own_negative: str) -> bool:
    """Return whether a job's own negative prompt is that of its template, with the values of the job."""
    try:
        shot = next((one for one in shot_choice.shots_of(version) if one.key == job.shot), None)
        _prompt, negative = request_texts.render_version(version, job.variables, shot=shot)
    except InvalidJobRequest:
        # The values were erased, or the version takes others.
        negative = version.negative
    return own_negative == _own_terms(negative, job.brand_kit_version)
