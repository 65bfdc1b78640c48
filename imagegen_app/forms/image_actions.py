"""Links that have an operation done to an image that is there: in the studio, with the image as its source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.utils.http import urlencode
from django.utils.translation import gettext_lazy, pgettext_lazy

from imagegen_app.core.operations import Operation
from imagegen_app.core.states import ReviewState
from imagegen_app.forms.admin_urls import find_admin_url
from imagegen_app.services.policy import access

if TYPE_CHECKING:
    from collections.abc import Iterable

    from imagegen_app.core.actors import Person
    from imagegen_app.models import Asset
    from imagegen_app.services.job_requests.offered_operations import OfferedOperation

#: In the order of the page, with the words of a button.
OPERATIONS = {
    Operation.VARY: gettext_lazy("Vary"),
    Operation.EDIT: gettext_lazy("Edit by instruction"),
    Operation.INPAINT: gettext_lazy("Inpaint"),
    Operation.OUTPAINT: gettext_lazy("Outpaint"),
    Operation.UPSCALE: gettext_lazy("Upscale"),
    Operation.REMOVE_BACKGROUND: gettext_lazy("Remove background"),
    Operation.ERASE: pgettext_lazy("operation on an image", "Erase"),
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
#: What was decided against is neither used nor edited.
USABLE_STATES = frozenset({ReviewState.PENDING.value, ReviewState.APPROVED.value})


@dataclass(frozen=True, slots=True)
class OperationLink:
    """A link to the studio that has an operation done to an image; without `url`, why there is none."""

    text: str
    url: str
    #: The model that does it, where it is not the image's own.
    other_model: str
    reason: str
    name: str


def with_query(address: str, carried: str, **more: object) -> str:
    """Return an address with further parameters, behind those that are handed on."""
    given = urlencode({name: str(value) for name, value in more.items() if value})
    query = "&".join(filter(None, (carried, given)))
    return f"{address}?{query}" if query else address


def is_usable(asset: Asset) -> bool:
    """Return whether something may be made of an image at all."""
    return asset.review_state in USABLE_STATES and not asset.hard_category


def offered_for(
    actor: Person, asset: Asset, *, among: Iterable[Operation] = tuple(OPERATIONS)
) -> list[OfferedOperation]:
    """Return the operations on an image with their models; none for one that may not be used."""
    # Pages without an image need not load what adapters are.
    from imagegen_app.services.job_requests import offered_operations  # noqa: PLC0415

    if not is_usable(asset) or not access.has_permission(actor, "request_job"):
        return []
    return offered_operations.offered_operations(
        actor, image_model=asset.job.image_model, operations=tuple(among)
    )


def offered_for_upload(actor: Person) -> list[OfferedOperation]:
    """Return what can be done to an image that was not made here, with which models."""
    from imagegen_app.services.job_requests import offered_operations  # noqa: PLC0415 - as above

    if not access.has_permission(actor, "request_job"):
        return []
    return offered_operations.offered_operations(
        actor, image_model=None, operations=QUICK_OPERATIONS
    )


def operation_link(
    offered: OfferedOperation,
    asset: Asset | None,
    *,
    carried: str,
    site: str = "",
    content: str = "",
) -> OperationLink:
    """Return the link for one operation; `carried` are parameters that the studio hands on.

    Instead of an asset, `content` names the field of an object that holds the image.
    """
    model, url = offered.image_model, ""
    if model is not None:
        url = with_query(
            find_admin_url("imagegen_studio", site=site),
            carried,
            **({"content": content} if asset is None else {"from": asset.pk}),
            operation=offered.operation.value,
            image_model=model.pk,
        )
    return OperationLink(
        text=str(OPERATIONS[offered.operation]),
        url=url,
        other_model=model.name if model is not None and offered.reason else "",
        reason=offered.reason,
        name=offered.operation.value,
    )
