"""Keep what was chosen for one model when another one is chosen, and say what had to change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from imagegen_app.admin.pages import input_fields, reference_fields
from imagegen_app.admin.pages.model_fields import TIER_NAMES, USUAL_QUALITY
from imagegen_app.admin.pages.parameter_fields import PREFIX, given_parameters, parameter_label
from imagegen_app.core.quality_tiers import QualityTier
from imagegen_app.core.types import InputRole, Operation, Size
from imagegen_app.models.labels import LABELS
from imagegen_app.services.job_requests.values import SIZE_OF_SOURCE, describe_part

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from imagegen_app.core.model_parameters import Parameter
    from imagegen_app.services.job_requests.model_options import ModelOptions

#: A field, its new value, and why it changed.
_Change = tuple[str, Any, str]


def adapted(
    values: Mapping[str, str],
    options: ModelOptions,
    *,
    parameters: Mapping[str, Parameter],
    promised: Mapping[str, int],
) -> tuple[dict[str, Any], list[str]]:
    """Return the values as far as the model has them, and a sentence for each that had to change.

    `parameters` are those that the form shows, `promised` the numbers of files that were chosen.
    """
    kept: dict[str, Any] = dict(values)
    told = []
    changes = (
        *_choices(values, options),
        *_texts(values, options),
        *_parameters(values, options, parameters),
        *_inputs(values, options, promised),
    )
    for name, value, reason in changes:
        kept[name] = value
        told += [reason] if reason else []
    return kept, told


def _choices(values: Mapping[str, str], options: ModelOptions) -> Iterator[_Change]:
    offer, model = options.capabilities, options.image_model.name
    size, quality = values.get("size", ""), values.get("quality", "")
    if size and not _has_size(size, options):
        text = _("“%(model)s” does not have the size %(size)s; it is now automatic.")
        yield "size", "", text % {"model": model, "size": size[:20]}
    if quality and quality not in {USUAL_QUALITY, *options.tiers, *offer.qualities}:
        named = TIER_NAMES[QualityTier(quality)] if quality in set(QualityTier) else quality[:20]
        text = _("“%(model)s” does not have the quality “%(quality)s”; it now uses its own.")
        yield "quality", "", text % {"model": model, "quality": named}
    count = values.get("count", "")
    if count.isdecimal() and int(count) > offer.max_count:
        most = offer.max_count
        text = ngettext(
            "“%(model)s” makes %(most)s image at a time, not %(count)s.",
            "“%(model)s” makes at most %(most)s images at a time, not %(count)s.",
            most,
        )
        yield "count", str(most), text % {"model": model, "most": most, "count": count}
    operation = values.get("operation", "")
    if operation and operation not in offer.operations:
        known = {one.value: str(label) for one, label in LABELS[Operation].items()}
        named = known.get(operation, operation)
        yield "operation", "", _left_out(options, _("Operation"), named)


def _texts(values: Mapping[str, str], options: ModelOptions) -> Iterator[_Change]:
    offer = options.capabilities
    for name, label, is_taken in (
        ("seed", _("Seed"), offer.supports_seed),
        ("negative", _("Negative prompt"), offer.supports_negative_prompt),
    ):
        if values.get(name) and not is_taken:
            yield name, "", _left_out(options, label, values[name])
    for name, words in (("background", offer.backgrounds), ("output_format", offer.output_formats)):
        if values.get(name) and values[name] not in words:
            yield name, "", _left_out(options, capfirst(describe_part(name)), values[name])


def _parameters(
    values: Mapping[str, str], options: ModelOptions, parameters: Mapping[str, Parameter]
) -> Iterator[_Change]:
    for name, value in given_parameters(values).items():
        declared = parameters.get(name)
        if declared is None or declared.error_for(declared.parse(value)) is not None:
            yield PREFIX + name, "", _left_out(options, parameter_label(name), value)


def _inputs(
    values: Mapping[str, str], options: ModelOptions, promised: Mapping[str, int]
) -> Iterator[_Change]:
    offer = options.capabilities
    for name, role in input_fields.roles_by_field().items():
        if promised.get(name) and not options.most_images(role):
            yield name, "", _left_out(options, LABELS[InputRole][role], _("chosen file"))
    for number in range(input_fields.MAX_GUIDES):
        name = f"guide_{number}_kind"
        if values.get(name) and values[name] not in offer.control_kinds:
            yield name, "", _left_out(options, _("Kind"), values[name])
    for name, new, before, after in reference_fields.moved_roles(values, options):
        if new:
            text = _(
                "“%(model)s” does not take this (%(part)s): the image is now used as “%(role)s”."
            )
            names = {"model": options.image_model.name, "part": before, "role": after}
            yield name, new, text % names
        else:
            yield name.removesuffix("_role"), "", _left_out(options, before, _("chosen image"))
    for number in range(offer.max_loras, input_fields.MAX_LORAS):
        name = f"lora_{number}"
        if values.get(name):
            yield name, "", _left_out(options, "LoRA", values[name])
            yield f"{name}_weight", "", ""


def _left_out(options: ModelOptions, part: object, value: object) -> str:
    return _("“%(model)s” does not take this (%(part)s): “%(value)s” was left out.") % {
        "model": options.image_model.name,
        "part": part,
        "value": str(value)[:80],
    }


def _has_size(size: str, options: ModelOptions) -> bool:
    if size == SIZE_OF_SOURCE or size in options.ratios:
        return True
    try:
        pixels = Size.parse(size)
    except ValueError:
        return False
    rule = options.capabilities.sizes_for(options.operation)
    return rule.is_choosable and rule.error_for(pixels) is None
