"""Generate images for many objects: map variables, preview, see the price, start, watch."""

from __future__ import annotations

import hashlib
import uuid
from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from imagegen_app.admin.pages.base import Pages, Route, show_refusal
from imagegen_app.admin.pages.batch_form import BatchForm
from imagegen_app.core.states import JobState
from imagegen_app.forms.admin_urls import admin_url
from imagegen_app.models import Batch
from imagegen_app.services.batches import batch_actions, earlier_results, lifecycle, selections
from imagegen_app.services.foundation import stored_messages, wakeups, worker_registry
from imagegen_app.services.jobs import batch_counts
from imagegen_app.services.library import delivery
from imagegen_app.services.policy import access, setup_progress, template_access
from imagegen_app.services.policy.access import ActionRefused

if TYPE_CHECKING:
    from django.http import HttpRequest

    from imagegen_app.core.actors import Person
    from imagegen_app.models import TemplateVersion
    from imagegen_app.services.batches.selections import Selection

#: Rows rendered for the preview; the price of larger batches is estimated from these.
PLANNED_ROWS = 200
#: Rows of the preview table; those with errors come first.
PREVIEW_ROWS = 12
TILES = 60


class BatchPages(Pages):
    """The pages that plan and show batches."""

    base_template = "imagegen_app/admin/batch/base.html"
    has_sidebar = False

    def routes(self) -> list[Route]:
        return [
            Route("batches/new/", self.new, "imagegen_batch_new", permission="request_job"),
            Route("batches/<uuid:pk>/run/", self.run, "imagegen_batch_run"),
            Route("batches/<uuid:pk>/status/", self.status, "imagegen_batch_status"),
        ]

    def new(self, request: HttpRequest, actor: Person) -> HttpResponse:
        """Map variables, preview and start a batch for the selected objects."""
        name = f"imagegen-selection-{request.GET.get('target', '')}"
        key = str(request.POST.get("key", ""))
        started = lifecycle.batch_with_key(actor, key) if "start" in request.POST else None
        if started is not None:
            # Start was pressed twice; the selection is gone since the first time.
            return HttpResponseRedirect(admin_url("imagegen_batch_run", started.pk))
        try:
            selection = selections.loads(actor=actor, token=str(request.session.get(name, "")))
        except ActionRefused as refusal:
            return self.refused(request, refusal, status=400)
        version = _version(request, actor, selection)
        sent = request.POST if request.method == "POST" else None
        same_template = sent is not None and sent.get("shown_template") == (
            version.template.slug if version else ""
        )
        form = BatchForm(
            sent if same_template else None, actor=actor, selection=selection, version=version
        )
        plan = None
        refusal_shown: ActionRefused | None = None
        if version is not None and (not form.is_bound or form.is_valid()):
            plan = _plan(actor, form, selection, version)
            if sent is not None and "start" in sent and same_template:
                try:
                    plan.require_shown(str(sent.get("shown_plan", "")))
                    batch = self._start(
                        request,
                        actor=actor,
                        selection=selection,
                        form=form,
                        version=version,
                    )
                except ActionRefused as refusal:
                    refusal_shown = refusal
                else:
                    request.session.pop(name, None)
                    return HttpResponseRedirect(admin_url("imagegen_batch_run", batch.pk))
        rows = [] if plan is None else sorted(plan.rows, key=lambda r: not r.error)[:PREVIEW_ROWS]
        context = {
            "title": _("Generate images"),
            "subtitle": _subtitle(selection),
            "form": form,
            "version": version,
            "plan": plan,
            "rows": rows,
            "invalid_rows": 0 if plan is None else len(plan.rows) - len(plan.valid_rows),
            "cached": 0 if plan is None else sum(r.is_cached for r in plan.valid_rows),
            "more": 0 if plan is None else len(selection.keys) - len(rows),
            "rows_in_all": len(selection.keys),
            "wanted": 0
            if plan is None
            else len(selection.keys) - len(plan.rows) + len(plan.valid_rows),
            "unseen": 0 if plan is None else len(selection.keys) - len(plan.rows),
            "cost": None if plan is None else plan.cost_of_all(len(selection.keys)),
            "hindrance": None if plan is None else plan.refusal(len(selection.keys)),
            "missing": setup_progress.missing_step(actor),
            "whom_to_ask": access.contact_sentence(),
            "may_set_up": access.has_permission(actor, setup_progress.PERMISSION),
            "key": request.POST.get("key") or uuid.uuid4().hex,
            "refusal": refusal_shown,
            "selection": selection,
            "earlier": earlier_results.earlier_results(actor=actor, selection=selection),
        }
        return self.page(request, "imagegen_app/admin/batch/new.html", context)

    def _start(
        self,
        request: HttpRequest,
        *,
        actor: Person,
        selection: Selection,
        form: BatchForm,
        version: TemplateVersion,
    ) -> Batch:
        mapping, fixed = form.mapping()
        return lifecycle.start(
            actor=actor,
            version=version,
            title=f"{version.template.name}: {_subtitle(selection)}",
            keys=selection.keys,
            target=selection.target,
            mapping=mapping,
            fixed=fixed,
            image_model=form.cleaned_data.get("image_model"),
            limits=form.limits(),
            key=str(request.POST.get("key", ""))[:64] or uuid.uuid4().hex,
        )

    def run(self, request: HttpRequest, actor: Person, pk: uuid.UUID) -> HttpResponse:
        """Show a batch's progress; cancel, pause, continue it, or request failed rows again."""
        batch = own_batch(actor, pk)
        if request.method == "POST":
            try:
                self._control(request, actor, batch)
            except ActionRefused as refusal:
                show_refusal(request, refusal)
            return HttpResponseRedirect(request.path)
        context = {"title": batch.title, "batch": batch, **_status(actor, batch)}
        return self.page(request, "imagegen_app/admin/batch/run.html", context)

    def status(self, request: HttpRequest, actor: Person, pk: uuid.UUID) -> HttpResponse:
        """Answer a poll with the part of the page that changes, or 304."""
        batch = own_batch(actor, pk)
        wakeups.wake_if_stale()
        context = {"batch": batch, **_status(actor, batch)}
        facts = [
            str(context["counts"]),
            str(context["is_settled"]),
            str(context["pause_sentence"]),
            str(context["undecided"]),
            str([(t["state"], t["is_held"]) for t in context["tiles"]]),
        ]
        etag = hashlib.sha256("|".join(facts).encode()).hexdigest()[:24]
        return self.fragment(request, "imagegen_app/admin/batch/_status.html", context, etag=etag)

    def _control(self, request: HttpRequest, actor: Person, batch: Batch) -> None:
        if "cancel" in request.POST:
            batch_actions.cancel(actor=actor, batch=batch)
            messages.success(request, _("The batch is being cancelled."))
        elif "pause" in request.POST:
            batch_actions.pause(actor=actor, batch=batch)
            messages.success(request, _("The batch is paused."))
        elif "resume" in request.POST:
            batch_actions.resume(actor=actor, batch=batch)
            messages.success(request, _("The batch continues."))
        elif "again" in request.POST:
            number = batch_actions.rerun_failed(actor=actor, batch=batch)
            messages.success(
                request,
                ngettext(
                    "%(count)s job was requested again.",
                    "%(count)s jobs were requested again.",
                    number,
                )
                % {"count": number},
            )


