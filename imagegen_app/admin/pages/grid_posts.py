"""Carry out what the review grid's form holds: texts, stars and decisions, each by its image's key.

A field is only stored if it differs from what the page showed, so that a page that is old by now does
not write over what another person has saved meanwhile.
"""

from __future__ import annotations

import uuid
from collections import Counter
from typing import TYPE_CHECKING

from django.contrib import messages
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from imagegen_app.admin import decisions
from imagegen_app.admin.pages import review_tiles
from imagegen_app.core.states import ReviewState
from imagegen_app.services.batches import lifecycle
from imagegen_app.services.library import alt_texts, bulk_approval, ratings, review_decisions
from imagegen_app.services.library.review_decisions import Decision, DecisionKind
from imagegen_app.services.library.review_requests import MAX_NOTE_CHARS
from imagegen_app.services.policy.access import ActionRefused

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from django.http import HttpRequest

    from imagegen_app.core.actors import Person
    from imagegen_app.models import Asset, Batch

#: Images that a message names.
_NAMED = 5
_KINDS = {"approve": DecisionKind.APPROVE, "reject": DecisionKind.REJECT}


def notes_sent(request: HttpRequest) -> dict[uuid.UUID, str]:
    """Return the notes that were typed, by image."""
    found = _sent(request, "note-")
    return {key: text[:MAX_NOTE_CHARS] for key, text in found.items() if text.strip()}


def decide(
    request: HttpRequest, actor: Person, batch: Batch, notes: dict[uuid.UUID, str]
) -> tuple[int, list[Asset]]:
    """Carry the decisions out, each by itself; return how many were sent, and the approved images.

    An image that another person decided about meanwhile is named with what they decided; among the
    approved ones it counts if both said yes. What is stored of `notes` is taken out of them.
    """
    wanted = {
        key: _KINDS[value] for key, value in _sent(request, "decision-").items() if value in _KINDS
    }
    assets = {one.pk: one for one in review_tiles.grid_assets(batch).filter(pk__in=list(wanted))}
    done: Counter[DecisionKind] = Counter()
    refusals: dict[tuple[str, bool], list[Asset]] = {}
    approved: list[Asset] = []
    for key, kind in wanted.items():
        asset = assets.get(key)
        if asset is None:
            continue
        try:
            _decide_one(request, actor, asset, kind, note=notes.get(key, ""))
        except ActionRefused as refusal:
            key_of = (refusal.reason, refusal.is_already_done)
            refusals.setdefault(key_of, []).append(asset)
            is_decided = refusal.is_already_done
        else:
            done[kind] += 1
            is_decided = True
            notes.pop(key, None)
        if is_decided and kind is DecisionKind.APPROVE:
            asset.refresh_from_db(fields=["review_state"])
            approved.append(asset)
    _tell(request, batch, done, refusals)
    _tell_of_notes(request, batch, [one for key, one in assets.items() if key in notes])
    return len(wanted), approved


def _decide_one(
    request: HttpRequest, actor: Person, asset: Asset, kind: DecisionKind, *, note: str
) -> None:
    review_decisions.decide(
        actor=actor,
        asset=asset,
        decision=Decision(
            kind=kind,
            note=note,
            reason=str(request.POST.get(f"reason-{asset.pk}", "")),
            is_reason_optional=True,
        ),
        seen=decisions.shown_from(str(request.POST.get(f"shown-{asset.pk}", ""))),
    )


def _tell(
    request: HttpRequest,
    batch: Batch,
    done: Counter[DecisionKind],
    refusals: Mapping[tuple[str, bool], list[Asset]],
) -> None:
    """Say how many were decided, and by name which were not, with the reason."""
    if done:
        messages.success(
            request,
            _("%(approved)s approved, %(rejected)s rejected.")
            % {"approved": done[DecisionKind.APPROVE], "rejected": done[DecisionKind.REJECT]},
        )
    for (reason, is_already_done), assets in refusals.items():
        show = messages.info if is_already_done else messages.warning
        text = _("%(number)s not changed: %(why)s") % {"number": len(assets), "why": reason}
        show(request, f"{text} ({_names_of(batch, assets)})")


def _tell_of_notes(request: HttpRequest, batch: Batch, assets: Sequence[Asset]) -> None:
    """Say which images have a note that was to be stored with a decision, and was not."""
    if assets:
        text = ngettext(
            "%(count)s note was not stored and still stands in its field.",
            "%(count)s notes were not stored and still stand in their fields.",
            len(assets),
        )
        text = text % {"count": len(assets)}
        messages.warning(request, f"{text} ({_names_of(batch, assets)})")


