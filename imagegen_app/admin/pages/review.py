"""Review a batch's images in a grid: decide, rate, describe, make anew, and place them."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.utils.http import urlencode
from django.utils.translation import gettext as _

from imagegen_app.admin.pages import batch_placements, grid_posts, review_tiles
from imagegen_app.admin.pages.base import Pages, Route, show_refusal
from imagegen_app.admin.pages.batch import own_batch
from imagegen_app.core.states import ReviewState
from imagegen_app.models import Job
from imagegen_app.services.audit import prompt_access
from imagegen_app.services.batches import regeneration
from imagegen_app.services.foundation import keyset
from imagegen_app.services.jobs import pass_chain
from imagegen_app.services.library import planned_places
from imagegen_app.services.policy import access, reviewers
from imagegen_app.services.policy.access import ActionRefused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.http import HttpRequest

    from imagegen_app.core.actors import Person
    from imagegen_app.models import Asset, Batch


class ReviewPage(Pages):
    """The review grid of a batch."""

    base_template = "imagegen_app/admin/batch/base.html"
    has_sidebar = False

    def routes(self) -> list[Route]:
        return [
            Route("batches/<uuid:pk>/review/", self.review, "imagegen_batch_review"),
            Route("batches/images/<uuid:pk>/", self.tile, "imagegen_asset_batch_tile"),
            Route("batches/images/<uuid:pk>/prompt/", self.prompt, "imagegen_asset_batch_prompt"),
        ]

    def review(self, request: HttpRequest, actor: Person, pk: uuid.UUID) -> HttpResponse:
        """Show the grid; on POST, carry out what its form or one of its buttons says."""
        batch = own_batch(actor, pk)
        if request.method == "POST":
            notes = grid_posts.notes_sent(request)
            answer = self._post(request, actor, batch, notes)
            if answer is not None:
                return answer
            # What was typed and not stored stays in the form.
            if not notes:
                return HttpResponseRedirect(request.get_full_path())
            return self._grid(request, actor, batch, notes)
        return self._grid(request, actor, batch, {})

    def _grid(
        self, request: HttpRequest, actor: Person, batch: Batch, notes: Mapping[uuid.UUID, str]
    ) -> HttpResponse:
        """Show a page of the grid, before it the images whose notes stay, wherever else they stand."""
        shown = request.GET.get("show", ReviewState.PENDING.value)
        assets = review_tiles.grid_assets(batch)
        if shown in {state.value for state in ReviewState}:
            assets = assets.filter(review_state=shown)
        page = keyset.read_page(
            assets,
            size=review_tiles.TILES,
            after=request.GET.get("after", ""),
            before=request.GET.get("before", ""),
        )
        rows = review_tiles.with_noted(batch, page.rows, notes)
        tiles = review_tiles.grouped(batch, review_tiles.tiles_of(actor, batch, rows, notes))
        waiting = batch_placements.unplaced(batch)[: keyset.MAX_COUNTED].count()
        context: dict[str, Any] = {
            **review_tiles.shared_context(actor, batch),
            "title": _("Review: %(batch)s") % {"batch": batch.title},
            "tiles": tiles,
            "shown": shown,
            "states": review_tiles.state_choices(),
            "newer": urlencode({"show": shown, "before": page.first}) if page.has_newer else "",
            "older": urlencode({"show": shown, "after": page.last}) if page.has_older else "",
            "unplaced": waiting,
            "at_once": min(waiting, batch_placements.PLACED_AT_ONCE),
            "may_place": planned_places.main_target(batch) is not None
            and access.has_permission(actor, "place_asset"),
            "zone": batch_placements.zone_name(),
            "being_made": batch.jobs.filter(replaces__isnull=False).unfinished().count(),
            "suggested": sum(bool(t["suggestion"] and t["may_describe"]) for t in tiles),
            "no_reviewer": reviewers.no_second_reviewer(actor)
            if shown == ReviewState.PENDING.value and any(tile["why_not"] for tile in tiles)
            else "",
        }
        return self.page(request, "imagegen_app/admin/batch/review.html", context)

    def tile(self, request: HttpRequest, actor: Person, pk: uuid.UUID) -> HttpResponse:
        """Answer with one tile; of an image that is made anew, with the new one once it is there."""
        batch, found = _image_of_batch(actor, pk)
        return self._tile(request, actor, batch, found)

    def prompt(self, request: HttpRequest, actor: Person, pk: uuid.UUID) -> HttpResponse:
        """Answer with an image's prompt; reading that of another person is recorded."""
        _batch, found = _image_of_batch(actor, pk)
        context = {"prompt": prompt_access.read_prompt(actor, pass_chain.root_job(found.job))}
        return TemplateResponse(request, "imagegen_app/admin/batch/_review_prompt.html", context)

    def _post(
        self, request: HttpRequest, actor: Person, batch: Batch, notes: dict[uuid.UUID, str]
    ) -> HttpResponse | None:
        """Carry out what was pressed, and take the notes that were stored out of `notes`.

        The answer is None, or a tile for a script.
        """
        if "regenerate" in request.POST:
            return self._regenerate(request, actor, batch, notes)
        try:
            grid_posts.save_texts(request, actor, batch)
            grid_posts.save_ratings(request, actor, batch)
            if "describe" in request.POST:
                grid_posts.accept_suggestions(request, actor, batch)
            elif "approve_rated" in request.POST:
                grid_posts.approve_rated(request, actor, batch)
            else:
                self._decide(request, actor, batch, notes)
        except ActionRefused as refusal:
            show_refusal(request, refusal)
        return None

    def _decide(
        self, request: HttpRequest, actor: Person, batch: Batch, notes: dict[uuid.UUID, str]
    ) -> None:
        if "place" in request.POST:
            # Before anything is decided, so that a wrong date leaves all as it is.
            batch_placements.require_possible_time(request)
        sent, approved = grid_posts.decide(request, actor, batch, notes)
        if "place" not in request.POST:
            return
        # Pressed twice, the button places what it named the first time, and nothing else.
        chosen = (
            approved
            if sent
            else list(batch_placements.unplaced(batch)[: batch_placements.PLACED_AT_ONCE])
        )
        batch_placements.place(request, actor, batch, chosen)

    def _regenerate(
        self, request: HttpRequest, actor: Person, batch: Batch, notes: dict[uuid.UUID, str]
    ) -> HttpResponse | None:
        """Request a new image; answer a script with the tile, None for anything else."""
        key = grid_posts.uuid_of(str(request.POST["regenerate"]))
        asset = review_tiles.grid_assets(batch).filter(pk=key).first() if key else None
        if asset is None:
            raise Http404
        note = str(request.POST.get(f"note-{asset.pk}", ""))
        refusal: ActionRefused | None = None
        try:
            regeneration.regenerate(actor=actor, asset=asset, note=note)
        except ActionRefused as found:
            refusal = found
        if request.GET.get("fragment") == "1":
            fresh = review_tiles.grid_assets(batch).get(pk=asset.pk)
            return self._tile(request, actor, batch, fresh, refusal=refusal, note=note)
        if refusal is not None:
            show_refusal(request, refusal)
        else:
            notes.pop(asset.pk, None)
            messages.success(request, _("A new image is being made with your note."))
        return None

    def _tile(
        self,
        request: HttpRequest,
        actor: Person,
        batch: Batch,
        asset: Asset,
        *,
        refusal: ActionRefused | None = None,
        note: str = "",
    ) -> HttpResponse:
        job = regeneration.newest_replacement(asset.job)
        made = review_tiles.grid_assets(batch).filter(job__root=job) if job else None
        if job is not None and made is not None:
            of_job = review_tiles.grid_assets(batch).filter(job=job)
            asset = made.order_by("pk").first() or of_job.order_by("position").first() or asset
        (tile,) = review_tiles.tiles_of(actor, batch, [asset])
        if job is not None:
            tile["new"] = review_tiles.replacement_shown(job, asset)
        tile["refusal"], tile["note"] = refusal, note if refusal else ""
        context = {**review_tiles.shared_context(actor, batch), "tile": tile}
        return TemplateResponse(
            request,
            "imagegen_app/admin/batch/_review_tile.html",
            context,
            status=200 if refusal is None else 422,
        )


def _image_of_batch(actor: Person, pk: uuid.UUID) -> tuple[Batch, Asset]:
    """Return a batch that the actor may see, and its image of this key, else raise 404."""
    key = Job.objects.filter(assets=pk, batch__isnull=False).values_list("batch", flat=True).first()
    if key is None:
        raise Http404
    batch = own_batch(actor, key)
    return batch, get_object_or_404(review_tiles.grid_assets(batch), pk=pk)
