"""Prove things: verify the log, and export the evidence of one image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.contrib.admin.sites import AdminSite, site
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from imagegen_app.models import Asset, Checkpoint
from imagegen_app.services import access, audit_export, evidence, sealing, storage, verification
from imagegen_app.services.access import Refused
from imagegen_app.services.log_key import KeyUnreadable

if TYPE_CHECKING:
    import uuid

    from django.http import HttpRequest

CHECKPOINTS = 10


class CompliancePages:
    """The pages of the log and of evidence, hung into an admin site."""

    def __init__(self, admin_site: AdminSite = site) -> None:
        self.site = admin_site

    def urls(self) -> list[URLPattern]:
        """Return the pages' addresses."""
        wrap = self.site.admin_view
        return [
            path("log/", wrap(self.log), name="imagegen_log"),
            path(
                "assets/<uuid:pk>/evidence/",
                wrap(require_POST(self.evidence)),
                name="imagegen_asset_evidence",
            ),
        ]

    @method_decorator(never_cache)
    def log(self, request: HttpRequest) -> HttpResponse:
        """Show the log's last checkpoints, and verify it on POST."""
        actor = access.person(request.user)
        if not access.may(actor, "verify_audit"):
            # Not 403: whoever may not verify need not know of the page.
            raise Http404
        report: verification.Report | None = None
        problem = ""
        if request.method == "POST":
            try:
                sealing.seal_everything()
                report = verification.verify()
            except (KeyUnreadable, sealing.SealerBusy) as fault:
                problem = str(fault)
        try:
            key = sealing.vkey()
        except KeyUnreadable as fault:
            key, problem = "", str(fault)
        context: dict[str, Any] = {
            **self.site.each_context(request),
            "title": _("Audit log"),
            "report": report,
            "problem": problem,
            "vkey": key,
            "checkpoints": Checkpoint.objects.order_by("-size")[:CHECKPOINTS],
        }
        return TemplateResponse(request, "imagegen_app/admin/compliance/log.html", context)

    @method_decorator(never_cache)
    def evidence(self, request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
        """Send the evidence of one image as a ZIP file."""
        actor = access.person(request.user)
        if not access.may(actor, "view_asset"):
            raise Http404
        asset = get_object_or_404(
            Asset.objects.select_related(
                "job__template_version__template", "attempt__image_model__provider"
            ),
            pk=pk,
        )
        try:
            pack = evidence.pack(actor=actor, asset=asset)
        except (Refused, audit_export.CannotExport, storage.StorageFailed) as fault:
            messages.error(request, str(fault))
            return HttpResponseRedirect(reverse("admin:imagegen_asset_change", args=[pk]))
        return HttpResponse(
            pack.data,
            content_type="application/zip",
            headers={
                "Content-Disposition": f'attachment; filename="{pack.name}"',
                "X-Content-Type-Options": "nosniff",
            },
        )
