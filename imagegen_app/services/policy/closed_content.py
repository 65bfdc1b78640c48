"""Keep closed what a screener found in a hard category: no permission, grant or setting counts here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from django.db.models import Q
from django.utils.translation import gettext as _

from imagegen_app.core.actors import System
from imagegen_app.core.hard_categories import HardCategory
from imagegen_app.core.i18n import gettext_noop
from imagegen_app.core.states import ReviewState
from imagegen_app.engines.base import wake
from imagegen_app.models import Asset, JobInput, Verdict
from imagegen_app.services.foundation import clock, event_log, outbox
from imagegen_app.services.foundation.announcements import send_asset_reviewed
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.policy.access import ActionRefused

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from imagegen_app.core.actors import Actor
    from imagegen_app.models import Job


#: Who withdraws what a screener closed.
ACTOR: Final = System("screening")
#: Assets closed with one statement each.
_AT_ONCE: Final = 500
#: What a job says that ended so, in words that accuse nobody.
CLOSED_MESSAGE = gettext_noop("The content check closed this for good; nobody can release it.")


class ClosedForGood(ActionRefused):
    """It was found in a hard category, which nobody can release."""

    code = "closed_for_good"

    def __init__(self) -> None:
        super().__init__(
            _("Nothing was done."),
            reason=_(CLOSED_MESSAGE),
            remedy="",
        )


def closed_reason(asset: Asset) -> str:
    """Return why an asset cannot be used by anyone; empty if it can."""
    return ClosedForGood().reason if asset.hard_category else ""


def closed_origin(asset: Asset) -> Asset | None:
    """Return a closed image that a closed one was made from; None if it was found itself."""
    parents = Asset.objects.filter(child_links__child=asset).exclude(hard_category="")
    return parents.order_by("pk").first()


def require_open_asset(asset: Asset) -> None:
    """Require that no screener has found an asset in a hard category.

    :raises ClosedForGood: if one has.
    """
    stored = Asset.objects.filter(pk=asset.pk).values_list("hard_category", flat=True).first()
    if stored:
        raise ClosedForGood


def is_closed(job: Job) -> bool:
    """Return whether a verdict on a job, or on what it was made from, is in a hard category."""
    return Verdict.objects.filter(job=job).exclude(hard_category="").exists()


def require_open_job(job: Job) -> None:
    """Require that no verdict on a job is in a hard category.

    :raises ClosedForGood: if one is.
    """
    if is_closed(job):
        raise ClosedForGood


def require_open_answer(job: Job) -> None:
    """Require that neither a job nor any of its images is closed: its kept answer holds them all.

    :raises ClosedForGood: if one is.
    """
    require_open_job(job)
    if Asset.objects.filter(job=job).exclude(hard_category="").exists():
        raise ClosedForGood


def require_open_images(hashes: Collection[str]) -> None:
    """Require that none of these files, given by their SHA-256, was ever found in a hard category.

    So the same file stays closed if the screener that found it is taken out of the settings.

    :raises ClosedForGood: if one was.
    """
    if (
        hashes
        and Verdict.objects.filter(content_sha256__in=hashes).exclude(hard_category="").exists()
    ):
        raise ClosedForGood


def closed_input(job: Job, *, is_locked: bool = False) -> HardCategory | None:
    """Return the hard category that an input image of a job was found in; None if all are open.

    It may have been found after the job was requested. With `is_locked`, in a transaction, whoever
    closes one of the images does so before or after the caller's change.
    """
    inputs = list(JobInput.objects.filter(job=job).values_list("asset", "sha256"))
    keys = [key for key, _sha256 in inputs]
    found: set[str] = set()
    if any(keys):
        rows = Asset.objects.filter(pk__in=keys).order_by("pk")
        rows = rows.select_for_update() if is_locked else rows
        found |= set(rows.values_list("hard_category", flat=True))
    if inputs:
        verdicts = Verdict.objects.filter(content_sha256__in=[sha256 for _key, sha256 in inputs])
        found |= set(verdicts.values_list("hard_category", flat=True))
    return next((one for one in HardCategory if one.value in found), None)


@use_case(audited=False)
def close_made_from_closed(*, actor: Actor, job: Job, assets: Sequence[Asset]) -> None:
    """Close a job's new images if one of its inputs was closed while the job ran.

    Joins the transaction that stores them.
    """
    category = closed_input(job, is_locked=True)
    if category is not None:
        for asset in assets:
            close_asset(actor=actor, asset=asset, category=category, job=job)


@use_case()
def close_asset(*, actor: Actor, asset: Asset, category: HardCategory, job: Job) -> None:
    """Close an asset that was found in a hard category as the input of a job.

    From now on nobody can see, approve, place or reuse it, nor another asset of the same bytes, nor
    any that was made from them; the sweep takes them down where they are placed and deletes their
    files. Joins the caller's transaction.
    """
    alike = Q(sha256=asset.sha256) | Q(original_sha256=asset.original_sha256)
    keys = list(Asset.objects.filter(alike).values_list("pk", flat=True))
    known = set(keys)
    origin: dict[str, object] = {}
    while keys:
        for chunk in _chunks(keys):
            _close_all(actor, chunk, category, {"found_by": job.pk, **origin})
        made_from = [key for chunk in _chunks(keys) for key in _open_images_made_from(chunk)]
        keys = [key for key in dict.fromkeys(made_from) if key not in known]
        known.update(keys)
        origin = {"made_from": asset.pk}
    wake("sweep")


def _chunks(keys: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(keys), _AT_ONCE):
        yield keys[start : start + _AT_ONCE]


def _open_images_made_from(parents: Sequence[Any]) -> list[Any]:
    """Return the keys of images that were made from these, and of those with the same bytes."""
    made = Asset.objects.filter(parent_links__parent__in=parents, hard_category="")
    files = list(made.values_list("pk", "sha256", "original_sha256"))
    found = [key for key, _sha256, _original in files]
    for chunk in _chunks(files):
        alike = Q(sha256__in=[one[1] for one in chunk])
        alike |= Q(original_sha256__in=[one[2] for one in chunk])
        found += Asset.objects.filter(alike, hard_category="").values_list("pk", flat=True)
    return found


def _close_all(
    actor: Actor, keys: Sequence[Any], category: HardCategory, origin: Mapping[str, object]
) -> None:
    rows = Asset.objects.select_for_update().filter(pk__in=keys, hard_category="")
    found = list(rows.select_related("job").order_by("pk"))
    public = {one.pk for one in found if one.review_state == ReviewState.APPROVED.value}
    withdrawn = [
        one.pk
        for one in found
        if one.pk in public or one.review_state == ReviewState.WITHDRAWN.value
    ]
    now = clock.now()
    for one in found:
        # Nobody is asked about it any more, and nothing shows it from this moment on.
        state = ReviewState.WITHDRAWN if one.pk in withdrawn else ReviewState.REJECTED
        one.review_state, one.hard_category = state.value, category.value
        one.reviewed_at, one.reviewed_by = now, None
        send_asset_reviewed(one)
    Asset.objects.bulk_update(
        found, ["hard_category", "review_state", "reviewed_at", "reviewed_by"], batch_size=100
    )
    event_log.record_many(
        ACTOR,
        [
            event_log.NewEvent(
                "asset.withdrawn", subject=one, job=one.job, asset=one, data={"sha256": one.sha256}
            )
            for one in found
            if one.pk in public
        ],
    )
    event_log.record_many(
        actor,
        [
            event_log.NewEvent(
                "asset.closed",
                subject=one,
                job=one.job,
                asset=one,
                data={
                    "hard_category": category.value,
                    "sha256": one.sha256,
                    "original_sha256": one.original_sha256,
                    **origin,
                },
            )
            for one in found
        ],
    )
    outbox.add_many("close", {f"close:{one.pk}": one for one in found})
