"""Which version of a template the studio works with: the published one, or one that is tried out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

from imagegen_app.models import PromptTemplate, TemplateVersion
from imagegen_app.services.policy import access, template_access

if TYPE_CHECKING:
    from django.http import HttpRequest

    from imagegen_app.core.actors import Person

_MAX_DIGITS = 6


def chosen_version(
    request: HttpRequest, actor: Person, slug: str
) -> tuple[TemplateVersion | None, list[str]]:
    """Return the version to work with, and sentences about what cannot be used and why.

    Who may see templates can try out any version (`version` in the address), drafts included; the form
    carries its number on, as long as the template stays.
    """
    if not slug:
        return None, []
    number = _asked_number(request, slug)
    version = template_access.usable_version(actor, slug)
    if version is None:
        draft = _unpublished(actor, slug, number)
        return (draft, []) if draft else (None, _refusal(actor, slug))
    if not number or number == version.number:
        return version, []
    other = None
    if access.has_permission(actor, "view_prompttemplate"):
        other = (
            version.template.versions.select_related("image_model").filter(number=number).first()
        )
    if other is None:
        text = _("Version %(number)s is not available to you; this is the published one.")
        return version, [text % {"number": number}]
    # With what is known of the template already.
    other.template = version.template
    return other, []


def is_tried_out(version: TemplateVersion | None) -> bool:
    """Return whether a version is another one than the published."""
    return version is not None and version.pk != version.template.current_id


def _asked_number(request: HttpRequest, slug: str) -> int:
    """Return the number of the version that is asked for; 0 for the published one."""
    text = str(request.GET.get("version", ""))
    if request.method == "POST":
        is_same = request.POST.get("shown_template") == slug
        text = str(request.POST.get("tried_version", "")) if is_same else ""
    is_number = text.isascii() and text.isdecimal() and len(text) <= _MAX_DIGITS
    return int(text) if is_number else 0


def _unpublished(actor: Person, slug: str, number: int) -> TemplateVersion | None:
    """Return a version of a template of which nothing is published yet, for who may see templates."""
    if not number or not access.has_permission(actor, "view_prompttemplate"):
        return None
    found = TemplateVersion.objects.filter(
        template__slug=slug,
        template__is_archived=False,
        template__current__isnull=True,
        number=number,
    )
    version = found.select_related("template", "image_model").first()
    may_use = version is not None and template_access.may_use(actor, version.template)
    return version if may_use else None


def _refusal(actor: Person, slug: str) -> list[str]:
    template = PromptTemplate.objects.filter(
        slug=slug, is_archived=False, current__isnull=False
    ).first()
    if template is None:
        return []
    try:
        template_access.require_use(actor, template)
    except template_access.TemplateNotAllowed as refusal:
        return [f"{refusal.reason} {refusal.remedy}"]
    return []
