"""Ask for alternative texts from a page, and show how many are on their way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.contrib import messages
from django.http import Http404
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from imagegen_app.admin.pages.base import Pages, Route
from imagegen_app.models import Asset
from imagegen_app.services.foundation import wakeups
from imagegen_app.services.library import alt_text_suggestions, alt_texts
from imagegen_app.services.policy.access import ActionRefused

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from django.db.models import QuerySet
    from django.http import HttpRequest, HttpResponse

    from imagegen_app.core.actors import Person
    from imagegen_app.services.library.alt_text_suggestions import SuggestionOffer


@dataclass(frozen=True, slots=True)
class ShownSuggestions:
    """What a page says about suggested texts."""

    #: For how many images they can be asked for; None for none.
    offer: SuggestionOffer | None
    #: How many are on their way for this person.
    waiting: int


class SuggestionStatusPage(Pages):
    """The part of a page that says how many texts are on their way."""

    def routes(self) -> list[Route]:
        return [
            Route(
                "assets/alt-texts/suggestions/",
                self.status,
                "imagegen_text_suggestions",
                is_hidden=True,
            )
        ]

    def status(self, request: HttpRequest, actor: Person) -> HttpResponse:
        """Answer a poll with the part of the page that changes, or 304."""
        if not alt_texts.may_describe_any(actor):
            raise Http404
        wakeups.wake_if_stale()
        waiting = alt_text_suggestions.waiting_count(actor)
        context = {"waiting": waiting}
        template = "imagegen_app/admin/alt_texts/_suggestions.html"
        return self.fragment(request, template, context, etag=str(waiting))


def shown(actor: Person, images: QuerySet[Asset], *, language: str) -> ShownSuggestions | None:
    """Return what a page of images says about texts in a language; None without a captioner."""
    if not alt_text_suggestions.is_offered():
        return None
    return ShownSuggestions(
        alt_text_suggestions.offer(images, languages=[language]),
        alt_text_suggestions.waiting_count(actor),
    )


def shown_for_one(actor: Person, asset: Asset) -> ShownSuggestions | None:
    """Return what the page of one image says about texts in all languages of the site."""
    if not alt_text_suggestions.is_offered():
        return None
    one = Asset.objects.filter(pk=asset.pk)
    return ShownSuggestions(
        alt_text_suggestions.offer(one, languages=alt_texts.language_codes()),
        alt_text_suggestions.waiting_count(actor),
    )


def ask(
    request: HttpRequest, actor: Person, *, keys: Sequence[UUID], languages: Sequence[str]
) -> ActionRefused | None:
    """Ask for texts and say for how many; return the refusal, if it is refused."""
    try:
        number = alt_text_suggestions.request_suggestions(
            actor=actor, keys=keys, languages=languages
        )
    except ActionRefused as refusal:
        return refusal
    text = ngettext(
        "%(count)s text was asked for. It is shown as a suggestion when it is there.",
        "%(count)s texts were asked for. They are shown as suggestions when they are there.",
        number,
    )
    none = _("No text was asked for: nothing is missing, or it is on its way already.")
    messages.success(request, text % {"count": number} if number else none)
    return None
