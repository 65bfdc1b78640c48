"""The versions of a template: what became of each, what differs between two, and the way back to one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _

from imagegen_app.admin.pages.base import Pages, Route, show_refusal
from imagegen_app.forms.admin_urls import admin_url
from imagegen_app.models import PromptTemplate, TemplateVersion
from imagegen_app.models.amounts import format_amount
from imagegen_app.services.job_requests import template_checks, template_drafts, template_publishing
from imagegen_app.services.library import delivery, template_versions
from imagegen_app.services.policy import access, template_access
from imagegen_app.services.policy.access import ActionRefused

if TYPE_CHECKING:
    from django.http import HttpRequest

    from imagegen_app.core.actors import Person
    from imagegen_app.services.job_requests.template_checks import TemplateReport
    from imagegen_app.services.library.template_versions import VersionUse

_TEMPLATE = "imagegen_app/admin/records/template_versions.html"
_NAME = "imagegen_prompttemplate_versions"


class TemplateVersionPages(Pages):
    """The page behind the versions of a template's form."""

    def routes(self) -> list[Route]:
        return [
            Route("<int:pk>/versions/", self.versions, _NAME, permission="view_prompttemplate"),
            Route(
                "<int:pk>/versions/publish/",
                self.publish,
                f"{_NAME}_publish",
                permission="change_prompttemplate",
                is_post_only=True,
            ),
        ]

    def versions(self, request: HttpRequest, actor: Person, pk: int) -> HttpResponse:
        """Show the newest versions, and two of them compared."""
        template = get_object_or_404(
            PromptTemplate.objects.select_related("current__image_model__provider"), pk=pk
        )
        uses = template_versions.uses_of(actor, template)
        draft = template_publishing.newest_draft(template)
        chosen = _chosen(request, uses)
        context: dict[str, Any] = {
            "title": _("Versions of %(template)s") % {"template": template.name},
            "template": template,
            "rows": [_row(one) for one in uses],
            "draft": draft,
            "published": _published_report(template),
            "may_try": access.has_permission(actor, "request_job")
            and template_access.may_use(actor, template)
            and not template.is_archived,
            "may_publish": access.has_permission(actor, "change_prompttemplate"),
            "may_see_costs": access.has_permission(actor, "view_costs"),
            "has_more": len(uses) == template_versions.MAX_VERSIONS,
        }
        if chosen is not None:
            left, right = chosen
            context |= {
                "left": left,
                "right": right,
                "comparison": template_versions.compare(left.version, right.version),
                "sides": [
                    (one.version, [(a, delivery.preview_url(a, width=320)) for a in one.pictures])
                    for one in chosen
                ],
            }
        return self.page(request, _TEMPLATE, context)

    def publish(self, request: HttpRequest, actor: Person, pk: int) -> HttpResponse:
        """Publish a draft, or an earlier version again."""
        number = str(request.POST.get("version", ""))
        version = get_object_or_404(
            TemplateVersion.objects.select_related("template", "image_model__provider"),
            template=pk,
            number=int(number) if number.isascii() and number.isdecimal() else 0,
        )
        try:
            published = template_publishing.publish_version(actor=actor, version=version)
            text = _("Version %(number)s is published, as version %(new)s.")
            if published.number == version.number:
                text = _("Version %(number)s is published.")
            messages.success(request, text % {"number": version.number, "new": published.number})
        except ActionRefused as refusal:
            show_refusal(request, refusal)
        return HttpResponseRedirect(admin_url(_NAME, pk))


def _published_report(template: PromptTemplate) -> TemplateReport | None:
    version = template.current
    if version is None:
        return None
    return template_checks.report_on(template_drafts.draft_of(version))


def _chosen(request: HttpRequest, uses: list[VersionUse]) -> tuple[VersionUse, VersionUse] | None:
    """Return the two versions that are asked for, else the last two; None if there is one only."""
    by_number = {str(one.version.number): one for one in uses}
    left, right = (by_number.get(str(request.GET.get(name, ""))) for name in ("a", "b"))
    if left is not None and right is not None:
        return left, right
    return (uses[1], uses[0]) if len(uses) > 1 else None


def _row(one: VersionUse) -> dict[str, Any]:
    return {
        "use": one,
        "version": one.version,
        "picture": delivery.preview_url(one.picture) if one.picture else "",
        "spent": [
            f"{format_amount(amount)} {currency}" for currency, amount in (one.spent or {}).items()
        ],
    }
