"""Check before any request whether a model takes all that a brand kit adds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

from imagegen_app.core.types import GenerationRequest, Operation, Size
from imagegen_app.providers.parameters import input_count_errors, validation_errors
from imagegen_app.services.gateways import adapters
from imagegen_app.services.job_requests import kit_effects
from imagegen_app.services.job_requests.values import (
    AppliedKit,
    InvalidJobRequest,
    describe_complaint,
)
from imagegen_app.services.policy.model_catalog import InvalidRecord

if TYPE_CHECKING:
    from imagegen_app.models import BrandKitVersion, ImageModel
    from imagegen_app.services.job_requests.template_drafts import Draft

_ANY_SIZE = Size(1024, 1024)


def check_kit(draft: Draft) -> None:
    """Require that a template can inherit its brand kit.

    :raises InvalidRecord: if the kit is archived, or the template's model does not take all of it.
    """
    kit = draft.brand_kit
    if kit is None:
        return
    if kit.is_archived or kit.current is None:
        raise InvalidRecord(
            _("The brand kit “%(kit)s” is archived or not published.") % {"kit": kit.name},
            field="brand_kit",
        )
    if draft.image_model is None:
        return
    reason = unfit_reason(
        kit.current,
        draft.image_model,
        draft.operation,
        has_own_seed=draft.seed_strategy != "random",
    )
    if reason:
        raise InvalidRecord(reason, field="brand_kit")


def unfit_reason(
    kit: BrandKitVersion,
    image_model: ImageModel,
    operation: Operation = Operation.GENERATE,
    *,
    has_own_seed: bool = False,
) -> str:
    """Return why a model does not take all that a kit adds; empty if it does.

    :param has_own_seed: whether requests have a seed of their own, which goes before the kit's.
    """
    try:
        offer = adapters.capabilities(image_model)
        kit_effects.require_words(kit, operation, kit.style_words or "x", offer)
    except (InvalidJobRequest, adapters.ProviderNotConfigured) as error:
        return error.reason if isinstance(error, InvalidJobRequest) else str(error)
    seed = None if has_own_seed else kit.seed
    applied = AppliedKit(
        kit,
        words=kit.style_words,
        negative_words=kit.negative_words,
        loras=kit_effects.loras_of(kit),
        reference_count=len(kit.references),
        seed=seed,
    )
    request = GenerationRequest(
        operation=operation,
        model=image_model.provider_model_name,
        prompt=kit.style_words,
        size=_ANY_SIZE,
        count=1,
        negative_prompt=kit.negative_words,
        seed=seed,
        output_format=offer.usual_format,
        loras=applied.loras,
        inputs=tuple(kit_effects.reference_stand_ins(kit)),
    )
    complaints = (
        *validation_errors(request, capabilities=offer),
        *input_count_errors([one.role for one in request.inputs], capabilities=offer),
    )
    for complaint in complaints:
        if complaint.part == "inputs" and not kit.references:
            continue
        refusal = kit_effects.blamed(applied, complaint, describe_complaint(image_model, complaint))
        if refusal is not None:
            return refusal.reason
    return ""
