"""Show the published templates as cards: with a picture, when they were last used, and favourites first."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from django.contrib.auth import get_user_model
from django.db.models import Max, Q

from imagegen_app.models import Asset, Job, TemplateFavourite
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.policy import access, template_access

if TYPE_CHECKING:
    from uuid import UUID

    from imagegen_app.core.actors import Person
    from imagegen_app.models import PromptTemplate

#: Cards on one page.
MAX_CARDS = 60
#: A template's picture is looked for among so many of the newest approved images.
_PICTURES_AMONG = 400
_MOST_TEMPLATES = 1000
_MAX_CATEGORIES = 100


@dataclass(frozen=True, slots=True)
class TemplateCard:
    """One template to choose."""

    template: PromptTemplate
    #: The newest approved image that was made from it; None if there is none among the newest.
    picture: Asset | None
    #: When the reader last used it.
    used_at: datetime | None
    is_favourite: bool


def template_cards(
    actor: Person, *, words: str = "", category: str = "", are_favourites: bool = False
) -> list[TemplateCard]:
    """Return the published templates that the actor may use: favourites first, then the last used.

    `words` are looked for in names, purposes, categories and the user names of owners.
    """
    found = template_access.usable_templates(actor).select_related("owner")
    owner = f"owner__{get_user_model().USERNAME_FIELD}__icontains"
    for word in words.split()[:8]:
        found = found.filter(
            Q(name__icontains=word)
            | Q(purpose__icontains=word)
            | Q(category__icontains=word)
            | Q(**{owner: word})
        )
    if category:
        found = found.filter(category=category)
    if are_favourites:
        found = found.filter(favourites__person=actor.user)
    used = dict(
        Job.objects.filter(requester=actor.user, template_version__isnull=False)
        .order_by()
        .values_list("template_version__template")
        .annotate(last=Max("created_at"))
    )
    favourites = set(
        TemplateFavourite.objects.filter(person=actor.user).values_list("template", flat=True)
    )
    never = datetime.min.replace(tzinfo=UTC)
    rows = sorted(
        found.order_by("name")[:_MOST_TEMPLATES],
        key=lambda row: (row.pk in favourites, used.get(row.pk, never)),
        reverse=True,
    )[:MAX_CARDS]
    pictures = _pictures({row.pk for row in rows})
    return [
        TemplateCard(row, pictures.get(row.pk), used.get(row.pk), row.pk in favourites)
        for row in rows
    ]


def usable_categories(actor: Person) -> list[str]:
    """Return the categories of the templates that the actor may use, by name."""
    rows = template_access.usable_templates(actor).exclude(category="").order_by("category")
    return list(rows.values_list("category", flat=True).distinct()[:_MAX_CATEGORIES])


def _pictures(templates: set[int]) -> dict[int, Asset]:
    newest = (
        Asset.objects.showable()
        .filter(is_intermediate=False)
        .order_by("-created_at")
        .values_list("pk", "job__template_version__template")[:_PICTURES_AMONG]
    )
    chosen: dict[int, UUID] = {}
    for key, template in newest:
        if template in templates:
            chosen.setdefault(template, key)
    assets = {
        one.pk: one
        for one in Asset.objects.filter(pk__in=chosen.values()).prefetch_related("renditions")
    }
    return {template: assets[key] for template, key in chosen.items() if key in assets}


@use_case(audited=False)
def set_favourite(*, actor: Person, template: PromptTemplate, is_favourite: bool) -> None:
    """Put a template among the actor's favourites, or take it from them.

    :raises NotPermitted: without the permission to request images.
    """
    access.require_permission(actor, "request_job")
    if is_favourite:
        TemplateFavourite.objects.get_or_create(template=template, person=actor.user)
    else:
        TemplateFavourite.objects.filter(template=template, person=actor.user).delete()
