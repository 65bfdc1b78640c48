"""Filters of the list of assets: how far their review is, and which lack words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from imagegen_app.core.states import ReviewQueue, ReviewState
from imagegen_app.models.labels import choices
from imagegen_app.services.library import alt_texts

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest

    _Filter = admin.SimpleListFilter
else:
    _Filter = admin.SimpleListFilter


_QUEUES = {
    "waiting": (ReviewQueue.WAITING, ReviewQueue.ESCALATED),
    "draft": (ReviewQueue.DRAFT,),
    "sent_back": (ReviewQueue.SENT_BACK,),
}


class ReviewFilter(_Filter):
    """Tells what waits for a review from drafts and from what was sent back."""

    title = gettext_lazy("review")
    parameter_name = "review"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        decided = [one for one in choices(ReviewState) if one[0] != ReviewState.PENDING.value]
        return [
            ("waiting", _("Waiting for review")),
            ("draft", _("Drafts")),
            ("sent_back", _("Sent back")),
            *decided,
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        wanted = self.value()
        if queues := _QUEUES.get(str(wanted)):
            return queryset.filter(review_queue__in=[queue.value for queue in queues])
        return queryset.filter(review_state=wanted) if wanted else queryset


class WordsFilter(_Filter):
    """Finds the images that nobody has described."""

    title = gettext_lazy("alternative text")
    parameter_name = "words"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("missing", _("Needs words"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset & alt_texts.needs_words() if self.value() == "missing" else queryset
