"""Check a template while it is written: what is wrong with it, and what it says of real objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib.admin.exceptions import NotRegistered
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from imagegen_app.admin.pages.base import Pages, Route
from imagegen_app.admin.variable_rows import ADD_BUTTON
from imagegen_app.core import prompts
from imagegen_app.forms.admin_urls import admin_url
from imagegen_app.models import PromptTemplate
from imagegen_app.services.batches import template_previews
from imagegen_app.services.gateways import content_fields
from imagegen_app.services.policy import access

if TYPE_CHECKING:
    from django.contrib.admin import AdminSite
    from django.db.models import Model
    from django.http import HttpRequest

    from imagegen_app.admin.template_form import TemplateForm
    from imagegen_app.core.actors import Person
    from imagegen_app.core.shots import Shot
    from imagegen_app.services.batches.template_previews import PreviewRow
    from imagegen_app.services.gateways.content_fields import Target
    from imagegen_app.services.job_requests.template_checks import TemplateReport
    from imagegen_app.services.job_requests.template_drafts import Draft

_FRAGMENT = "imagegen_app/admin/records/_template_check.html"
_NAME = "imagegen_prompttemplate_check"
#: Errors of texts that cannot be shown.
_UNREADABLE = frozenset({"syntax", "unknown_variable", "invalid_variable", "no_shots"})


class TemplateEditorPages(Pages):
    """The address that the template's form asks while somebody types."""

    def routes(self) -> list[Route]:
        return [Route("check/", self.check, _NAME, is_post_only=True)]

    def check(self, request: HttpRequest, actor: Person) -> HttpResponse:
        """Return what is wrong with the sent form, and its preview; nothing is stored."""
        key = str(request.GET.get("template", ""))
        needed = "change_prompttemplate" if key else "add_prompttemplate"
        try:
            access.require_permission(actor, needed)
        except access.NotPermitted as refusal:
            return self.refused(request, refusal, status=403)
        stored = None
        if key:
            found = content_fields.parse_key(PromptTemplate, key)
            stored = get_object_or_404(PromptTemplate, pk=found)
        model_admin: Any = self.site.get_model_admin(PromptTemplate)
        form_class = model_admin.get_form(request, stored, change=stored is not None)
        form = form_class(request.POST, instance=stored)
        form.full_clean()
        return TemplateResponse(request, _FRAGMENT, check_context(self.site, request, actor, form))


def check_url(template: PromptTemplate | None) -> str:
    """Return the address that checks the form of a template, or of a new one."""
    address = admin_url(_NAME)
    return f"{address}?template={template.pk}" if template is not None else address


def check_context(
    site: AdminSite, request: HttpRequest, actor: Person, form: TemplateForm
) -> dict[str, Any]:
    """Return what the part of the page with problems and preview shows for a form."""
    source = request.POST if request.method == "POST" else request.GET
    chosen = str(source.get("preview", ""))
    draft, report = form.checked()
    wanted = str(source.get("preview_shot", ""))
    offered = list(draft.shots)
    shot = next((one for one in offered if one.key == wanted), offered[0] if offered else None)
    targets = {one.path: one for one in template_previews.viewable_targets(actor)}
    target = targets.get(chosen)
    rows: list[PreviewRow] = []
    if not any(one.code in _UNREADABLE for one in report.errors):
        rows = _rows(site, request, draft, report, target, shot=shot)
    field_errors = _field_errors(form, report)
    error_count = len(report.errors) + len(field_errors)
    names = {one.path: capfirst(_plural(one.model)) for one in targets.values()}
    return {
        "check": report,
        "field_errors": field_errors,
        "error_count": error_count,
        "summary": _summary(error_count, len(report.warnings), draft),
        "is_good": bool(draft.body.strip()) and not (error_count or report.warnings),
        "filters": " ".join(prompts.FILTER_NAMES),
        "preview": chosen if target else "",
        "preview_choices": [("", _("Example values")), *names.items()],
        "preview_title": names[chosen] if target else _("Example values"),
        "preview_rows": rows,
        "preview_shot": shot.key if shot else "",
        "preview_shots": [(one.key, one.label) for one in offered],
        "preview_empty": _preview_empty(report, draft, target),
        "add_button": ADD_BUTTON,
    }


def _rows(
    site: AdminSite,
    request: HttpRequest,
    draft: Draft,
    report: TemplateReport,
    target: Target | None,
    *,
    shot: Shot | None,
) -> list[PreviewRow]:
    if target is None:
        return (
            template_previews.preview_examples(draft, report.variables, shot=shot)
            if draft.body.strip()
            else []
        )
    objects = _newest(site, request, target.model)
    return template_previews.preview_objects(draft, report.variables, target, objects, shot=shot)


def _newest(site: AdminSite, request: HttpRequest, model: type[Model]) -> list[Any]:
    """Return the newest objects that the person may see in the site's admin."""
    try:
        model_admin = site.get_model_admin(model)
    except NotRegistered:
        rows = model._default_manager.order_by("-pk")  # noqa: SLF001 - Django's documented API
        return list(rows[: template_previews.MAX_OBJECTS])
    rows = model_admin.get_queryset(request).order_by("-pk")[: template_previews.MAX_OBJECTS]
    return [one for one in rows if model_admin.has_view_permission(request, one)]


def _plural(model: type[Model]) -> str:
    return str(model._meta.verbose_name_plural)  # noqa: SLF001 - Django's documented API


def _field_errors(form: TemplateForm, report: TemplateReport) -> list[tuple[str, str]]:
    """Return what is wrong with fields of a sent form that is no problem of the draft itself.

    What is empty still is left out: somebody is writing it.
    """
    told = {one.placed_sentence for one in report.errors}
    return [
        (str(form.fields[name].label) if name in form.fields else "", message)
        for name, errors in form.errors.as_data().items()
        for error in errors
        if error.code != "required"
        for message in error.messages
        if message not in told
    ]


def _summary(errors: int, warnings: int, draft: Draft) -> str:
    told = []
    if errors:
        told.append(ngettext("%(n)s error", "%(n)s errors", errors) % {"n": errors})
    if warnings:
        told.append(ngettext("%(n)s warning", "%(n)s warnings", warnings) % {"n": warnings})
    if told:
        return ", ".join(told)
    return _("No problems found") if draft.body.strip() else _("Nothing to check yet")


def _preview_empty(report: TemplateReport, draft: Draft, target: Target | None) -> str:
    if not draft.body.strip():
        return _("The texts are shown here as soon as there is a prompt.")
    if report.errors:
        return _("The texts are shown here once the errors are corrected.")
    if target is not None:
        return _("There is no such object yet, or none that you may see.")
    return ""
