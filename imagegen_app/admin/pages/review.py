"""Approve or reject a batch's images in a grid, and place them on their objects."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Exists, OuterRef
from django.http import HttpResponse, HttpResponseRedirect
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

from imagegen_app.admin.pages.base import Pages, Route
from imagegen_app.admin.pages.batch import TILES, own_batch
from imagegen_app.core.states import ReviewState
from imagegen_app.models import Asset, Batch, Placement
from imagegen_app.services.batches import lifecycle
from imagegen_app.services.library import delivery, review
from imagegen_app.services.policy import reviewers
from imagegen_app.services.policy.access import ActionRefused

if TYPE_CHECKING:
    from django.http import HttpRequest

    from imagegen_app.core.actors import Person


class ReviewPage(Pages):
    """The review grid of a batch."""

    base_template = "imagegen_app/admin/batch/base.html"
    has_sidebar = False

    def routes(self) -> list[Route]:
        return [Route("batches/<uuid:pk>/review/", self.review, "imagegen_batch_review")]

    def review(self, request: HttpRequest, actor: Person, pk: uuid.UUID) -> HttpResponse:
        """Approve or reject images in a grid, and place approved ones on their objects."""
        batch = own_batch(actor, pk)
        if request.method == "POST":
            self._decide(request, actor, batch)
            return HttpResponseRedirect(f"{request.path}?{request.GET.urlencode()}")
        shown = request.GET.get("show", "pending")
        assets = _assets(batch)
        if shown in {s.value for s in ReviewState}:
            assets = assets.filter(review_state=shown)
        page = Paginator(assets, TILES).get_page(request.GET.get("page"))
        labels = lifecycle.row_labels(batch, [a.job.row_key for a in page.object_list])
        tiles = [
            {
                "asset": asset,
                "label": labels.get(asset.job.row_key, ""),
                "url": delivery.preview_url(asset, width=320),
                "large": delivery.preview_url(asset, width=1280),
                "why_not": review.refusal_reason(actor, asset, ReviewState.APPROVED),
            }
            for asset in page.object_list
        ]
        context = {
            "title": _("Review: %(batch)s") % {"batch": batch.title},
            "batch": batch,
            "page": page,
            "tiles": tiles,
            "shown": shown,
            "states": [
                ("pending", _("To review")),
                ("approved", pgettext("several images", "Approved")),
                ("rejected", pgettext("several images", "Rejected")),
            ],
            "unplaced": _unplaced(batch),
            "no_reviewer": reviewers.no_second_reviewer(actor)
            if shown == "pending" and any(tile["why_not"] for tile in tiles)
            else "",
        }
        return self.page(request, "imagegen_app/admin/batch/review.html", context)

    def _decide(self, request: HttpRequest, actor: Person, batch: Batch) -> None:
        done = {"approve": 0, "reject": 0}
        refusals: dict[tuple[str, bool], int] = {}
        approved: list[Asset] = []
        decisions = {
            k.removeprefix("decision-"): str(v)
            for k, v in request.POST.items()
            if k.startswith("decision-") and v in done
        }
        keys = [key for key in map(_uuid, decisions) if key is not None]
        for asset in _assets(batch).filter(pk__in=keys):
            wanted = decisions[str(asset.pk)]
            try:
                if wanted == "approve":
                    review.approve(actor=actor, asset=asset)
                else:
                    review.reject(actor=actor, asset=asset)
            except ActionRefused as refusal:
                key = (refusal.reason, refusal.is_already_done)
                refusals[key] = refusals.get(key, 0) + 1
                is_decided = refusal.is_already_done
            else:
                done[wanted] += 1
                is_decided = True
            if is_decided and wanted == "approve":
                approved.append(asset)
        if any(done.values()):
            messages.success(
                request,
                _("%(approved)s approved, %(rejected)s rejected.")
                % {"approved": done["approve"], "rejected": done["reject"]},
            )
        for (reason, is_already_done), number in refusals.items():
            show = messages.info if is_already_done else messages.warning
            show(request, _("%(number)s not changed: %(why)s") % {"number": number, "why": reason})
        if "place" in request.POST:
            # Pressed twice, the button places what it named the first time, and nothing else.
            chosen = approved if decisions else list(_unplaced(batch))
            self._place(request, actor, batch, chosen)

    def _place(
        self, request: HttpRequest, actor: Person, batch: Batch, chosen: list[Asset]
    ) -> None:
        try:
            placed = lifecycle.place_approved(actor=actor, batch=batch, assets=chosen)
        except ActionRefused as refusal:
            messages.error(request, str(refusal))
            return
        if placed:
            messages.success(
                request,
                ngettext("%(count)s image was placed.", "%(count)s images were placed.", placed)
                % {"count": placed},
            )


def _uuid(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None


def _assets(batch: Batch) -> Any:
    return (
        Asset.objects.filter(job__batch=batch, is_intermediate=False)
        .select_related("job")
        .prefetch_related("renditions")
        .order_by("job__created_at", "position")
    )


def _unplaced(batch: Batch) -> list[Asset]:
    placed = Placement.objects.active().filter(asset=OuterRef("pk"))
    approved = _assets(batch).filter(review_state=ReviewState.APPROVED.value)
    return list(approved.exclude(Exists(placed)))
