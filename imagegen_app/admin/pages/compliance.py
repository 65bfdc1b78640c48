"""Verify the audit log, and export the evidence of one image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _

from imagegen_app.admin.pages.base import Pages, Route
from imagegen_app.forms.admin_urls import admin_url
from imagegen_app.models import Asset, Checkpoint
from imagegen_app.services.audit import log_export, log_key, sealing, verification_runs
from imagegen_app.services.gateways import publication_status
from imagegen_app.services.library import evidence, provider_marks
from imagegen_app.services.policy.access import ActionRefused

if TYPE_CHECKING:
    import uuid

    from django.http import HttpRequest

    from imagegen_app.core.actors import Person
    from imagegen_app.core.log_keys import KeyRange
    from imagegen_app.services.audit.verification import VerificationReport

CHECKPOINTS = 10


class CompliancePages(Pages):
    """The page of the audit log, and the download of evidence."""

    sidebar_url_name = "imagegen_log"

    def routes(self) -> list[Route]:
        return [
            Route("log/", self.log, "imagegen_log", permission="verify_audit", is_hidden=True),
            Route(
                "assets/<uuid:pk>/evidence/",
                self.evidence,
                "imagegen_asset_evidence",
                permission="view_asset",
                is_hidden=True,
                is_post_only=True,
            ),
            Route(
                "assets/<uuid:pk>/provider-marks/",
                self.provider_marks,
                "imagegen_asset_marks",
                permission="view_asset",
                is_hidden=True,
                is_post_only=True,
            ),
        ]

    def log(self, request: HttpRequest, actor: Person) -> HttpResponse:
        """Show the log's last checkpoints, and verify it on POST."""
        report: VerificationReport | None = None
        problem = ""
        if request.method == "POST":
            try:
                report = verification_runs.verify_and_record(actor)
            except (log_key.KeyUnreadable, sealing.SealerBusy) as error:
                problem = str(error)
        keys: tuple[KeyRange, ...] = ()
        try:
            keys = log_key.ring().keys
        except log_key.KeyUnreadable as error:
            problem = str(error)
        context: dict[str, Any] = {
            "title": _("Audit log"),
            "report": report,
            "problem": problem,
            "vkey": keys[-1].vkey if keys else "",
            "retired_keys": keys[-2::-1] if len(keys) > 1 else (),
            "checkpoints": Checkpoint.objects.order_by("-size", "-pk").prefetch_related("copies")[
                :CHECKPOINTS
            ],
            "places": publication_status.place_statuses(),
            "publication_problems": publication_status.publication_problems(),
        }
        return self.page(request, "imagegen_app/admin/compliance/log.html", context)

    def evidence(self, request: HttpRequest, actor: Person, pk: uuid.UUID) -> HttpResponse:
        """Send the evidence of one image as a ZIP file."""
        asset = get_object_or_404(
            Asset.objects.select_related(
                "job__template_version__template", "attempt__image_model__provider"
            ),
            pk=pk,
        )
        try:
            pack = evidence.build_pack(actor=actor, asset=asset)
        except (ActionRefused, log_key.KeyUnreadable, log_export.CannotExport) as error:
            messages.error(request, str(error))
            return HttpResponseRedirect(admin_url("imagegen_asset_change", pk))
        return HttpResponse(
            pack.data,
            content_type="application/zip",
            headers={
                "Content-Disposition": f'attachment; filename="{pack.name}"',
                "X-Content-Type-Options": "nosniff",
            },
        )

    def provider_marks(self, request: HttpRequest, actor: Person, pk: uuid.UUID) -> HttpResponse:
        """Ask the provider which of its marks it finds in an image, and go back to its page."""
        asset = get_object_or_404(
            Asset.objects.select_related("job", "attempt__image_model__provider"), pk=pk
        )
        try:
            provider_marks.check(actor=actor, asset=asset)
        except ActionRefused as error:
            messages.error(request, str(error))
        else:
            messages.success(
                request, _("The provider was asked; its answer is below and in the log.")
            )
        return HttpResponseRedirect(admin_url("imagegen_asset_change", pk))
