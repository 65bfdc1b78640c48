"""Keep closed what a screener found in a hard category: no permission, grant or setting counts here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from django.db.models import Q
from django.utils.translation import gettext as _

from imagegen_app.core.actors import System
from imagegen_app.core.i18n import gettext_noop
from imagegen_app.core.states import ReviewState
from imagegen_app.engines.base import wake
from imagegen_app.models import Asset, Verdict
from imagegen_app.services.foundation import clock, event_log, outbox
from imagegen_app.services.foundation.announcements import send_asset_reviewed
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.policy.access import ActionRefused

if TYPE_CHECKING:
    from collections.abc import Collection

    from imagegen_app.core.actors import Actor
    from imagegen_app.core.hard_categories import HardCategory
    from imagegen_app.models import Job


#: Who withdraws what a screener closed.
ACTOR: Final = System("screening")
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


@use_case()
def close_asset(*, actor: Actor, asset: Asset, category: HardCategory, job: Job) -> None:
    """Close an asset that was found in a hard category as the input of a job.

    From now on nobody can see, approve, place or reuse it, nor another asset of the same bytes; the
    sweep takes it down where it is placed and deletes its files. Joins the caller's transaction.
    """
    alike = Q(sha256=asset.sha256) | Q(original_sha256=asset.original_sha256)
    found = Asset.objects.select_for_update().filter(alike, hard_category="")
    for one in found.select_related("job").order_by("pk"):
        is_public = one.review_state == ReviewState.APPROVED.value
        was_public = is_public or one.review_state == ReviewState.WITHDRAWN.value
        # Nobody is asked about it any more, and nothing shows it from this moment on.
        one.review_state = (ReviewState.WITHDRAWN if was_public else ReviewState.REJECTED).value
        one.hard_category, one.reviewed_at = category.value, clock.now()
        one.reviewed_by = None
        one.save(update_fields=["hard_category", "review_state", "reviewed_at", "reviewed_by"])
        if is_public:
            event_log.record(
                ACTOR,
                "asset.withdrawn",
                subject=one,
                job=one.job,
                asset=one,
                data={"sha256": one.sha256},
            )
        send_asset_reviewed(one)
        event_log.record(
            actor,
            "asset.closed",
            subject=one,
            job=one.job,
            asset=one,
            data={
                "hard_category": category.value,
                "sha256": one.sha256,
                "original_sha256": one.original_sha256,
                "found_by": job.pk,
            },
        )
        outbox.add("close", f"close:{one.pk}", asset=one, payload={})
    wake("sweep")
