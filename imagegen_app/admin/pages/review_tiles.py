"""Describe the images of a batch's review grid: what each tile shows, and what may be done there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from imagegen_app.core.states import FINAL_STATES, JobState, RejectionReason, ReviewState
from imagegen_app.models import Asset, AssetRating, Job
from imagegen_app.models.asset_details import MAX_STARS
from imagegen_app.models.labels import choices
from imagegen_app.services.batches import lifecycle, placing, row_images, row_list
from imagegen_app.services.gateways import content_fields
from imagegen_app.services.job_requests import shot_choice
from imagegen_app.services.jobs import pass_chain
from imagegen_app.services.library import (
    alt_texts,
    delivery,
    planned_places,
    review,
    review_decisions,
    review_requests,
)
from imagegen_app.services.policy import access
from imagegen_app.services.policy.access import ActionRefused

if TYPE_CHECKING:
    import uuid
    from collections.abc import Iterable, Mapping, Sequence
    from decimal import Decimal

    from django.db.models import QuerySet

    from imagegen_app.core.actors import Person
    from imagegen_app.models import Batch

#: Images on one page. Each has up to eight fields, and Django takes a thousand of them.
TILES: Final = 100
#: Images with notes that stay, beside a full page, so that all their fields can be sent.
MOST_BESIDE: Final = 25


def grid_assets(batch: Batch) -> QuerySet[Asset]:
    """Return a batch's images that people decide about, with what a tile shows of them."""
    found: QuerySet[Asset] = (
        Asset.objects.filter(job__batch=batch, is_intermediate=False)
        .select_related(
            "job__root__template_version",
            "job__template_version",
            "job__requester",
        )
        .prefetch_related("renditions")
    )
    return found


def with_noted(
    batch: Batch, assets: Sequence[Asset], notes: Mapping[uuid.UUID, str]
) -> list[Asset]:
    """Return the images of a page, and before them those of the batch that have a note and are not there.

    If these are too many for one form, they stand alone; with the next press, the page is as before.
    """
    missing = set(notes) - {asset.pk for asset in assets}
    if not missing:
        return list(assets)
    rows = grid_assets(batch).filter(pk__in=missing).order_by("-created_at", "-pk")
    noted = list(rows[:TILES])
    return [*noted, *assets] if len(noted) <= MOST_BESIDE else noted


def tiles_of(
    actor: Person,
    batch: Batch,
    assets: Iterable[Asset],
    notes: Mapping[uuid.UUID, str] | None = None,
) -> list[dict[str, Any]]:
    """Return what the tiles show, with as many queries as for one; `notes` were typed and not stored."""
    found, typed = list(assets), notes or {}
    keys = [asset.job.row_key for asset in found]
    labels = lifecycle.row_labels(batch, keys)
    present = placing.present_images(batch, found)
    shots = shot_words(batch)
    stars = dict(
        AssetRating.objects.filter(asset__in=found, person=actor.user).values_list("asset", "stars")
    )
    new = replacements_of(found)
    inputs = row_images.inputs_of(batch, found)
    may_describe_all = access.has_permission(actor, "change_asset")
    tiles = []
    for asset in found:
        suggestion = (
            "" if asset.alt_text or asset.is_decorative else alt_texts.suggested_text(asset).text
        )
        seen = review_decisions.shown(asset)
        entry = inputs.get(pass_chain.root_job(asset.job).pk)
        is_present = entry is not None and row_images.is_present(batch, entry)
        tiles.append(
            {
                "asset": asset,
                "label": labels.get(asset.job.row_key, "") or asset.job.row_key,
                "url": delivery.preview_url(asset, width=320),
                "large": delivery.preview_url(asset, width=1280),
                "shot": shots.get(asset.job.shot),
                # What the object shows now is not shown twice.
                "present": ""
                if is_present
                else present.get((asset.job.row_key, asset.job.shot), ""),
                "before": "" if entry is None else delivery.input_url(entry, result=asset),
                "why_not": review.refusal_reason(actor, asset, ReviewState.APPROVED),
                "shown": f"{seen.sha256}:{seen.state}",
                "stars": stars.get(asset.pk, 0),
                "suggestion": suggestion,
                "may_describe": may_describe_all or review_requests.is_own(actor, asset),
                "new": new.get(pass_chain.root_job(asset.job).pk),
                "is_pending": asset.review_state == ReviewState.PENDING.value,
                "refusal": None,
                "note": typed.get(asset.pk, ""),
            }
        )
    return tiles


