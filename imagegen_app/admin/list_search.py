"""What each long list finds by the words that people type: keys, codes, names, and parts of new ones.

Each function returns conditions of which an index answers every one; see `services.foundation.row_search`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.db.models import Q

from imagegen_app.models import (
    Asset,
    Attempt,
    AuditEvent,
    ImageModel,
    Job,
    TemplateVersion,
    Verdict,
)
from imagegen_app.services.foundation import accounts, row_search

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from django.db.models import Model, QuerySet

#: Models or templates of a name whose rows are looked for.
_MOST_NAMED = 100


def found_by_words(
    rows: QuerySet[Any],
    term: str,
    conditions: Callable[[str], Iterable[Q]],
    *,
    people: Callable[[str], Iterable[Q]],
) -> QuerySet[Any]:
    """Return the rows that each word of a text finds, by what they are or by the people whom it names."""
    model: type[Model] = rows.model
    words = term.split()
    if not words:
        return rows
    wanted = Q()
    for word in words:
        wanted &= row_search.any_of(model, [*conditions(word), *people(word)])
    if len(words) > 1:
        # A full name, whose words may each be the name of many.
        wanted |= row_search.any_of(model, people(term))
    return rows.filter(wanted)


def of_people(term: str, *columns: str) -> list[Q]:
    """Return the conditions that a row belongs to one of the people whom a text names."""
    users = accounts.users_named(term)
    return [Q(**{f"{column}__in": users}) for column in columns] if users else []


def of_job(word: str) -> list[Q]:
    """Return by what a job is found: its key, row, error, template and model."""
    return [
        *row_search.by_key("pk", word),
        Q(row_key=word),
        *row_search.by_value(Job, "error_code", word),
        *_named(TemplateVersion, "template_version", "template__name", word),
        *_named(ImageModel, "image_model", "name", word),
        *row_search.by_part(Job, ("id", "row_key"), word, time="created_at"),
    ]


def of_attempt(word: str) -> list[Q]:
    """Return by what a call is found: its key and its job's, the provider's names for it, and the model."""
    names = ("provider_ref", "provider_request_id")
    return [
        *row_search.by_key("pk", word),
        *row_search.by_key("job", word),
        *(Q(**{name: word}) for name in names),
        *_named(ImageModel, "image_model", "name", word),
        *row_search.by_part(Attempt, ("id", *names), word, time="created_at"),
    ]


def of_event(word: str) -> list[Q]:
    """Return by what an event is found: its kind, what it is about, who did it, and in which request."""
    kinds = sorted({str(model._meta.model_name) for model in apps.get_models()})  # noqa: SLF001 - Django's documented API
    parts = ("object_id", "actor_id", "request_id")
    return [
        *row_search.by_value(AuditEvent, "type", word),
        *row_search.by_key("job_id", word),
        *row_search.by_key("asset_id", word),
        # The index of an event's object begins with its kind.
        Q(object_type__in=kinds, object_id=word),
        Q(actor_id=word),
        Q(request_id=word),
        *row_search.by_part(AuditEvent, parts, word, time="at"),
    ]


def of_verdict(word: str) -> list[Q]:
    """Return by what a content check's verdict is found: the check's name, and the job's key."""
    return [
        *row_search.by_value(Verdict, "screener", word),
        *row_search.by_key("job", word),
        *row_search.by_key("asset", word),
    ]


def of_asset(words: Q, term: str) -> Q:
    """Return by what an image is found: its words, and the people who requested or reviewed it."""
    return row_search.any_of(Asset, [words, *of_people(term, "job__requester", "reviewed_by")])


def _named(model: Any, column: str, name: str, word: str) -> list[Q]:
    found = model.objects.filter(**{f"{name}__icontains": word}).order_by("-pk")
    keys = list(found.values_list("pk", flat=True)[:_MOST_NAMED])
    return [Q(**{f"{column}__in": keys})] if keys else []
