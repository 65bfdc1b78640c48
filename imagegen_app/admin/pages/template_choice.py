"""Choose a template by its picture."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _

from imagegen_app.admin.pages.base import Pages, Route
from imagegen_app.admin.pages.carried import carried_query, studio_url
from imagegen_app.forms.admin_urls import admin_url
from imagegen_app.services.library import delivery, template_cards
from imagegen_app.services.policy import template_access

if TYPE_CHECKING:
    from django.http import HttpRequest

    from imagegen_app.core.actors import Person

_MAX_WORDS_CHARS = 100


class TemplateChoicePage(Pages):
    """The cards of all published templates."""

    base_template = "imagegen_app/admin/studio/base.html"
    has_sidebar = False
    is_embeddable = True

    def routes(self) -> list[Route]:
        return [
            Route("studio/templates/", self.cards, "imagegen_studio_templates", "request_job"),
        ]

    def cards(self, request: HttpRequest, actor: Person) -> HttpResponse:
        """Show the cards; on POST, mark a template as a favourite or unmark it."""
        if request.method == "POST":
            template = get_object_or_404(
                template_access.usable_templates(actor), slug=str(request.POST.get("template", ""))
            )
            template_cards.set_favourite(
                actor=actor, template=template, is_favourite="favourite" in request.POST
            )
            return HttpResponseRedirect(f"{request.get_full_path()}#{template.slug}")
        words = str(request.GET.get("q", ""))[:_MAX_WORDS_CHARS]
        category = str(request.GET.get("category", ""))[:_MAX_WORDS_CHARS]
        are_favourites = request.GET.get("favourites") == "1"
        cards = template_cards.template_cards(
            actor, words=words, category=category, are_favourites=are_favourites
        )
        context = {
            "title": _("Choose a template"),
            "words": words,
            "category": category,
            "categories": template_cards.usable_categories(actor),
            "are_favourites": are_favourites,
            "is_narrowed": bool(words or category or are_favourites),
            "all_url": f"{admin_url('imagegen_studio_templates')}?{carried_query(request)}",
            "carried": carried_query(request),
            "carried_fields": parse_qsl(carried_query(request)),
            "free_url": studio_url(request),
            "cards": [
                {
                    "card": one,
                    "picture": delivery.preview_url(one.picture, width=320) if one.picture else "",
                    "url": f"{studio_url(request, template=one.template.slug)}",
                }
                for one in cards
            ],
        }
        return self.page(request, "imagegen_app/admin/studio/templates.html", context)
