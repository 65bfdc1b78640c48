"""Which version a template's form shows, and what saving a draft answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.utils.translation import gettext as _

from imagegen_app.forms.admin_urls import admin_url
from imagegen_app.services.job_requests import template_publishing

if TYPE_CHECKING:
    from django.http import HttpRequest

    from imagegen_app.models import PromptTemplate, TemplateVersion

#: The button that stores a version without publishing it.
DRAFT_BUTTON: Final = "_draft"
_MAX_DIGITS = 6


def shown_version(template: PromptTemplate, asked: str = "") -> TemplateVersion | None:
    """Return the version with this number, else the newest draft, else what is published.

    None for a new template.
    """
    if not template.pk:
        return None
    if asked.isascii() and asked.isdecimal() and len(asked) <= _MAX_DIGITS:
        versions = template.versions.select_related("created_by", "brand_kit", "image_model")
        found: TemplateVersion | None = versions.filter(number=int(asked)).first()
        if found is not None:
            return found
    return template_publishing.newest_draft(template) or template.current


def newest_number(template: PromptTemplate) -> int:
    """Return the number of the newest version; 0 for a new template."""
    newest = template.versions.order_by("-number").first() if template.pk else None
    return newest.number if newest else 0


def tell_newer_version(form: Any, seen: int | None) -> None:
    """Add to a template's form that somebody stored a version meanwhile; who sends it again has seen it."""
    if seen is None or not form.instance.pk:
        return
    try:
        template_publishing.require_seen(form.instance, seen)
    except template_publishing.NewerVersion as error:
        form.add_error(None, error.reason)
        form.data = form.data.copy()
        form.data[form.add_prefix("seen_version")] = str(error.number)


def draft_response(request: HttpRequest, obj: PromptTemplate) -> HttpResponse | None:
    """Return the answer to the button that saves a draft; None if another one was pressed."""
    if DRAFT_BUTTON not in request.POST:
        return None
    draft = template_publishing.newest_draft(obj)
    if draft is None:
        messages.info(request, _("Nothing was saved: this is what is published already."))
    else:
        text = _(
            "Version %(number)s is saved as a draft. Nobody is offered it until it is published."
        )
        messages.success(request, text % {"number": draft.number})
    return HttpResponseRedirect(admin_url("imagegen_prompttemplate_change", obj.pk))


def shown_context(form: Any, obj: PromptTemplate | None) -> dict[str, Any]:
    """Return which version the form shows, where that is not simply the published one."""
    if obj is None:
        return {}
    return {
        "shown_version": None if form.shown == obj.current else form.shown,
        "newest_draft": template_publishing.newest_draft(obj),
        "published_version": obj.current,
    }
