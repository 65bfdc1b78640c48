"""Start the studio from the image in a field of the site's content, as its own admin shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib.admin.exceptions import NotRegistered
from django.utils.translation import gettext as _

from imagegen_app.services.gateways import content_fields
from imagegen_app.services.library import content_images
from imagegen_app.services.policy.access import ActionRefused

if TYPE_CHECKING:
    from django.contrib.admin.sites import AdminSite
    from django.http import HttpRequest

    from imagegen_app.core.actors import Person
    from imagegen_app.services.library.content_images import ContentImage

_MAX_CHARS = 300


def content_source(
    site: AdminSite, request: HttpRequest, actor: Person
) -> tuple[ContentImage | None, str]:
    """Return the image that a request names, and else why it cannot be used; both empty for none."""
    source = request.POST if request.method == "POST" else request.GET
    reference = str(source.get("content") or "")[:_MAX_CHARS]
    if not reference:
        return None, ""
    path, _colon, text = reference.partition(":")
    target = content_fields.target_by_path(path)
    key = None if target is None else content_fields.parse_key(target.model, text)
    gone = _("The image to start from is not there any more, or you may not change its object.")
    if target is None or key is None:
        return None, gone
    try:
        model_admin = site.get_model_admin(target.model)
    except NotRegistered:
        return None, gone
    found = model_admin.get_queryset(request).filter(pk=key).first()
    if found is None or not model_admin.has_change_permission(request, found):
        return None, gone
    try:
        return content_images.content_image(actor, found, target), ""
    except ActionRefused as refusal:
        return None, refusal.reason