def _version(request: HttpRequest, actor: Person, selection: Selection) -> TemplateVersion | None:
    slug = request.POST.get("template") or request.GET.get("template") or selection.target.template
    return template_access.usable_version(actor, str(slug))


def _plan(
    actor: Person, form: BatchForm, selection: Selection, version: TemplateVersion
) -> lifecycle.BatchPlan:
    mapping, fixed = form.mapping()
    model = form.cleaned_data.get("image_model") if form.is_bound else None
    return lifecycle.plan(
        actor=actor,
        version=version,
        objects=selection.objects()[:PLANNED_ROWS],
        mapping=mapping,
        fixed=fixed,
        image_model=model,
    )


def _subtitle(selection: Selection) -> str:
    meta = selection.target.model._meta  # noqa: SLF001 - Django's documented API
    number = len(selection.keys)
    name = meta.verbose_name if number == 1 else meta.verbose_name_plural
    return f"{number} {name}"


def _pause_reason(batch: Batch, *, is_moving: bool, undecided: int) -> str:
    """Return why a batch is paused and what to do, or an empty text."""
    if batch.paused_at is not None and batch.pause_reason == "pilot" and (is_moving or undecided):
        # The rows of the pilot are requested, and their images are not there yet.
        return (
            _("The images of the pilot are being made. The rest waits until you start it.")
            if is_moving
            else _("The pilot is not complete: the outcome of a call is unknown.")
        )
    sentences = {
        "person": _(
            "Paused. Jobs that have started are finished; the rest wait until you continue."
        ),
        "pilot": _("The pilot is complete. Review its images, then start the rest."),
        "spending_limit": _("Paused: the spending limit is reached."),
        "failures": _("Paused: too many rows have failed. Find out why before you continue."),
        "blocks": _(
            "Paused: the content check has blocked too many rows. Check the prompts before you "
            "continue."
        ),
        "budget": _("Paused: the remaining budget does not cover the next rows."),
        "refused": _(
            "Paused: the next rows were refused (permission, grant or price). Ask an image "
            "administrator."
        ),
        "internal_error": _(
            "Paused: the site's own software failed when it created the next rows. Ask an image "
            "administrator to look into the worker's log."
        ),
    }
    return sentences.get(batch.pause_reason, "") if batch.paused_at is not None else ""


