"""Resolve a job whose outcome is unknown, by a button on the job's page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.translation import gettext as _

from imagegen_app.admin.pages.base import Pages, Route, show_refusal
from imagegen_app.models import Job
from imagegen_app.services.job_requests import job_actions
from imagegen_app.services.policy.access import ActionRefused

if TYPE_CHECKING:
    import uuid

    from django.http import HttpRequest

    from imagegen_app.core.actors import Person


class ResolutionPages(Pages):
    """The URL that the buttons on an uncertain job's page post to."""

    def routes(self) -> list[Route]:
        return [
            Route("<uuid:pk>/settle/", self.resolve, "imagegen_job_settle", is_post_only=True),
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
        return HttpResponseRedirect(reverse("admin:imagegen_job_change", args=[pk]))
