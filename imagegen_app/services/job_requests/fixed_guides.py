"""Apply the control images that a template fixes: images of the library, with how each guides.

Whoever publishes the template must be allowed to use them; whoever requests an image of it need not be.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.utils.translation import gettext as _

from imagegen_app.core.actors import Person
from imagegen_app.core.limits import MAX_FIXED_GUIDES
from imagegen_app.core.states import ReviewState
from imagegen_app.core.types import ControlGuide, ImageInput, InputRole
from imagegen_app.models import Asset
from imagegen_app.services.job_requests.values import InputSource, InvalidJobRequest
from imagegen_app.services.policy import access, closed_content
from imagegen_app.services.policy.access import contact_sentence
from imagegen_app.services.policy.model_catalog import InvalidRecord

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from imagegen_app.core.actors import Actor
    from imagegen_app.models import TemplateVersion


@dataclass(frozen=True, slots=True)
class FixedGuide:
    """A control image of a template: an asset, and how it guides."""

    asset_id: UUID
    guide: ControlGuide

    def as_dict(self) -> dict[str, Any]:
        """Return it as a template version stores it."""
        return {"asset": str(self.asset_id), **asdict(self.guide)}

    @property
    def stand_in(self) -> ImageInput:
        """An input image with this guide and without a picture, to ask whether a model takes it."""
        return ImageInput(
            role=InputRole.CONTROL,
            media_type="image/png",
            sha256="",
            width=1024,
            height=1024,
            data=b"",
            guide=self.guide,
        )


@dataclass(frozen=True, slots=True)
class StatedGuide:
    """A control image of a template, and why it cannot be used; empty if it can."""

    number: int
    fixed: FixedGuide
    asset: Asset | None
    reason: str


def fixed_guides(version: TemplateVersion | None) -> tuple[FixedGuide, ...]:
    """Return the control images of a template."""
    found = []
    for stored in () if version is None else version.guides:
        values = dict(stored)
        found.append(FixedGuide(UUID(values.pop("asset")), ControlGuide(**values)))
    return tuple(found)


def stated_guides(guides: Sequence[FixedGuide]) -> Iterator[StatedGuide]:
    """Yield the control images of a template with the state that they are in now."""
    assets = Asset.objects.in_bulk([one.asset_id for one in guides]) if guides else {}
    for number, one in enumerate(guides, start=1):
        asset = assets.get(one.asset_id)
        yield StatedGuide(number, one, asset, unusable_reason(asset))


def with_fixed_guides(
    version: TemplateVersion | None, given: Sequence[InputSource]
) -> list[InputSource]:
    """Return the given input images and then the template's control images, each once.

    :raises InvalidJobRequest: if one cannot be used any more, or is given with another guide.
    """
    found, fixed = list(given), fixed_guides(version)
    for one in stated_guides(fixed):
        if one.reason or one.asset is None:
            raise InvalidJobRequest(
                _("The template fixes guide %(number)s, which cannot be used: %(reason)s")
                % {"number": one.number, "reason": one.reason},
                field="inputs",
                remedy=_("Use another template, or have this one changed. %(contact)s")
                % {"contact": contact_sentence()},
            )
        if any(_is_it(source, one.fixed) for source in given):
            # A job that is requested again has it already.
            continue
        others = [guide.guide for guide in fixed if guide.asset_id == one.asset.pk]
        if any(_shows(source, one.fixed) and source.guide not in others for source in given):
            raise InvalidJobRequest(
                _("The template fixes this (%(part)s).")
                % {"part": _("guide %(number)s") % {"number": one.number}},
                field="inputs",
                remedy=_("Leave it out, or use another template."),
            )
        found.append(InputSource(role=InputRole.CONTROL, asset=one.asset, guide=one.fixed.guide))
    return found


def without_fixed_guides(
    version: TemplateVersion | None, sources: Sequence[InputSource]
) -> list[InputSource]:
    """Return the input images of an earlier job without those that its template had fixed."""
    fixed = fixed_guides(version)
    return [source for source in sources if not any(_is_it(source, one) for one in fixed)]


def require_approved_guides(guides: Sequence[FixedGuide]) -> None:
    """Require that the control images of a template can be used.

    :raises InvalidRecord: with the first one that cannot.
    """
    if len(guides) > MAX_FIXED_GUIDES:
        reason = _("At most %(most)s images are accepted.") % {"most": MAX_FIXED_GUIDES}
        raise InvalidRecord(reason, field="guides")
    for one in stated_guides(guides):
        if one.reason:
            reason = _("Guide %(number)s cannot be used: %(reason)s") % {
                "number": one.number,
                "reason": one.reason,
            }
            raise InvalidRecord(reason, field="guides")


def require_usable_guides(
    actor: Actor, guides: Sequence[FixedGuide], *, before: Sequence[FixedGuide] = ()
) -> None:
    """Require that the actor may see the assets that become control images of a template.

    Those that the template has `before` may stay.

    :raises NotPermitted: if one is another person's, and the actor may not view assets.
    """
    known = {one.asset_id for one in before}
    require_visible_assets(actor, [one.asset_id for one in guides if one.asset_id not in known])


def require_visible_assets(actor: Actor, keys: Sequence[UUID]) -> None:
    """Require that the actor may see all of these assets.

    :raises NotPermitted: if one is another person's, and the actor may not view assets.
    """
    assets = Asset.objects.filter(pk__in=keys)
    if isinstance(actor, Person):
        assets = assets.exclude(job__requester=actor.user)
    if assets.exists():
        access.require_permission(actor, "view_asset")


def unusable_reason(asset: Asset | None) -> str:
    """Return why an image cannot be fixed for the requests of others; empty if it can."""
    if asset is None:
        return _("There is no such image.")
    if reason := closed_content.closed_reason(asset):
        return reason
    if asset.review_state != ReviewState.APPROVED:
        return _("It is not approved; its review state: %(state)s.") % {
            "state": asset.get_review_state_display()
        }
    return ""


def _shows(source: InputSource, fixed: FixedGuide) -> bool:
    if source.role is not InputRole.CONTROL or source.asset is None:
        return False
    return source.asset.pk == fixed.asset_id


def _is_it(source: InputSource, fixed: FixedGuide) -> bool:
    return _shows(source, fixed) and source.guide == fixed.guide
