"""Let a prompt be suggested from the text of the page that a plugin is on."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING, Any, Final

from cms.models import CMSPlugin, Placeholder
from cms.utils.plugins import downcast_plugins
from django.contrib.contenttypes.models import ContentType
from django.db import models
from django.utils.html import strip_tags
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from imagegen_app import conf
from imagegen_app.services.gateways import surrounding_texts
from imagegen_app.services.gateways.surrounding_texts import SurroundingTexts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.http import HttpRequest

    from imagegen_app.contrib.djangocms.models import GeneratedImage
    from imagegen_app.core.actors import Person

NAME: Final = "djangocms"
#: Plugins of a page that are read.
_MAX_PLUGINS: Final = 200
#: Short columns of plugins that hold words for readers; long ones all do.
_HEADINGS: Final = frozenset({"title", "heading", "headline", "subtitle", "caption"})
_UNREAD: Final = re.compile(r"(?is)<(script|style|template)\b.*?</\1\s*>|<!--.*?-->")


def register() -> None:
    """Register the pages as a source of texts; calling it again changes nothing."""
    surrounding_texts.register_source(NAME, texts_of_page)


def place_of(request: HttpRequest, plugin: GeneratedImage | None) -> str:
    """Return the place of a plugin, or of one that is added, as the studio's address names it."""
    if plugin is not None and plugin.placeholder_id:
        return f"{NAME}:{plugin.placeholder_id}:{plugin.language}"
    wanted = str(request.GET.get("placeholder_id", ""))
    language = str(request.GET.get("plugin_language") or get_language() or "")
    return f"{NAME}:{wanted}:{language}" if wanted.isdecimal() else ""


def texts_of_page(key: str, actor: Person) -> SurroundingTexts | None:
    """Return the texts of the page, or other object, that a placeholder belongs to.

    Drafts, too, for those who may change the page.
    """
    number, _colon, language = key.partition(":")
    if not (number.isascii() and number.isdecimal()) or language not in conf.language_codes():
        return None
    placeholder: Any = Placeholder.objects.filter(pk=number[:18]).first()
    source = None if placeholder is None else placeholder.source
    if source is None or not placeholder.has_change_permission(actor.user):
        return None
    kind = ContentType.objects.get_for_model(source)
    slots = Placeholder.objects.filter(content_type=kind, object_id=source.pk)
    title = str(getattr(source, "title", "") or source)
    rows = CMSPlugin.objects.filter(placeholder__in=slots, language=language)
    plugins = rows.order_by("placeholder", "position")[:_MAX_PLUGINS]
    words = [text for plugin in downcast_plugins(plugins) for text in _texts_of(plugin)]
    return SurroundingTexts(title, {_("Title"): title, _("Text"): " ".join(words)})


def _texts_of(plugin: models.Model) -> Iterator[str]:
    for column in plugin._meta.get_fields():  # noqa: SLF001 - Django's documented API
        if not isinstance(column, models.CharField | models.TextField) or column.choices:
            continue
        if not isinstance(column, models.TextField) and column.name not in _HEADINGS:
            continue
        text = _plain(str(getattr(plugin, column.name, "") or ""))
        if text:
            yield text


def _plain(text: str) -> str:
    """Return the words of HTML on one line."""
    # Where an element ends, a word does.
    apart = _UNREAD.sub(" ", text).replace("<", " <")
    return " ".join(html.unescape(strip_tags(apart)).split())
