"""Decide which images a person may use: place them, edit them, or start a new image from them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db.models import Q
from django.utils.translation import gettext as _

from imagegen_app.core.states import ReviewState
from imagegen_app.models import Asset
from imagegen_app.services.policy import access
from imagegen_app.services.policy.access import ActionRefused
from imagegen_app.services.policy.closed_content import ClosedForGood

if TYPE_CHECKING:
    from collections.abc import Collection

    from django.db.models import QuerySet

    from imagegen_app.core.actors import Person


class SourceNotUsable(ActionRefused):
    """An image to start from is not the person's, or was rejected or withdrawn."""

    code = "source_not_usable"


def usable_assets(actor: Person) -> QuerySet[Asset]:
    """Return the assets that a person may use: visible approved ones, and their own pending ones."""
    usable = Q(
        job__requester=actor.user,
        review_state__in=[ReviewState.PENDING.value, ReviewState.APPROVED.value],
    )
    if access.has_permission(actor, "view_asset"):
        usable |= Q(review_state=ReviewState.APPROVED.value)
    assets: QuerySet[Asset] = Asset.objects.filter(usable, hard_category="")
    return assets


def require_usable(actor: Person, assets: Collection[Asset]) -> None:
    """Require that a person may use all of these images.

    :raises ClosedForGood: if one was found in a hard category.
    :raises SourceNotUsable: if there is one that they may not use.
    """
    keys = {asset.pk for asset in assets}
    if keys and usable_assets(actor).filter(pk__in=keys).count() < len(keys):
        if Asset.objects.filter(pk__in=keys).exclude(hard_category="").exists():
            raise ClosedForGood
        raise SourceNotUsable(
            _("The images were not requested."),
            reason=_(
                "An image to start from cannot be used: it was rejected or withdrawn, or it is not "
                "yours."
            ),
            remedy=_("Choose another one."),
        )
