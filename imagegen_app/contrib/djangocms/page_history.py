"""Let the pages of the CMS have an AI history: over all versions of a page in one language."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cms.models import PageContent, Placeholder
from cms.toolbar.utils import get_object_edit_url
from django.utils.http import urlencode

from imagegen_app.forms.admin_urls import find_admin_url
from imagegen_app.services.library import object_history

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.http import HttpRequest

    from imagegen_app.contrib.djangocms.models import GeneratedImage

#: What the page of an object's history is asked for.
TARGET = PageContent._meta.label  # noqa: SLF001 - Django's documented API


def register() -> None:
    """Register the pages with the histories; calling it again changes nothing."""
    content = object_history.Content(versions=_versions, edit_url=get_object_edit_url)
    object_history.register_content(PageContent, content)


def history_url(request: HttpRequest, plugin: GeneratedImage | None) -> str:
    """Return the address of the history of the page that a plugin is on, or is added to.

    Empty where the plugin is elsewhere, such as in an alias, or no admin site has that page.
    """
    address = find_admin_url("imagegen_object_history")
    key = _page_key(request, plugin)
    return f"{address}?{urlencode({'target': TARGET, 'object': key})}" if address and key else ""


def _page_key(request: HttpRequest, plugin: GeneratedImage | None) -> str:
    placeholder: Any = None if plugin is None else plugin.placeholder
    if placeholder is None:
        wanted = str(request.GET.get("placeholder_id", ""))
        placeholder = Placeholder.objects.filter(pk=wanted).first() if wanted.isdecimal() else None
    if placeholder is None or placeholder.content_type is None:
        return ""
    is_page = placeholder.content_type.model_class() is PageContent
    return str(placeholder.object_id) if is_page and placeholder.object_id else ""


def _versions(content: Any) -> Iterable[Any]:
    # The other managers leave out what is not published.
    rows = PageContent.admin_manager.filter(page=content.page_id, language=content.language)
    return list(rows.values_list("pk", flat=True))