def own_batch(actor: Person, pk: uuid.UUID) -> Batch:
    """Return a batch that the actor may see, else raise 404."""
    batch = get_object_or_404(
        Batch.objects.select_related("template_version__template").defer("rows"), pk=pk
    )
    if batch.requester_id != actor.user.pk and not access.has_permission(actor, "view_batch"):
        raise Http404
    return batch


def _status(actor: Person, batch: Batch) -> dict[str, Any]:
    jobs = list(
        batch.jobs.filter(replacements__isnull=True)
        .select_related("image_model")
        .prefetch_related("assets__renditions")
        .order_by("created_at", "pk")[:TILES]
    )
    labels = lifecycle.row_labels(batch, [job.row_key for job in jobs])
    tiles = [
        {
            "job": job,
            "label": labels.get(job.row_key, ""),
            "state": job.state,
            # Nothing works on it until the batch continues.
            "is_held": job.is_held and job.state == JobState.QUEUED,
            "trouble": stored_messages.translate_stored(job.error_message),
            "ratio": f"{job.width} / {job.height}",
            "asset": next(iter(job.assets.all()), None),
            "url": next((delivery.preview_url(a, width=320) for a in job.assets.all()), ""),
        }
        for job in jobs
    ]
    counts = batch_counts.counts_of(batch)
    is_paused = batch.paused_at is not None
    is_moving = is_paused and batch_counts.has_moving_jobs(batch)
    undecided = 0 if counts.is_finished else batch_counts.count_undecided_jobs(batch)
    return {
        "tiles": tiles,
        "counts": counts,
        "percent": 100 * (counts.ended + counts.invalid_rows) // (counts.rows or 1),
        "more": max(0, counts.job_count - len(tiles)),
        "has_no_worker": not counts.is_finished and worker_registry.count_live_workers() == 0,
        "may_steer": batch.requester_id == actor.user.pk
        or access.has_permission(actor, "cancel_any_job"),
        "may_cancel": not counts.is_finished and batch.cancelled_at is None,
        "is_paused": is_paused,
        #: Nothing changes any more until a person does something.
        "is_settled": counts.is_finished or (is_paused and not is_moving),
        "pause_sentence": _pause_reason(batch, is_moving=is_moving, undecided=undecided),
        "undecided": undecided,
        "may_resolve": access.has_permission(actor, "resolve_job"),
        "contact": access.contact_sentence(),
        "waiting_rows": counts.rows - counts.prepared_rows,
        "shows_money": access.has_permission(actor, "view_costs")
        or batch.requester_id == actor.user.pk,
        "currency": batch.currency,
    }
