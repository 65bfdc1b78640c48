"""Set the focal point of an image: what stays visible where a page crops it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

from imagegen_app.models import Asset
from imagegen_app.services.foundation import event_log
from imagegen_app.services.foundation.unit import skip_audit_event, use_case
from imagegen_app.services.library import chooser
from imagegen_app.services.policy import access, closed_content
from imagegen_app.services.policy.access import ActionRefused

if TYPE_CHECKING:
    from imagegen_app.core.actors import Person

#: Of the image's width and height: finer steps cannot be seen.
_DIGITS = 3


class InvalidFocalPoint(ActionRefused):
    """The point does not lie on the image."""

    code = "invalid_focal_point"


@use_case()
def set_focal_point(*, actor: Person, asset: Asset, x: float | None, y: float | None) -> None:
    """Set the focal point, in parts of width and height from the left and the top; None for the middle.

    :raises NotPermitted: if the actor neither requested the image nor may change or place images.
    :raises ClosedForGood: if it was found in a hard category.
    :raises InvalidFocalPoint: if the point does not lie on the image.
    """
    require_may_set(actor, asset)
    closed_content.require_open_asset(asset)
    if x is None or y is None:
        x = y = None
    elif not all(math.isfinite(part) and 0 <= part <= 1 for part in (x, y)):
        raise InvalidFocalPoint(
            _("The focal point was not changed."),
            reason=_("It must lie on the image."),
            remedy=_("Choose a place between 0 % and 100 %."),
        )
    else:
        x, y = round(x, _DIGITS), round(y, _DIGITS)
    stored = Asset.objects.select_for_update().get(pk=asset.pk)
    asset.focal_x, asset.focal_y = x, y
    if (stored.focal_x, stored.focal_y) == (x, y):
        skip_audit_event()
        return
    asset.save(update_fields=["focal_x", "focal_y"])
    event_log.record(
        actor,
        "asset.focal_point_set",
        subject=asset,
        job=asset.job,
        asset=asset,
        # The log takes no floats.
        data={"x": "" if x is None else f"{x:g}", "y": "" if y is None else f"{y:g}"},
    )


def may_set(actor: Person, asset: Asset) -> bool:
    """Return whether the person may set the focal point of an image that they may see."""
    return asset.job.requester_id == actor.user.pk or any(
        access.has_permission(actor, name) for name in ("change_asset", "place_asset")
    )


def require_may_set(actor: Person, asset: Asset) -> None:
    """Require that the person may set the focal point.

    :raises NotPermitted: if not.
    """
    chooser.require_visible(actor, asset)
    if not may_set(actor, asset):
        access.require_permission(actor, "change_asset")