def grouped(batch: Batch, tiles: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the tiles of a page with those of an object side by side, in the order of its shots."""
    order = list(batch.shot_fields)
    if not order:
        return tiles
    first: dict[str, int] = {}
    for number, tile in enumerate(tiles):
        first.setdefault(tile["asset"].job.row_key, number)
    return sorted(
        tiles,
        key=lambda tile: (
            first[tile["asset"].job.row_key],
            order.index(tile["asset"].job.shot) if tile["asset"].job.shot in order else -1,
        ),
    )


def shot_words(batch: Batch) -> dict[str, dict[str, str]]:
    """Return by short name what a shot of the batch is called, and where its image is placed."""
    found: dict[str, dict[str, str]] = {}
    for shot in batch.shot_fields:
        target = planned_places.target_of(batch, shot)
        place = ""
        if target is not None:
            place = capfirst(content_fields.field_label(target))
        found[shot] = {
            "label": shot_choice.label_of(batch.template_version, shot),
            "place": place,
            # Said where some of the batch's shots are placed, and this one is not.
            "stays": ""
            if place or planned_places.main_target(batch) is None
            else _("stays in the library"),
        }
    return found


def replacements_of(assets: Iterable[Asset]) -> dict[Any, dict[str, Any]]:
    """Return by the first job of an image what was requested in its place, and how far that is."""
    roots = {pass_chain.root_job(asset.job).pk for asset in assets}
    jobs = Job.objects.filter(replaces__in=roots).order_by("pk")
    return {job.replaces_id: _replacement(job) for job in jobs}


def _replacement(job: Job) -> dict[str, Any]:
    is_over = JobState(job.state) in FINAL_STATES or job.state == JobState.UNCERTAIN.value
    return {
        "job": job.pk,
        "is_made": job.state == JobState.SUCCEEDED.value,
        "is_over": is_over,
        "state": str(job.get_state_display()),
        "error": row_list.error_words(job) if is_over else "",
    }


def replacement_shown(job: Job, asset: Asset) -> dict[str, Any] | None:
    """Return how far the job in an image's place is; None where its own image is shown already."""
    return None if pass_chain.root_job(asset.job).pk == job.pk else _replacement(job)


def shared_context(actor: Person, batch: Batch) -> dict[str, Any]:
    """Return what is the same for all tiles."""
    may_request = access.has_permission(actor, "request_job")
    return {
        "batch": batch,
        "reasons": choices(RejectionReason),
        "stars_offered": range(MAX_STARS + 1),
        "note_max": review_requests.MAX_NOTE_CHARS,
        "may_request": may_request,
        "price": _price(batch) if may_request else None,
        "currency": batch.currency,
    }


def _price(batch: Batch) -> Decimal | None:
    try:
        return lifecycle.estimate_cost(
            batch.template_version,
            batch.image_model,
            rows=1,
            kit=batch.brand_kit_version,
            images=len(batch.mapping.get(row_images.IMAGES, {})),
            shots=list(batch.shot_fields)[:1],
        )
    except ActionRefused:
        # Without a price nothing can be requested; the press of the button says why.
        return None


def state_choices() -> list[tuple[str, str]]:
    """Return the review states that the grid can show."""
    return [
        (ReviewState.PENDING.value, _("To review")),
        (ReviewState.APPROVED.value, pgettext("several images", "Approved")),
        (ReviewState.REJECTED.value, pgettext("several images", "Rejected")),
    ]
