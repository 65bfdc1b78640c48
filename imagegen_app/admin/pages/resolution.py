"""Resolve a job whose outcome is unknown, and try waiting jobs again now, each by a button."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import messages
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from imagegen_app.admin.pages.base import Pages, Route, show_refusal
from imagegen_app.core.states import WaitingReason
from imagegen_app.forms.admin_urls import admin_url
from imagegen_app.models import Job
from imagegen_app.services.job_requests import job_actions, waiting_jobs
from imagegen_app.services.policy.access import ActionRefused

if TYPE_CHECKING:
    import uuid

    from django.http import HttpRequest

    from imagegen_app.core.actors import Person


class ResolutionPages(Pages):
    """The URLs that the buttons on an uncertain job's page and on the panel post to."""

    def routes(self) -> list[Route]:
        return [
            Route("<uuid:pk>/settle/", self.resolve, "imagegen_job_settle", is_post_only=True),
            Route(
                "try-now/",
                self.try_now,
                "imagegen_jobs_try_now",
                permission="resolve_job",
                is_post_only=True,
            ),
        ]

    def resolve(self, request: HttpRequest, actor: Person, pk: uuid.UUID) -> HttpResponse:
        """Apply the posted resolution to one job and return to the job's page.

        A job that the person cannot see in the admin's list is not found (404). Whether they may
        resolve it is decided by the use case, whose refusal is shown on the job's page.
        """
        visible = self.site.get_model_admin(Job).get_queryset(request)
        job = get_object_or_404(visible, pk=pk)
        resolution = str(request.POST.get("resolution", ""))
        try:
            job_actions.resolve(actor=actor, job=job, resolution=resolution)
        except ActionRefused as refusal:
            show_refusal(request, refusal)
        else:
            messages.success(request, _("The job was resolved."))
        return HttpResponseRedirect(admin_url("imagegen_job_change", pk))

    def try_now(self, request: HttpRequest, actor: Person) -> HttpResponse:
        """Make the jobs that wait for the posted reason due at once; return to the admin's index."""
        reason = str(request.POST.get("reason", ""))
        if reason not in set(WaitingReason):
            raise Http404
        try:
            count = waiting_jobs.try_again_now(actor=actor, reason=WaitingReason(reason))
        except ActionRefused as refusal:
            messages.error(request, str(refusal))
        else:
            messages.success(
                request,
                _("No job waits for its next try: the jobs are tried again right now, or go on.")
                if not count
                else ngettext(
                    "%(count)s waiting job is tried again now.",
                    "%(count)s waiting jobs are tried again now.",
                    count,
                )
                % {"count": count},
            )
        return HttpResponseRedirect(admin_url("index"))
