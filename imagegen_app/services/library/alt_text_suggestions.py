"""Have alternative texts suggested for images that exist, in any language of the site.

A worker asks the captioner, one call an image. What comes back is offered beside the field, for a
person to take, edit or leave; nothing of it is published by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from django.db.models import Exists, OuterRef, Q
from django.utils.translation import gettext as _

from imagegen_app import conf
from imagegen_app.core.types import Cost
from imagegen_app.engines.base import wake
from imagegen_app.models import AltText, Asset, Job, TextCall
from imagegen_app.services.foundation.unit import skip_audit_event, use_case
from imagegen_app.services.gateways import captioning, screening
from imagegen_app.services.jobs import text_calls
from imagegen_app.services.library.alt_texts import described, is_own_language
from imagegen_app.services.library.review_requests import is_own
from imagegen_app.services.policy import access

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from django.db.models import QuerySet

    from imagegen_app.core.actors import Actor, Person
    from imagegen_app.services.gateways.captioning import Suggestion

#: Images of one press.
MAX_IMAGES: Final = 200


@dataclass(frozen=True, slots=True)
class SuggestionOffer:
    """How many texts can be suggested now, and what that costs at most."""

    texts: int
    cost: Cost


def is_offered() -> bool:
    """Return whether the site has a captioner."""
    return captioning.is_enabled()


def price() -> Decimal:
    """Return what the text of one image costs at most, with the content checks of it."""
    return captioning.price() + captioning.screening_price()


def offer(images: QuerySet[Asset], *, languages: Sequence[str]) -> SuggestionOffer | None:
    """Return what can be suggested for some images; None for nothing, or without a captioner."""
    if not is_offered():
        return None
    currencies = [
        currency
        for language in languages
        for currency in without_words(images, language=language).values_list(
            "job__currency", flat=True
        )[:MAX_IMAGES]
    ]
    if not currencies:
        return None
    return SuggestionOffer(len(currencies), Cost(price() * len(currencies), currencies[0]))


def without_words(images: QuerySet[Asset], *, language: str) -> QuerySet[Asset]:
    """Return the images that have neither words in a language, nor a suggestion, nor a call for one."""
    waiting = TextCall.objects.filter(
        asset=OuterRef("pk"), language=language, state="waiting", task="alt_text"
    )
    found = (
        images.filter(pk__in=described().values("pk"), is_decorative=False)
        .exclude(Exists(waiting))
        .select_related("job")
    )
    if is_own_language(language):
        return found.filter(alt_text="", alt_suggestion="")
    texts = AltText.objects.filter(asset=OuterRef("pk"), language=language)
    return found.exclude(Exists(texts.exclude(Q(text="", suggestion=""))))


def waiting_count(actor: Person) -> int:
    """Return how many texts that a person asked for are on their way."""
    calls = TextCall.objects.filter(state="waiting", task="alt_text", requester=actor.user)
    return int(calls.count())


@use_case()
def request_suggestions(*, actor: Actor, keys: Sequence[UUID], languages: Sequence[str]) -> int:
    """Ask for a text for each of some images in each of some languages; return for how many texts.

    Where there are words, a suggestion or a call for one, none is asked for: a second press asks for
    nothing.

    :raises NotPermitted: if the actor neither requested one of them nor may change assets.
    :raises OverBudget: if a budget has too little remaining for all of them.
    :raises CurrencyMismatch: if a budget has another currency.
    :raises ActionRefused: without a captioner, or in a language that the site does not have.
    """
    for language in languages:
        _require_possible(language)
    # Locked, so that two presses do not ask twice.
    locked = Asset.objects.select_for_update().filter(pk__in=list(keys)[:MAX_IMAGES])
    known = [asset.pk for asset in locked.only("pk").order_by("pk")]
    number = 0
    for language in languages:
        images = list(without_words(Asset.objects.filter(pk__in=known), language=language))
        for asset in images:
            if not is_own(actor, asset):
                access.require_permission(actor, "change_asset")
        if images:
            text_calls.begin_descriptions(
                actor=actor, assets=images, language=language, estimated_cost=price()
            )
            number += len(images)
    if number:
        wake("drive")
    else:
        skip_audit_event()
    return number


@use_case()
def keep_suggestion(*, actor: Actor, call: TextCall, found: Suggestion) -> None:
    """Keep what the captioner suggests beside the image, and end the call.

    A text that somebody wrote meanwhile stays. If the image's prompt was erased since the call was
    taken, the suggestion is dropped: it may repeat what was erased.
    """
    blockers = tuple(one.screener for one in found.screened if screening.is_blocked([one]))
    state: text_calls.State = "succeeded" if found.text else "blocked" if blockers else "failed"
    cost = found.cost + screening.cost_of(found.screened)
    outcome = text_calls.TextOutcome(state, cost, found.captioner, found.model, blockers)
    is_first = text_calls.end(actor=actor, call=call, outcome=outcome)
    if not is_first or not found.text or call.asset is None:
        return
    if _was_erased_since(call.asset.job):
        return
    if is_own_language(call.language):
        Asset.objects.filter(pk=call.asset.pk, alt_text="").update(alt_suggestion=found.text)
        return
    AltText.objects.update_or_create(
        asset=call.asset, language=call.language, defaults={"suggestion": found.text}
    )


def _was_erased_since(job: Job) -> bool:
    """Return whether a job's prompt was erased since the job was read; none is until the unit ends."""
    # Of a chain, the first job holds the prompt.
    rows = Job.objects.select_for_update().filter(pk__in=[job.pk, job.root_id or job.pk])
    erased = list(rows.order_by("pk").values_list("prompt_erased_at", flat=True))
    return job.prompt_erased_at is None and any(erased)


def _require_possible(language: str) -> None:
    if not is_offered():
        raise access.ActionRefused(
            _("No text was asked for."),
            reason=_("This site has no captioner."),
            remedy=access.contact_sentence(),
        )
    if language not in conf.language_codes():
        raise access.ActionRefused(
            _("No text was asked for."),
            reason=_("The site does not speak the language “%(code)s”.") % {"code": language[:20]},
            remedy=_("Choose one of its languages."),
        )
