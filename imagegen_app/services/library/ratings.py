"""Rate images: each person gives one to five stars, and may change or take back theirs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

from imagegen_app.models import Asset, AssetRating
from imagegen_app.models.asset_details import MAX_STARS
from imagegen_app.services.foundation import event_log
from imagegen_app.services.foundation.unit import skip_audit_event, use_case
from imagegen_app.services.library import chooser
from imagegen_app.services.policy import closed_content
from imagegen_app.services.policy.access import ActionRefused

if TYPE_CHECKING:
    from imagegen_app.core.actors import Person


class InvalidRating(ActionRefused):
    """The number of stars is none that can be given."""

    code = "invalid_rating"


@use_case()
def rate(*, actor: Person, asset: Asset, stars: int) -> None:
    """Give an image one to five stars, in place of what the person gave it before; 0 takes them back.

    :raises NotPermitted: if the actor may not see the image.
    :raises ClosedForGood: if it was found in a hard category.
    :raises InvalidRating: if it is another number.
    """
    chooser.require_visible(actor, asset)
    closed_content.require_open_asset(asset)
    if not 0 <= stars <= MAX_STARS:
        raise InvalidRating(
            _("The image was not rated."),
            reason=_("One to %(most)s stars can be given.") % {"most": MAX_STARS},
            remedy=_("Choose one of the stars."),
        )
    # One person's double press: the second one finds the row of the first.
    Asset.objects.select_for_update().get(pk=asset.pk)
    if stars == stars_of(actor, asset):
        skip_audit_event()
        return
    rows = AssetRating.objects.filter(asset=asset, person=actor.user)
    if stars == 0:
        rows.delete()
    else:
        AssetRating.objects.update_or_create(
            asset=asset, person=actor.user, defaults={"stars": stars}
        )
    event_log.record(
        actor, "asset.rated", subject=asset, job=asset.job, asset=asset, data={"stars": stars}
    )


def stars_of(actor: Person, asset: Asset) -> int:
    """Return how many stars the person gave the image; 0 for none."""
    found = AssetRating.objects.filter(asset=asset, person=actor.user)
    return found.values_list("stars", flat=True).first() or 0