def _names_of(batch: Batch, assets: Sequence[Asset]) -> str:
    """Return what the first of the images are called."""
    labels = lifecycle.row_labels(batch, [asset.job.row_key for asset in assets[:_NAMED]])
    names = [labels.get(one.job.row_key) or str(one) for one in assets[:_NAMED]]
    return ", ".join([*names, "…"] if len(assets) > _NAMED else names)


def save_texts(request: HttpRequest, actor: Person, batch: Batch) -> None:
    """Store the alternative texts that were changed on the page.

    :raises NotPermitted: at the first that the actor may not change; then none is stored.
    """
    was = _sent(request, "was-")
    changed = {
        k: text
        for k, text in _sent(request, "alt-").items()
        if text.strip() != was.get(k, "").strip()
    }
    if not changed:
        return
    assets = review_tiles.grid_assets(batch).filter(pk__in=list(changed))
    _store_texts(request, actor, {asset: changed[asset.pk] for asset in assets})


def accept_suggestions(request: HttpRequest, actor: Person, batch: Batch) -> None:
    """Accept the suggested texts of the page's images that have none.

    :raises NotPermitted: at the first that the actor may not change; then none is stored.
    """
    assets = review_tiles.grid_assets(batch).filter(pk__in=list(_sent(request, "shown-")))
    tiles = review_tiles.tiles_of(actor, batch, assets)
    found = {t["asset"]: t["suggestion"] for t in tiles if t["suggestion"] and t["may_describe"]}
    if found:
        _store_texts(request, actor, found)
    else:
        messages.info(request, _("No suggested text is left to be accepted on this page."))


def _store_texts(request: HttpRequest, actor: Person, texts: dict[Asset, str]) -> None:
    entries = [alt_texts.NewAltText(asset, text, False, {}) for asset, text in texts.items()]
    number = alt_texts.set_each(actor=actor, entries=entries).images
    if number:
        text = ngettext(
            "%(count)s alternative text was saved.",
            "%(count)s alternative texts were saved.",
            number,
        )
        messages.success(request, text % {"count": number})


def save_ratings(request: HttpRequest, actor: Person, batch: Batch) -> None:
    """Store the stars that were changed on the page.

    :raises InvalidRating: if it is a number of stars that nobody can give.
    """
    had = _sent(request, "had-")
    changed = {
        k: int(v)
        for k, v in _sent(request, "stars-").items()
        if v.isdecimal() and v != had.get(k, "")
    }
    for asset in review_tiles.grid_assets(batch).filter(pk__in=list(changed)):
        ratings.rate(actor=actor, asset=asset, stars=min(changed[asset.pk], 99))


def approve_rated(request: HttpRequest, actor: Person, batch: Batch) -> None:
    """Approve the batch's images that wait for review and that the person rated so high or higher.

    :raises NotPermitted: if the actor may not approve images at all.
    """
    stars = str(request.POST.get("min_stars", ""))
    least = int(stars) if stars in {"1", "2", "3", "4", "5"} else 5
    rows = review_tiles.grid_assets(batch).filter(
        review_state=ReviewState.PENDING.value,
        ratings__person=actor.user,
        ratings__stars__gte=least,
    )
    # What is made anew is not meant any more.
    rows = rows.filter(job__replacements__isnull=True, job__root__replacements__isnull=True)
    keys = list(
        rows.order_by("created_at", "pk").values_list("pk", flat=True)[: bulk_approval.AT_ONCE]
    )
    if not keys:
        messages.info(
            request,
            _("No image that waits for review has at least %(stars)s stars from you.")
            % {"stars": least},
        )
        return
    outcome = bulk_approval.approve_set(actor=actor, keys=keys)
    if outcome.approved:
        text = ngettext(
            "%(count)s image was approved.", "%(count)s images were approved.", outcome.approved
        )
        messages.success(request, text % {"count": outcome.approved})
    for reason, number in outcome.refused.items():
        messages.warning(
            request, _("%(number)s not changed: %(why)s") % {"number": number, "why": reason}
        )


def uuid_of(text: str) -> uuid.UUID | None:
    """Return the key that a text names; None for any other text."""
    try:
        return uuid.UUID(text)
    except ValueError:
        return None


def _sent(request: HttpRequest, prefix: str) -> dict[uuid.UUID, str]:
    """Return the values of the fields that begin like that, by the key behind it."""
    found = {
        uuid_of(name.removeprefix(prefix)): str(value)
        for name, value in request.POST.items()
        if name.startswith(prefix)
    }
    return {key: value for key, value in found.items() if key is not None}
