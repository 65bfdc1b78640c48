"""Watch a batch: its progress and rows, and what a person can do about them."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from django.contrib import messages
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from imagegen_app.admin.pages import batch_placements, batch_reruns
from imagegen_app.admin.pages.base import Pages, Route, show_refusal
from imagegen_app.admin.pages.batch_status import status_context
from imagegen_app.models import Batch
from imagegen_app.services.batches import batch_actions
from imagegen_app.services.foundation import wakeups
from imagegen_app.services.policy import access
from imagegen_app.services.policy.access import ActionRefused

if TYPE_CHECKING:
    import uuid

    from django.http import HttpRequest

    from imagegen_app.core.actors import Person


class BatchPages(Pages):
    """The pages that show a running batch."""

    base_template = "imagegen_app/admin/batch/base.html"
    has_sidebar = False

    def routes(self) -> list[Route]:
        return [
            Route("batches/<uuid:pk>/run/", self.run, "imagegen_batch_run"),
            Route("batches/<uuid:pk>/status/", self.status, "imagegen_batch_status"),
            Route(
                "batches/<uuid:pk>/again/", self.again, "imagegen_batch_again", is_post_only=True
            ),
        ]

    def run(self, request: HttpRequest, actor: Person, pk: uuid.UUID) -> HttpResponse:
        """Show a batch's progress and rows; cancel, pause, continue it, or re-run what failed."""
        batch = own_batch(actor, pk)
        if request.method == "POST":
            try:
                self._control(request, actor, batch)
            except ActionRefused as refusal:
                show_refusal(request, refusal)
            return HttpResponseRedirect(request.get_full_path())
        context = {
            "title": batch.title,
            "batch": batch,
            **status_context(actor, batch, request.GET),
        }
        return self.page(request, "imagegen_app/admin/batch/run.html", context)

    def status(self, request: HttpRequest, actor: Person, pk: uuid.UUID) -> HttpResponse:
        """Answer a poll with the part of the page that changes, or 304."""
        batch = own_batch(actor, pk)
        wakeups.wake_if_stale()
        context = {"batch": batch, **status_context(actor, batch, request.GET)}
        etag = hashlib.sha256(context["shown"].encode()).hexdigest()[:24]
        return self.fragment(request, "imagegen_app/admin/batch/_status.html", context, etag=etag)

    def again(self, request: HttpRequest, actor: Person, pk: uuid.UUID) -> HttpResponse:
        """Show what new jobs for the chosen rows would cost; request them once that was confirmed."""
        batch = own_batch(actor, pk)
        chosen = batch_reruns.chosen_rows(batch, request.POST)
        if not chosen.keys and request.POST.get("which") != "filter":
            messages.warning(request, _("No row is selected. Select at least one."))
            return HttpResponseRedirect(batch_reruns.run_url(batch, chosen))
        if "confirm" in request.POST and chosen.is_as_shown:
            try:
                number = batch_actions.request_reruns(
                    actor=actor, batch=batch, jobs=chosen.jobs, has_new_seed=chosen.has_new_seed
                )
            except ActionRefused as refusal:
                show_refusal(request, refusal)
            else:
                _say_requested(request, number)
            return HttpResponseRedirect(batch_reruns.run_url(batch, chosen))
        context = {
            "title": _("Request rows again"),
            "batch": batch,
            **batch_reruns.confirm_context(actor, batch, chosen),
        }
        return self.page(request, "imagegen_app/admin/batch/again.html", context)

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
            _say_requested(request, batch_actions.rerun_failed(actor=actor, batch=batch))
        elif "unschedule" in request.POST or "reschedule" in request.POST:
            batch_placements.change_scheduled(request, actor, batch)


def _say_requested(request: HttpRequest, number: int) -> None:
    messages.success(
        request,
        ngettext(
            "%(count)s job was requested again.",
            "%(count)s jobs were requested again.",
            number,
        )
        % {"count": number},
    )


def own_batch(actor: Person, pk: uuid.UUID) -> Batch:
    """Return a batch that the actor may see, else raise 404."""
    batch = get_object_or_404(
        Batch.objects.select_related("template_version__template").defer("rows"), pk=pk
    )
    if batch.requester_id != actor.user.pk and not access.has_permission(actor, "view_batch"):
        raise Http404
    return batch
