"""Compose a job request from the values of the studio's form."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from imagegen_app.admin.pages import (
    frame_fields,
    grid_fields,
    input_fields,
    mask_fields,
    model_fields,
    pass_fields,
    reference_fields,
    shot_choice_field,
)
from imagegen_app.admin.pages.parameter_fields import given_parameters
from imagegen_app.core.types import Operation
from imagegen_app.models import Asset
from imagegen_app.services.job_requests import composition, from_job, model_options, request_sets
from imagegen_app.services.job_requests.values import SIZE_OF_SOURCE, InputSource

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagegen_app.admin.pages.studio_form import StudioForm
    from imagegen_app.core.actors import Person
    from imagegen_app.models import Job
    from imagegen_app.services.job_requests.request_sets import RequestSet
    from imagegen_app.services.job_requests.values import JobRequest
    from imagegen_app.services.library.content_images import ContentImage


def planned(
    form: StudioForm,
    actor: Person,
    data: Mapping[str, Any],
    *,
    is_draft: bool = False,
    words: str = "",
) -> RequestSet:
    """Return the request of a form, or all of them where it has alternatives or compares parameters.

    :raises InvalidJobRequest: if a value is missing or not valid.
    """
    worded = [
        _composed(form, actor, one, is_draft=is_draft, words=words)
        for words_of_one in grid_fields.worded_data(form, data)
        for one in shot_choice_field.with_shots(form, words_of_one)
    ]
    return request_sets.plan_set(worded, grid_fields.given_axes(form, data))


def _composed(
    form: StudioForm,
    actor: Person,
    data: Mapping[str, Any],
    *,
    is_draft: bool = False,
    words: str = "",
) -> JobRequest:
    """Return the job request for the values of a form; those of a draft may be unfinished.

    `words` stand for a prompt that is not written yet, where only a price is wanted.

    :raises InvalidJobRequest: if a value is missing or not valid.
    """
    asset, earlier = data.get("asset"), data.get("inputs_of")
    starts = [] if earlier is None else from_job.own_input_sources(earlier, version=form.version)
    picture = asset or form.content
    starts += [] if picture is None else [_source_of(picture)]
    starts += input_fields.given_inputs(data, promised=form.promised if is_draft else None)
    starts += reference_fields.given_references(form.taken, data, actor=actor, is_draft=is_draft)
    starts = mask_fields.with_drawing(starts, data, picture)
    quality = model_fields.given_quality(str(data.get("quality") or ""))
    size = model_fields.size_beside(quality, str(data.get("size") or ""), form.options)
    given = given_parameters(data)
    size, given = frame_fields.with_frame(picture, data, size, given, form.options)
    if is_draft and size == SIZE_OF_SOURCE and not starts:
        # Uploads are not sent along for a price.
        size = ""
    job_request = composition.compose(
        actor=actor,
        template=form.version,
        variables={v.name: data.get(f"v_{v.name}", "") for v in form.variables},
        prompt=str(data.get("prompt") or "") or ("" if form.version else words),
        negative_prompt=str(data.get("negative") or ""),
        model=data.get("image_model"),
        size=size,
        count=model_fields.whole_number(data.get("count")) or model_fields.DEFAULT_COUNT,
        seed=_seed(form, data),
        quality=quality,
        background=str(data.get("background") or ""),
        output_format=str(data.get("output_format") or ""),
        parameters=given,
        loras=input_fields.given_loras(data),
        operation=_asked_operation(form, data, starts),
        brand_kit=data.get("brand_kit") or None,
        shot=str(data.get("shot") or "") if form.version else "",
        inputs=starts,
        # A form without these fields asks for those of the template.
        passes=pass_fields.given_passes(data) if form.has_passes else None,
    )
    return job_request if earlier is None else from_job.as_received(job_request, earlier)


def _seed(form: StudioForm, data: Mapping[str, Any]) -> int | None:
    """Return the given seed; one that is to be kept is drawn where none is given."""
    seed: int | None = data.get("seed")
    takes_seed = form.options is not None and form.options.capabilities.supports_seed
    if seed is None and data.get("seed_lock") and takes_seed:
        return model_fields.drawn_seed(str(data.get("nonce") or ""))
    return seed


def _source_of(picture: Asset | ContentImage) -> InputSource:
    return InputSource(asset=picture) if isinstance(picture, Asset) else picture.source


def _asked_operation(form: StudioForm, data: Mapping[str, Any], starts: list[InputSource]) -> str:
    """Return what is asked for: as chosen, as before, as the template says, or as inputs tell."""
    if data.get("operation"):
        return str(data["operation"])
    earlier: Job | None = data.get("inputs_of")
    if earlier is not None:
        return str(earlier.operation)
    if form.options is None or (form.version and form.version.operation != Operation.GENERATE):
        return ""
    roles = frozenset(source.role for source in starts)
    return model_options.operation_for(form.options.capabilities, roles)
