"""Pass a chosen asset to a form as a signed token, and verify the token when the form is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.core import signing
from django.utils.translation import gettext as _

from imagegen_app.core.actors import Person
from imagegen_app.core.states import ReviewState
from imagegen_app.models import Asset
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.library import alt_texts, review, review_requests
from imagegen_app.services.policy import access, closed_content, use_of_assets
from imagegen_app.services.policy.access import ActionRefused

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from django.db.models import QuerySet

    from imagegen_app.core.actors import Actor

_SALT = "imagegen.chosen"
#: How long a token is valid: a form may stay open for half a day.
TOKEN_SECONDS = 12 * 3600


class InvalidToken(ActionRefused):
    """The token is forged, expired, or another person's."""

    code = "invalid_token"


@use_case()
def choose(
    *,
    actor: Actor,
    asset: Asset,
    alt_text: str = "",
    is_decorative: bool = False,
    others: Mapping[str, str] | None = None,
    placements: Collection[int] = (),
) -> str:
    """Choose an asset for a form: set its alternative text, approve it if allowed, return a token.

    Where the site requires a second reviewer, the asset waits for a review and cannot be placed
    until it is approved. `others` are the alternative texts in further languages, by code;
    `placements` are those whose objects get the new text, too: see `alt_texts.set_alt_text`.

    :raises NotPermitted: if the actor may not place assets or see this one.
    :raises AssetNotUsable: if the asset was rejected or withdrawn.
    :raises ClosedForGood: if it was found in a hard category.
    """
    access.require_permission(actor, "place_asset")
    require_visible(actor, asset)
    closed_content.require_open_asset(asset)
    # The page may be old: somebody may have decided about the image since.
    stored = Asset.objects.select_for_update().get(pk=asset.pk)
    for name in ("review_state", "review_requested_at", "sent_back_at", "escalated_at"):
        setattr(asset, name, getattr(stored, name))
    if asset.review_state in {ReviewState.REJECTED.value, ReviewState.WITHDRAWN.value}:
        raise AssetNotUsable(
            _("This image cannot be used."),
            reason=_("Its review state: %(state)s.") % {"state": asset.get_review_state_display()},
            remedy=_("Choose another one."),
        )
    if alt_text or is_decorative:
        alt_texts.set_alt_text(
            actor=actor,
            asset=asset,
            alt_text=alt_text,
            is_decorative=is_decorative,
            others=others,
            placements=placements,
        )
    if asset.review_state == ReviewState.PENDING:
        if not review.refusal_reason(actor, asset, ReviewState.APPROVED):
            review.approve(actor=actor, asset=asset)
        else:
            # It is about to be used: somebody must decide.
            review_requests.ask_for_review(actor, asset)
    return make_token(actor=actor, asset=asset)


class AssetNotUsable(ActionRefused):
    """The asset was rejected or withdrawn."""

    code = "asset_not_usable"


def make_token(*, actor: Actor, asset: Asset) -> str:
    """Return a signed token that names an asset and is valid for this actor only."""
    return signing.dumps({"asset": str(asset.pk), "actor": f"{actor.kind}:{actor.id}"}, salt=_SALT)


def asset_from_token(*, actor: Actor, token: str) -> Asset:
    """Return the asset that a token names.

    :raises InvalidToken: if it is forged, expired, or another person's.
    """
    try:
        data: Any = signing.loads(token, salt=_SALT, max_age=TOKEN_SECONDS)
        key, owner = UUID(data["asset"]), data["actor"]
    except (signing.BadSignature, KeyError, TypeError, ValueError):
        raise _invalid_token() from None
    if owner != f"{actor.kind}:{actor.id}":
        raise _invalid_token()
    asset = Asset.objects.select_related("job").filter(pk=key).first()
    if asset is None:
        raise _invalid_token()
    return asset


def usable_guides(actor: Person) -> QuerySet[Asset]:
    """Return the assets that a person may fix as guides: approved ones that they may use."""
    return use_of_assets.usable_assets(actor).filter(review_state=ReviewState.APPROVED.value)


def require_visible(actor: Actor, asset: Asset) -> None:
    """Require that the actor may see the asset.

    :raises NotPermitted: if it is another person's, and the actor may not view assets.
    """
    if not review_requests.is_own(actor, asset):
        access.require_permission(actor, "view_asset")


def _invalid_token() -> InvalidToken:
    return InvalidToken(
        _("The selected image could not be used."),
        reason=_("The selection is no longer valid."),
        remedy=_("Choose the image again."),
    )


def pending_message() -> str:
    """Return the message that a chosen asset still waits for its review."""
    return _("The image is not approved yet; it can be used once a reviewer has approved it.")
