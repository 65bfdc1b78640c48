"""What can be done next with a result: each operation with its model, and the recipe to take over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from imagegen_app.admin.pages.handed_on import with_query
from imagegen_app.core.quality_tiers import QualityTier
from imagegen_app.core.states import ReviewState
from imagegen_app.core.types import Operation, Size
from imagegen_app.forms.admin_urls import admin_url, find_admin_url
from imagegen_app.models.amounts import format_amount
from imagegen_app.services.job_requests import offered_operations, prices
from imagegen_app.services.library import drafts, focal_points
from imagegen_app.services.policy import access

if TYPE_CHECKING:
    from imagegen_app.core.actors import Person
    from imagegen_app.models import Asset
    from imagegen_app.services.job_requests.offered_operations import OfferedOperation

#: In the order of the page, with the words of a button; the others are named as everywhere.
_OPERATIONS = {
    Operation.VARY: gettext_lazy("Vary"),
    Operation.EDIT: gettext_lazy("Edit by instruction"),
    Operation.INPAINT: gettext_lazy("Inpaint"),
    Operation.OUTPAINT: gettext_lazy("Outpaint"),
    Operation.UPSCALE: gettext_lazy("Upscale"),
    Operation.REMOVE_BACKGROUND: gettext_lazy("Remove background"),
    Operation.ERASE: gettext_lazy("Erase"),
    Operation.REPLACE: gettext_lazy("Replace"),
}
#: Beside a field there is room for a few.
QUICK_OPERATIONS = (
    Operation.REMOVE_BACKGROUND,
    Operation.OUTPAINT,
    Operation.UPSCALE,
    Operation.VARY,
    Operation.EDIT,
)
#: What images that were decided against are not used for.
_USABLE = frozenset({ReviewState.PENDING.value, ReviewState.APPROVED.value})
_FINISH_FACTOR = 2


@dataclass(frozen=True, slots=True)
class OperationLink:
    """A link to the studio that has an operation done to an image; without `url`, why there is none."""

    text: str
    url: str
    #: The model that does it, where it is not the image's own.
    other_model: str
    reason: str
    name: str


def operation_links(
    actor: Person, asset: Asset, *, carried: str = "", among: tuple[Operation, ...] = ()
) -> list[OperationLink]:
    """Return a link for each operation on an image; none for an image that may not be used."""
    if asset.review_state not in _USABLE or asset.hard_category:
        return []
    if not access.has_permission(actor, "request_job"):
        return []
    return [_link(one, asset, carried) for one in _offered(actor, asset, among)]


def _offered(
    actor: Person, asset: Asset, among: tuple[Operation, ...] = ()
) -> list[OfferedOperation]:
    return offered_operations.offered_operations(
        actor, image_model=asset.job.image_model, operations=among or tuple(_OPERATIONS)
    )


def _link(offered: OfferedOperation, asset: Asset, carried: str) -> OperationLink:
    model = offered.image_model
    url = ""
    if model is not None:
        url = with_query(
            admin_url("imagegen_studio"),
            carried,
            **{"from": asset.pk},
            operation=offered.operation.value,
            image_model=model.pk,
        )
    is_other = model is not None and bool(offered.reason)
    return OperationLink(
        text=str(_OPERATIONS[offered.operation]),
        url=url,
        other_model=model.name if is_other and model is not None else "",
        reason=offered.reason,
        name=offered.operation.value,
    )


def action_context(actor: Person, asset: Asset, *, carried: str) -> dict[str, Any]:
    """Return what the page of a result offers, for its template."""
    is_usable = asset.review_state in _USABLE and not asset.hard_category
    may_request = access.has_permission(actor, "request_job")
    studio = admin_url("imagegen_studio")
    offered = _offered(actor, asset) if is_usable and may_request else []
    links = [_link(one, asset, carried) for one in offered]
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
            "url": _link(one, asset, carried).url,
            "price": f"{format_amount(cost.amount)} {cost.currency}",
        }
    return None
