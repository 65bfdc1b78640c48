"""The values of an earlier job for the studio's form, and what of them is not kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _

from imagegen_app.admin.pages import input_fields, model_change, pass_fields
from imagegen_app.admin.pages.model_fields import USUAL_QUALITY
from imagegen_app.admin.pages.parameter_fields import PREFIX, as_initial
from imagegen_app.core.quality_tiers import QualityTier, quality_word
from imagegen_app.core.types import Operation
from imagegen_app.services.job_requests import pass_planning, shot_choice
from imagegen_app.services.job_requests.fixed_values import fixed_loras
from imagegen_app.services.job_requests.values import SIZE_OF_SOURCE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django import forms

    from imagegen_app.core.model_parameters import Parameter
    from imagegen_app.core.passes import Pass
    from imagegen_app.models import TemplateVersion
    from imagegen_app.services.job_requests.model_options import ModelOptions
    from imagegen_app.services.library.recipes import Recipe


def _shot_of(recipe: Recipe, version: TemplateVersion | None) -> dict[str, str]:
    """Return the shot, if the template still has it."""
    known = {one.key for one in shot_choice.shots_of(version)}
    return {"shot": recipe.shot} if recipe.shot in known else {}


def values_of(
    recipe: Recipe,
    options: ModelOptions | None,
    *,
    version: TemplateVersion | None,
    parameters: Mapping[str, Parameter],
    is_from_image: bool,
    fields: Mapping[str, forms.Field],
) -> tuple[dict[str, Any], list[str]]:
    """Return the fields' values as far as the model has them, and a sentence for each other one.

    With `is_from_image` one of the job's images is changed: the new one is of its size.
    `fields` are those of the form.
    """
    values = {
        "size": SIZE_OF_SOURCE if is_from_image else _size(recipe, version),
        "count": str(recipe.count),
        "quality": _quality(recipe, options, version),
        "seed": recipe.seed,
        "negative": recipe.negative_prompt,
        "background": recipe.background,
        **_shot_of(recipe, version),
        "output_format": recipe.output_format,
        **{PREFIX + name: as_initial(value) for name, value in recipe.parameters.items()},
        **dict(input_fields.lora_values(recipe.loras, fixed=fixed_loras(version))),
    }
    kept_passes, told = _passes_of(recipe, fields, is_from_image=is_from_image)
    values |= pass_fields.pass_values(kept_passes)
    if recipe.lacks_inputs and not is_from_image:
        told.append(_("You may not use the source images of the earlier job: they were left out."))
    if options is None:
        return values, told
    if options.image_model.pk != recipe.image_model_id:
        text = _("“%(before)s” cannot be chosen here; “%(model)s” is used instead.")
        names = {"before": recipe.model_name, "model": options.image_model.name}
        told.insert(0, text % names)
    texts = {name: "" if value is None else str(value) for name, value in values.items()}
    kept, changes = model_change.adapted(texts, options, parameters=parameters, promised={})
    changed = {name: kept[name] for name, text in texts.items() if kept[name] != text}
    return values | changed, told + changes


def _size(recipe: Recipe, version: TemplateVersion | None) -> str:
    """Return the size as the field has it: empty where it is still that of the template."""
    is_templates = version is not None and recipe.size == str(version.size)
    return "" if is_templates else recipe.size


def _quality(recipe: Recipe, options: ModelOptions | None, version: TemplateVersion | None) -> str:
    """Return the quality of the job as the field has it: a tier also where its word was chosen.

    Where it had none, the template's must not come in its place.
    """
    if not recipe.quality:
        return USUAL_QUALITY if version and version.quality else ""
    if version is not None and recipe.quality == version.quality:
        return ""
    if options is None or recipe.quality in options.tiers:
        return recipe.quality
    words = options.capabilities.qualities
    found = (tier for tier in QualityTier if quality_word(tier, words) == recipe.quality)
    return next((tier.value for tier in found), recipe.quality)


def _passes_of(
    recipe: Recipe, fields: Mapping[str, forms.Field], *, is_from_image: bool
) -> tuple[list[Pass], list[str]]:
    """Return the follow-up passes that are made again, and a sentence for each thing that is not.

    An image that is changed went through its passes already.
    """
    if is_from_image:
        text = _("Follow-up passes are not made again: %(passes)s.")
        named = ", ".join(pass_planning.pass_labels(recipe.passes))
        return [], [text % {"passes": named}] if named else []
    kept = [one for one in recipe.passes if pass_fields.is_on_offer(fields, one)]
    left_out = _("You cannot use this follow-up pass now: “%(pass)s” was left out.")
    lost = [one for one in recipe.passes if one not in kept]
    told = [left_out % {"pass": label} for label in pass_planning.pass_labels(lost)]
    unread = _("The instruction of a follow-up edit is not shown to you: write your own.")
    lacks_words = any(one.operation is Operation.EDIT and not one.instruction for one in kept)
    return kept, told + [unread] * lacks_words
