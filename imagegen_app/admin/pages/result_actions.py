"""What can be done next with a result: each operation with its model, and the recipe to take over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _

from imagegen_app.core.quality_tiers import QualityTier
from imagegen_app.core.types import Operation, Size
from imagegen_app.forms import image_actions
from imagegen_app.forms.admin_urls import admin_url, find_admin_url
from imagegen_app.forms.image_actions import with_query
from imagegen_app.models.amounts import format_amount
from imagegen_app.services.job_requests import prices
from imagegen_app.services.library import drafts, focal_points
from imagegen_app.services.policy import access

if TYPE_CHECKING:
    from imagegen_app.core.actors import Person
    from imagegen_app.models import Asset
    from imagegen_app.services.job_requests.offered_operations import OfferedOperation

_FINISH_FACTOR = 2


def action_context(actor: Person, asset: Asset, *, carried: str) -> dict[str, Any]:
    """Return what the page of a result offers, for its template."""
    is_usable = image_actions.is_usable(asset)
    may_request = access.has_permission(actor, "request_job")
    studio = admin_url("imagegen_studio")
    offered = image_actions.offered_for(actor, asset)
    links = [image_actions.operation_link(one, asset, carried=carried) for one in offered]
    recalls = (
        [
            (text, with_query(studio, carried, recall=asset.pk, only=name))
            for name, text in (
                ("", _("Everything")),
                ("seed", _("Seed only")),
                ("prompt", _("Prompt only")),
            )
            if name != "seed" or asset.seed is not None
        ]
        if may_request
        else []
    )
    add_template = find_admin_url("imagegen_prompttemplate_add")
    return {
        "operations": links,
        "missing": [one for one in links if not one.url],
        "recalls": recalls,
        "remake_url": with_query(studio, carried, recall=asset.pk) if may_request else "",
        "may_use": is_usable and access.has_permission(actor, "place_asset"),
        "may_discard": drafts.may_discard(actor, asset),
        "may_set_focal": is_usable and focal_points.may_set(actor, asset),
        "template_url": with_query(add_template, "", from_image=asset.pk)
        if add_template and access.has_permission(actor, "add_prompttemplate")
        else "",
        "draft_url": with_query(studio, carried, recall=asset.pk, quality=QualityTier.DRAFT.value)
        if may_request
        else "",
        "finish": _finish(offered, asset, carried),
    }


def _finish(offered: list[OfferedOperation], asset: Asset, carried: str) -> dict[str, str] | None:
    """Return the link that makes the final image of a draft, with its price; None where nothing can."""
    for one in offered:
        if one.operation is not Operation.UPSCALE or one.image_model is None:
            continue
        size = Size(asset.width * _FINISH_FACTOR, asset.height * _FINISH_FACTOR)
        try:
            cost = prices.estimate_images(
                one.image_model,
                operation=one.operation,
                size=size,
                quality="",
                count=1,
                is_last=True,
                is_row=False,
            ).total
        except prices.NoPrice:
            return None
        return {
            "url": image_actions.operation_link(one, asset, carried=carried).url,
            "price": f"{format_amount(cost.amount)} {cost.currency}",
        }
    return None
