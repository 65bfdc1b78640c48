"""Make images for many objects: map, preview, price, start, watch, approve in a grid."""

from __future__ import annotations

import hashlib
import uuid
from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.contrib.admin.sites import AdminSite, site
from django.core.paginator import Paginator
from django.db.models import Exists, OuterRef
from django.http import Http404, HttpResponse, HttpResponseNotModified, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache

from imagegen_app.admin.pages.plan import PlanForm
from imagegen_app.core.states import ReviewState
from imagegen_app.models import Asset, Batch, Placement
from imagegen_app.services import (
    access,
    batches,
    control,
    delivery,
    pulse,
    review,
    selections,
    targets,
)
from imagegen_app.services.access import NotPermitted, Refused

if TYPE_CHECKING:
    from django.http import HttpRequest

    from imagegen_app.core.actors import Person
    from imagegen_app.models import TemplateVersion
    from imagegen_app.services.selections import Selection

#: Rows of the preview table; faulty ones come first.
PREVIEW_ROWS = 12
TILES = 60


class BatchPages:
    """The pages of batches, hung into an admin site."""

    def __init__(self, admin_site: AdminSite = site) -> None:
        self.site = admin_site

    def urls(self) -> list[URLPattern]:
        """Return the pages' addresses."""
        wrap = self.site.admin_view
        return [
            path("batches/new/", wrap(self.new), name="imagegen_batch_new"),
            path("batches/<uuid:pk>/run/", wrap(self.run), name="imagegen_batch_run"),
            path("batches/<uuid:pk>/status/", wrap(self.status), name="imagegen_batch_status"),
            path("batches/<uuid:pk>/review/", wrap(self.review), name="imagegen_batch_review"),
        ]

    @method_decorator(never_cache)
    def new(self, request: HttpRequest) -> HttpResponse:
        """Map, preview and start a batch for a selection."""
        actor = access.person(request.user)
        name = f"imagegen-selection-{request.GET.get('target', '')}"
        try:
            selection = selections.unpack(actor=actor, token=str(request.session.get(name, "")))
        except NotPermitted as refusal:
            return self._refused(request, refusal, status=403)
        except Refused as refusal:
            return self._refused(request, refusal, status=400)
        version = _version(request, selection)
        sent = request.POST if request.method == "POST" else None
        same_template = sent is not None and sent.get("shown_template") == (
            version.template.slug if version else ""
        )
        form = PlanForm(
            sent if same_template else None, actor=actor, selection=selection, version=version
        )
        plan = None
        refusal_shown: Refused | None = None
        if version is not None and (not form.is_bound or form.is_valid()):
            plan = _plan(actor, form, selection, version)
            if sent is not None and "start" in sent and same_template:
                try:
                    batch = self._start(
                        request,
                        actor=actor,
                        selection=selection,
                        form=form,
                        plan=plan,
                        version=version,
                    )
                except Refused as refusal:
                    refusal_shown = refusal
                else:
                    del request.session[name]
                    return HttpResponseRedirect(
                        reverse("admin:imagegen_batch_run", args=[batch.pk])
                    )
        rows = [] if plan is None else sorted(plan.rows, key=lambda r: not r.fault)[:PREVIEW_ROWS]
        context = {
            "title": _("Generate images"),
            "subtitle": _subtitle(selection),
            "form": form,
            "version": version,
            "plan": plan,
            "rows": rows,
            "faults": 0 if plan is None else len(plan.rows) - len(plan.good),
            "cached": 0 if plan is None else sum(r.is_cached for r in plan.good),
            "more": 0 if plan is None else len(plan.rows) - len(rows),
            "key": request.POST.get("key") or uuid.uuid4().hex,
            "refusal": refusal_shown,
            "selection": selection,
        }
        return self._page(request, "imagegen_app/admin/batch/new.html", context)

    def _start(
        self,
        request: HttpRequest,
        *,
        actor: Person,
        selection: Selection,
        form: PlanForm,
        plan: batches.Plan,
        version: TemplateVersion,
    ) -> Batch:
        mapping, fixed = form.mapping()
        return batches.start(
            actor=actor,
            version=version,
            title=f"{version.template.name}: {_subtitle(selection)}",
            plan=plan,
            target=selection.target,
            mapping=mapping | {f"={n}": v for n, v in fixed.items()},
            key=str(request.POST.get("key", ""))[:64] or uuid.uuid4().hex,
        )

    @method_decorator(never_cache)
    def run(self, request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
        """Watch a batch, cancel what waits, request again what failed."""
        actor = access.person(request.user)
        batch = _batch(actor, pk)
        if request.method == "POST":
            try:
                self._steer(request, actor, batch)
            except Refused as refusal:
                messages.error(request, str(refusal))
            return HttpResponseRedirect(request.path)
        context = {"title": batch.title, "batch": batch, **_status(actor, batch)}
        return self._page(request, "imagegen_app/admin/batch/run.html", context)

    @method_decorator(never_cache)
    def status(self, request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
        """Answer a poll with the part of the page that changes, or 304."""
        actor = access.person(request.user)
        batch = _batch(actor, pk)
        pulse.ring_if_stale()
        context = {"batch": batch, **_status(actor, batch)}
        facts = [str(context["counts"]), str([t["state"] for t in context["tiles"]])]
        etag = f'"{hashlib.sha256("|".join(facts).encode()).hexdigest()[:24]}"'
        if request.headers.get("If-None-Match") == etag:
            return HttpResponseNotModified(headers={"ETag": etag})
        response = TemplateResponse(request, "imagegen_app/admin/batch/_status.html", context)
        response.headers["ETag"] = etag
        return response

    @method_decorator(never_cache)
    def review(self, request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
        """Approve or reject in a grid, and put what was approved onto its objects."""
        actor = access.person(request.user)
        batch = _batch(actor, pk)
        if request.method == "POST":
            self._decide(request, actor, batch)
            return HttpResponseRedirect(f"{request.path}?{request.GET.urlencode()}")
        shown = request.GET.get("show", "pending")
        found = _assets(batch)
        if shown in {s.value for s in ReviewState}:
            found = found.filter(review=shown)
        page = Paginator(found, TILES).get_page(request.GET.get("page"))
        tiles = [
            {
                "asset": asset,
                "address": delivery.preview_address(asset, width=320),
                "large": delivery.preview_address(asset, width=1280),
                "why_not": review.why_not(actor, asset, ReviewState.APPROVED),
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
                ("pending", _("To decide")),
                ("approved", _("Approved")),
                ("rejected", _("Rejected")),
            ],
            "counts": batches.counts(batch),
            "unplaced": _unplaced(batch),
        }
        return self._page(request, "imagegen_app/admin/batch/review.html", context)

    def _decide(self, request: HttpRequest, actor: Person, batch: Batch) -> None:
        done = {"approve": 0, "reject": 0}
        refusals: dict[str, int] = {}
        decided: list[Asset] = []
        for asset in _assets(batch):
            wanted = request.POST.get(f"decision-{asset.pk}")
            if wanted not in done:
                continue
            try:
                if wanted == "approve":
                    review.approve(actor=actor, asset=asset)
                    decided.append(asset)
                else:
                    review.reject(actor=actor, asset=asset)
            except Refused as refusal:
                refusals[refusal.why] = refusals.get(refusal.why, 0) + 1
            else:
                done[wanted] += 1
        if any(done.values()):
            messages.success(
                request,
                _("%(approved)s approved, %(rejected)s rejected.")
                % {"approved": done["approve"], "rejected": done["reject"]},
            )
        for why, number in refusals.items():
            messages.warning(
                request, _("%(number)s not changed: %(why)s") % {"number": number, "why": why}
            )
        if "place" in request.POST:
            chosen = decided or list(_unplaced(batch))
            self._place(request, actor, batch, chosen)

    def _place(
        self, request: HttpRequest, actor: Person, batch: Batch, chosen: list[Asset]
    ) -> None:
        try:
            placed = batches.place_approved(actor=actor, batch=batch, assets=chosen)
        except Refused as refusal:
            messages.error(request, str(refusal))
            return
        if placed:
            messages.success(
                request,
                ngettext("%(count)s image was placed.", "%(count)s images were placed.", placed)
                % {"count": placed},
            )

    def _steer(self, request: HttpRequest, actor: Person, batch: Batch) -> None:
        if "cancel" in request.POST:
            number = batches.cancel(actor=actor, batch=batch)
            messages.success(
                request,
                ngettext("%(count)s job is cancelled.", "%(count)s jobs are cancelled.", number)
                % {"count": number},
            )
        elif "again" in request.POST:
            number = 0
            for job in batch.jobs.filter(state__in=["failed", "cancelled", "expired"]):
                if not control.why_not_again(actor, job):
                    control.request_again(actor=actor, job=job)
                    number += 1
            messages.success(
                request,
                ngettext(
                    "%(count)s job was requested again.",
                    "%(count)s jobs were requested again.",
                    number,
                )
                % {"count": number},
            )

    def _page(self, request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
        merged = {**self.site.each_context(request), "is_nav_sidebar_enabled": False, **context}
        return TemplateResponse(request, template, merged)

    def _refused(self, request: HttpRequest, refusal: Refused, *, status: int) -> HttpResponse:
        context = {**self.site.each_context(request), "title": refusal.what, "refusal": refusal}
        return TemplateResponse(
            request, "imagegen_app/admin/batch/refused.html", context, status=status
        )


def _version(request: HttpRequest, selection: Selection) -> TemplateVersion | None:
    slug = request.POST.get("template") or request.GET.get("template") or selection.target.template
    return targets.published_version(str(slug))


def _plan(
    actor: Person, form: PlanForm, selection: Selection, version: TemplateVersion
) -> batches.Plan:
    mapping, fixed = form.mapping()
    model = form.cleaned_data.get("image_model") if form.is_bound else None
    return batches.plan(
        actor=actor,
        version=version,
        objects=selection.objects(),
        mapping=mapping,
        fixed=fixed,
        image_model=model,
    )


def _subtitle(selection: Selection) -> str:
    meta = selection.target.model._meta  # noqa: SLF001 - Django's documented API
    number = len(selection.keys)
    name = meta.verbose_name if number == 1 else meta.verbose_name_plural
    return f"{number} {name}"


def _batch(actor: Person, pk: uuid.UUID) -> Batch:
    """Return a batch that the actor may see; others are not there for them."""
    batch = get_object_or_404(Batch.objects.select_related("template_version__template"), pk=pk)
    if batch.requester_id != actor.account.pk and not access.may(actor, "view_batch"):
        raise Http404
    return batch


def _status(actor: Person, batch: Batch) -> dict[str, Any]:
    jobs = list(
        batch.jobs.filter(replacements__isnull=True)
        .select_related("image_model")
        .prefetch_related("assets__renditions")
        .order_by("created_at", "pk")[:TILES]
    )
    tiles = [
        {
            "job": job,
            "state": job.state,
            "ratio": f"{job.width} / {job.height}",
            "asset": next(iter(job.assets.all()), None),
            "address": next((delivery.preview_address(a, width=320) for a in job.assets.all()), ""),
        }
        for job in jobs
    ]
    counts = batches.counts(batch)
    return {
        "tiles": tiles,
        "counts": counts,
        "percent": 100 * counts.ended // counts.total if counts.total else 100,
        "more": max(0, counts.total - len(tiles)),
        "is_stuck": not counts.is_finished and pulse.workers_alive() == 0,
        "may_cancel": not counts.is_finished and batch.cancelled_at is None,
        "shows_money": access.may(actor, "view_costs") or batch.requester_id == actor.account.pk,
        "currency": jobs[0].currency if jobs else "",
    }


def _assets(batch: Batch) -> Any:
    return (
        Asset.objects.filter(job__batch=batch)
        .select_related("job")
        .prefetch_related("renditions")
        .order_by("job__created_at", "position")
    )


def _unplaced(batch: Batch) -> list[Asset]:
    standing = Placement.objects.standing().filter(asset=OuterRef("pk"))
    approved = _assets(batch).filter(review=ReviewState.APPROVED.value)
    return list(approved.exclude(Exists(standing)))
