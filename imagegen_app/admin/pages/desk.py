"""The review desk: what asks for a decision, as a grid and one by one."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, NamedTuple

from django.contrib import messages
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from imagegen_app.admin import decisions
from imagegen_app.admin.pages.base import Pages, Route, show_refusal
from imagegen_app.forms.admin_urls import admin_url
from imagegen_app.models import Asset
from imagegen_app.services.library import (
    chooser,
    delivery,
    review_cases,
    review_checklist,
    review_decisions,
    review_requests,
    review_views,
    summary,
)
from imagegen_app.services.policy.access import ActionRefused, NotPermitted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.http import HttpRequest

    from imagegen_app.core.actors import Person
    from imagegen_app.services.library.review_views import ReviewView

#: Images on one page of the grid.
TILES = 30
#: Images of the view that are shown beside the one that is decided about.
_BEFORE, _AFTER = 2, 6


class _Way(NamedTuple):
    """The view that a person works in, and the image after the one that was decided."""

    view: ReviewView | None
    following: Asset | None


class DeskPages(Pages):
    """The grid of what asks for a decision, and the page of one image."""

    base_template = "imagegen_app/admin/desk/base.html"
    has_sidebar = False

    def routes(self) -> list[Route]:
        return [
            Route("desk/", self.queue, "imagegen_desk"),
            Route("desk/decide/", self.bulk, "imagegen_desk_decide", is_post_only=True),
            Route("desk/<uuid:pk>/", self.case, "imagegen_desk_case"),
            Route(
                "desk/<uuid:pk>/request/", self.request, "imagegen_desk_request", is_post_only=True
            ),
        ]

    def queue(self, request: HttpRequest, actor: Person) -> HttpResponse:
        """Show the images of a saved view as a grid."""
        view = review_views.view_of(actor, str(request.GET.get("view", "")))
        if view is None:
            raise Http404
        return self._grid(request, actor, view)

    def bulk(self, request: HttpRequest, actor: Person) -> HttpResponse:
        """Decide about several images of a kind; show the grid again where that is refused."""
        view = review_views.view_of(actor, str(request.POST.get("view", "")))
        decision = decisions.decision_from(request.POST)
        if view is None or decision is None:
            raise Http404
        chosen = [key for key in map(_uuid, request.POST.getlist("asset")) if key is not None]
        found = _assets().filter(pk__in=chosen[: review_decisions.MAX_ALIKE + 1])
        cases = [
            (asset, decisions.shown_from(str(request.POST.get(f"shown-{asset.pk}", ""))))
            for asset in found
            if _is_visible(actor, asset)
        ]
        try:
            count = review_decisions.decide_alike(actor=actor, cases=cases, decision=decision)
        except ActionRefused as refusal:
            return self._grid(request, actor, view, refusal=refusal, chosen=set(chosen))
        text = ngettext("%(count)s image was decided.", "%(count)s images were decided.", count)
        messages.success(request, text % {"count": count})
        return HttpResponseRedirect(_desk_url(view))

    def case(self, request: HttpRequest, actor: Person, pk: uuid.UUID) -> HttpResponse:
        """Show one image with all that a decision needs; on POST decide and go on to the next."""
        asset = get_object_or_404(_assets(), pk=pk)
        if not _is_visible(actor, asset):
            raise Http404
        source = request.POST if request.method == "POST" else request.GET
        view = review_views.view_of(actor, str(source.get("view", "")))
        if request.method != "POST":
            return self._case(request, actor, asset, view)
        decision = decisions.decision_from(request.POST)
        if decision is None:
            raise Http404
        # Before the decision, after which the image has no place in the view any more.
        following = None if view is None else view.following(actor, asset)
        seen = decisions.shown_from(str(request.POST.get("shown", "")))
        try:
            review_decisions.decide(actor=actor, asset=asset, decision=decision, seen=seen)
        except ActionRefused as refusal:
            return self._case(
                request,
                actor,
                get_object_or_404(_assets(), pk=pk),
                view,
                refusal=refusal,
                posted=request.POST.dict(),
            )
        said = decisions.done_sentence(decision.kind)
        return self._after(request, actor, asset, _Way(view, following), said)

    def request(self, request: HttpRequest, actor: Person, pk: uuid.UUID) -> HttpResponse:
        """Send an image for review, or take it back, and return to where the person was."""
        asset = get_object_or_404(Asset.objects.select_related("job"), pk=pk)
        if not _is_visible(actor, asset):
            raise Http404
        try:
            if "withdraw" in request.POST:
                review_requests.withdraw_request(actor=actor, asset=asset)
                messages.success(request, _("The image is a draft again."))
            else:
                note = str(request.POST.get("note", ""))
                review_requests.request_review(actor=actor, asset=asset, note=note)
                messages.success(request, _("The image was sent for review."))
        except ActionRefused as refusal:
            show_refusal(request, refusal)
        if request.POST.get("back") == "desk":
            return HttpResponseRedirect(admin_url("imagegen_desk"))
        return HttpResponseRedirect(admin_url("imagegen_asset_change", pk))

    def _after(
        self,
        request: HttpRequest,
        actor: Person,
        asset: Asset,
        way: _Way,
        said: str,
    ) -> HttpResponse:
        """Go on to the next image, or back to the page of this one."""
        view, following = way
        if _wants_fragment(request):
            if following is None or view is None:
                context = {"view": view, "said": said, "back": _desk_url(view)}
                return TemplateResponse(request, "imagegen_app/admin/desk/_done.html", context)
            fresh = get_object_or_404(_assets(), pk=following.pk)
            return self._case(request, actor, fresh, view, said=said)
        messages.success(request, said)
        if request.POST.get("back") == "image":
            return HttpResponseRedirect(admin_url("imagegen_asset_change", asset.pk))
        return HttpResponseRedirect(
            _desk_url(view) if following is None or view is None else _case_url(following, view)
        )

    def _case(
        self,
        request: HttpRequest,
        actor: Person,
        asset: Asset,
        view: ReviewView | None,
        *,
        refusal: ActionRefused | None = None,
        posted: Mapping[str, str] | None = None,
        said: str = "",
    ) -> HttpResponse:
        context: dict[str, Any] = {
            **decisions.decision_context(actor, asset, posted=posted),
            "has_keys": True,
            "title": str(asset),
            "asset": asset,
            "view": view,
            "refusal": refusal,
            "said": said,
            "story": review_cases.story_of(actor, asset),
            "verdicts": review_cases.verdict_lines(asset),
            "places": review_cases.places_of(asset),
            "picture": delivery.preview_url(asset, width=1280),
            "original": delivery.preview_url(asset, width=1920),
            "decide_url": admin_url("imagegen_desk_case", asset.pk),
            "back_url": _desk_url(view),
            **_neighbours(actor, asset, view),
        }
        status = 200 if refusal is None else 422
        if _wants_fragment(request):
            return TemplateResponse(
                request, "imagegen_app/admin/desk/_case.html", context, status=status
            )
        return self.page(request, "imagegen_app/admin/desk/case.html", context, status=status)

    def _grid(
        self,
        request: HttpRequest,
        actor: Person,
        view: ReviewView,
        *,
        refusal: ActionRefused | None = None,
        chosen: set[uuid.UUID] | None = None,
    ) -> HttpResponse:
        after = _uuid(str(request.GET.get("after", "")))
        last = None if after is None else Asset.objects.filter(pk=after).first()
        rows = view.page(actor, after=last, most=TILES + 1)
        loaded = {one.pk: one for one in _assets().filter(pk__in=[row.pk for row in rows[:TILES]])}
        shown = [loaded[row.pk] for row in rows[:TILES] if row.pk in loaded]
        outcomes = review_decisions.outcomes_of(shown)
        context = {
            **_bulk_fields(request),
            "title": _("Review desk"),
            "view": view,
            "views": [
                {
                    "key": one.key,
                    "label": one.label,
                    "count": one.count(actor),
                    "url": _desk_url(one),
                    "is_current": one.key == view.key,
                }
                for one in review_views.views_for(actor)
            ],
            "max_count": review_views.MAX_COUNT,
            "tiles": [
                {
                    "asset": asset,
                    "author": summary.short_name(asset.job.requester),
                    "picture": delivery.preview_url(asset, width=320),
                    "url": _case_url(asset, view),
                    "shown": review_decisions.shown(asset),
                    "outcome": outcomes.get(asset.pk, ""),
                    "is_chosen": asset.pk in (chosen or ()),
                }
                for asset in shown
            ],
            "first": _case_url(shown[0], view) if shown else "",
            "older": f"{_desk_url(view)}&after={shown[-1].pk}" if len(rows) > TILES else "",
            "is_later": last is not None,
            "refusal": refusal,
            "buttons": decisions.bulk_buttons() if shown and view.is_decided(actor) else [],
            "questions": review_checklist.questions({}) if view.is_decided(actor) else (),
        }
        status = 200 if refusal is None else 422
        return self.page(request, "imagegen_app/admin/desk/queue.html", context, status=status)


def _bulk_fields(request: HttpRequest) -> dict[str, Any]:
    empty = decisions.empty_fields()
    if request.method != "POST":
        return empty
    return {
        **empty,
        "note": str(request.POST.get("note", "")),
        "reason": str(request.POST.get("reason", "")),
    }


def _neighbours(actor: Person, asset: Asset, view: ReviewView | None) -> dict[str, Any]:
    """Return the images around one in its view, and where the keys lead."""
    if view is None:
        return {"neighbours": [], "previous_url": "", "next_url": "", "left": 0}
    before = view.before(actor, asset, most=_BEFORE)
    after = view.page(actor, after=asset, most=_AFTER)
    following = after[0] if after else view.following(actor, asset)
    keys = [one.pk for one in (*before, asset, *after)]
    loaded = {one.pk: one for one in _assets().filter(pk__in=keys)}
    return {
        "neighbours": [
            {
                "asset": loaded[key],
                "picture": delivery.preview_url(loaded[key], width=160),
                "url": _case_url(loaded[key], view),
                "is_current": key == asset.pk,
            }
            for key in keys
            if key in loaded
        ],
        "previous_url": _case_url(before[-1], view) if before else "",
        "next_url": _case_url(following, view) if following else "",
        "next_picture": delivery.preview_url(loaded[after[0].pk], width=1280)
        if after and after[0].pk in loaded
        else "",
        "left": view.count(actor),
        "max_count": review_views.MAX_COUNT,
    }


def _assets() -> Any:
    return Asset.objects.select_related(
        "job__requester",
        "job__root__requester",
        "job__root__template_version__template",
        "job__root__batch",
        "job__batch",
        "job__template_version__template",
        "attempt__image_model__provider",
        "reviewed_by",
    ).prefetch_related("renditions")


def _is_visible(actor: Person, asset: Asset) -> bool:
    try:
        chooser.require_visible(actor, asset)
    except NotPermitted:
        return False
    return True


def _wants_fragment(request: HttpRequest) -> bool:
    return request.GET.get("fragment") == "1"


def _desk_url(view: ReviewView | None) -> str:
    address = admin_url("imagegen_desk")
    return address if view is None else f"{address}?{urlencode({'view': view.key})}"


def _case_url(asset: Asset, view: ReviewView) -> str:
    return f"{admin_url('imagegen_desk_case', asset.pk)}?{urlencode({'view': view.key})}"


def _uuid(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None
