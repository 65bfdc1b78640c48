"""List the images that ask for a decision, in saved views with a steady order.

Other subjects add a view of their own by `register`; the desk shows those that a person may open.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from imagegen_app import conf
from imagegen_app.core.actors import Person
from imagegen_app.core.states import ReviewQueue
from imagegen_app.models import Asset
from imagegen_app.services.library.review_requests import DECIDE_ESCALATED
from imagegen_app.services.policy import access

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from django.db.models import QuerySet
    from django.utils.functional import _StrPromise

    from imagegen_app.core.actors import Actor

#: Rows are counted up to one more than this; the desk then shows "100+".
MAX_COUNT: Final = 100


@dataclass(frozen=True, slots=True)
class ReviewView:
    """A saved view of the review desk."""

    key: str
    label: _StrPromise
    #: What the desk says while the view is empty.
    empty: _StrPromise
    #: The images that an actor sees in it, in any order.
    rows: Callable[[Actor], QuerySet[Asset]]
    is_for: Callable[[Actor], bool]
    #: The column by which it is ordered; never null in its rows.
    order: str = "review_requested_at"
    is_newest_first: bool = False
    #: Whether several of its images may be decided with one press.
    is_queue: bool = False

    def page(self, actor: Actor, *, after: Asset | None = None, most: int) -> list[Asset]:
        """Return the images from the first one on, or those that follow one of them."""
        rows = self.rows(actor)
        if after is not None:
            rows = rows.filter(self._beyond(after, is_backwards=False))
        return list(self._ordered(rows)[:most])

    def before(self, actor: Actor, asset: Asset, *, most: int) -> list[Asset]:
        """Return the images that stand before one, the nearest last."""
        rows = self.rows(actor).filter(self._beyond(asset, is_backwards=True))
        return list(self._ordered(rows, is_backwards=True)[:most])[::-1]

    def following(self, actor: Actor, asset: Asset) -> Asset | None:
        """Return the next image; after the last one, the first that is left; None if none is."""
        found = self.page(actor, after=asset, most=1)
        if not found:
            rows = self.rows(actor).exclude(pk=asset.pk)
            found = list(self._ordered(rows)[:1])
        return found[0] if found else None

    def is_decided(self, actor: Actor) -> bool:
        """Return whether the actor may decide about several of its images with one press."""
        return self.is_queue and access.has_permission(actor, "approve_asset")

    def count(self, actor: Actor) -> int:
        """Return how many images there are, up to one more than `MAX_COUNT`."""
        # In its order, so that the index is read that far and not one entry further.
        return int(self._ordered(self.rows(actor))[: MAX_COUNT + 1].count())

    def _ordered(self, rows: QuerySet[Asset], *, is_backwards: bool = False) -> QuerySet[Asset]:
        sign = "-" if self.is_newest_first is not is_backwards else ""
        return rows.order_by(f"{sign}{self.order}", f"{sign}id")

    def _beyond(self, asset: Asset, *, is_backwards: bool) -> Q:
        value = getattr(asset, self.order)
        if value is None:
            # It is no longer in the view, and has no place in its order.
            return Q(pk__isnull=not is_backwards)
        way = "lt" if self.is_newest_first is not is_backwards else "gt"
        # The first condition follows from the second; databases find the place by it in the index.
        return Q(**{f"{self.order}__{way}e": value}) & (
            Q(**{f"{self.order}__{way}": value}) | Q(**{self.order: value, f"id__{way}": asset.pk})
        )


def register(view: ReviewView) -> None:
    """Add a view, or replace the one with its key."""
    _views[view.key] = view


def views_for(actor: Actor) -> list[ReviewView]:
    """Return the views that an actor may open, in the order in which they were registered."""
    return [view for view in _views.values() if view.is_for(actor)]


def view_of(actor: Actor, key: str) -> ReviewView | None:
    """Return the view with a key, else the first one; None if the actor may open none."""
    offered = views_for(actor)
    return next((view for view in offered if view.key == key), offered[0] if offered else None)


def _may_review(actor: Actor) -> bool:
    if access.has_permission(actor, "approve_asset"):
        return True
    return not conf.get().require_second_reviewer and access.has_permission(
        actor, "approve_own_asset"
    )


def _may_watch(actor: Actor) -> bool:
    return any(access.has_permission(actor, name) for name in ("approve_asset", "withdraw_asset"))


def _seen_by(actor: Actor, rows: QuerySet[Asset]) -> QuerySet[Asset]:
    if isinstance(actor, Person) and not access.has_permission(actor, "view_asset"):
        return rows.filter(job__requester=actor.user)
    return rows


def _needs_review(actor: Actor) -> QuerySet[Asset]:
    return _seen_by(actor, Asset.objects.in_queue(ReviewQueue.WAITING))


def _held(actor: Actor) -> QuerySet[Asset]:
    return _needs_review(actor).filter(is_flagged__in=[True])


def _escalated(actor: Actor) -> QuerySet[Asset]:
    return _seen_by(actor, Asset.objects.in_queue(ReviewQueue.ESCALATED))


def _provenance_problems(actor: Actor) -> QuerySet[Asset]:
    """Images that are shown or shall be, whose file lacks its marks or whose mark was not found."""
    return _seen_by(actor, Asset.objects.filter(is_in_doubt__in=[True]))


def _sent_back(actor: Actor) -> QuerySet[Asset]:
    rows: QuerySet[Asset] = Asset.objects.in_queue(ReviewQueue.SENT_BACK)
    return rows.filter(job__requester=actor.user) if isinstance(actor, Person) else rows.none()


def _first_views() -> Sequence[ReviewView]:
    return (
        ReviewView(
            "needs",
            _("Needs review"),
            _("Nothing waits for a review. Images come here when somebody sends or uses them."),
            _needs_review,
            _may_review,
            is_queue=True,
        ),
        ReviewView(
            "held",
            _("Held by a content check"),
            _("No content check holds an image."),
            _held,
            _may_review,
            is_queue=True,
        ),
        ReviewView(
            "escalated",
            _("Escalated"),
            _("No reviewer has escalated an image."),
            _escalated,
            lambda actor: access.has_permission(actor, DECIDE_ESCALATED),
        ),
        ReviewView(
            "provenance",
            _("Provenance problems"),
            _("Every image that is in use carries its marks."),
            _provenance_problems,
            _may_watch,
            order="created_at",
            is_newest_first=True,
        ),
        ReviewView(
            "mine",
            _("Sent back to me"),
            _("No reviewer has sent an image of yours back."),
            _sent_back,
            lambda actor: access.has_permission(actor, "request_job"),
            order="sent_back_at",
            is_newest_first=True,
        ),
    )


_views: dict[str, ReviewView] = {view.key: view for view in _first_views()}
