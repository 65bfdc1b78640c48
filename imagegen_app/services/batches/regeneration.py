"""Make one image of a batch anew with a reviewer's note, which its prompt ends with from then on.

The new job belongs to the person who asks for it: it is screened, priced and granted as any request
of theirs. It has another seed, and replaces the job of the image that it improves on.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

from imagegen_app.core.states import RejectionReason, ReviewState
from imagegen_app.engines.base import wake
from imagegen_app.models import Asset
from imagegen_app.services.batches import reruns
from imagegen_app.services.foundation import past_events, wakeups
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.job_requests import creation, from_job
from imagegen_app.services.jobs import pass_chain
from imagegen_app.services.library import chooser, review, review_requests
from imagegen_app.services.policy import access
from imagegen_app.services.policy.access import ActionRefused

if TYPE_CHECKING:
    from imagegen_app.core.actors import Person
    from imagegen_app.models import Job
    from imagegen_app.services.job_requests.values import JobRequest


class CannotRegenerate(ActionRefused):
    """The image cannot be made anew with this note."""

    code = "cannot_regenerate"


def regenerate(*, actor: Person, asset: Asset, note: str) -> Job:
    """Request a new image in place of one, with the note behind its prompt; return the new job.

    If the old image waits for a review that the actor may decide, it is rejected with the note. If a
    content check blocks the note, the old image stays as it is.

    :raises NotPermitted: if the actor may not see the image, or not request images.
    :raises CannotRegenerate: without a note, or if a new one was requested already.
    :raises ActionRefused: as `creation.request_images`.
    """
    chooser.require_visible(actor, asset)
    access.require_permission(actor, "request_job")
    text = " ".join(note.split())[: review_requests.MAX_NOTE_CHARS]
    if not text:
        raise CannotRegenerate(
            _("Nothing was requested."),
            reason=_("The note is empty."),
            remedy=_("Say in the note what to change."),
        )
    job = pass_chain.root_job(asset.job)
    earlier = job.replacements.order_by("pk").first()
    if earlier is not None:
        reason = _("A new image was requested in place of this one already.")
        known = past_events.who_and_when(earlier, "job.requested")
        raise CannotRegenerate(
            _("Nothing was requested."),
            reason=f"{reason} {known}".strip(),
            remedy="",
            is_already_done=True,
        )
    job_request = from_job.job_request_from(actor=actor, job=job, instruction=text)
    job_request = reruns.with_new_seed(job_request, job)
    new = _request(actor, asset, job_request, text)
    if new.state == "blocked":
        raise creation.blocked_refusal(new)
    wakeups.wake_if_stale()
    return new


def _request(actor: Person, asset: Asset, job_request: JobRequest, note: str) -> Job:
    try:
        # Outside any transaction: a screener may be a slow remote service.
        checked = creation.check_requests(actor=actor, job_requests=[job_request])
        if checked[0].is_blocked:
            # The image is not replaced by what is never made.
            checked = [replace(checked[0], job_request=replace(job_request, replaces=None))]
        return _store(actor=actor, asset=asset, checked=checked, note=note)
    except ActionRefused as refusal:
        if not refusal.is_already_done:
            creation.record_refusal(actor=actor, job_request=job_request, refusal=refusal)
        raise


@use_case()
def _store(*, actor: Person, asset: Asset, checked: creation.CheckedRequests, note: str) -> Job:
    (job,) = creation.create_jobs(actor=actor, checked=checked)
    if job.is_final:
        return job
    current = Asset.objects.select_for_update().get(pk=asset.pk)
    is_pending = current.review_state == ReviewState.PENDING.value
    if is_pending and not review.refusal_reason(actor, current, ReviewState.REJECTED):
        review.reject(actor=actor, asset=asset, note=note, reason=RejectionReason.OTHER.value)
    wake("drive")
    return job


def newest_replacement(job: Job) -> Job | None:
    """Return the last of the jobs that were requested in place of one; None for none."""
    found: Job | None = None
    current = pass_chain.root_job(job)
    while (following := current.replacements.order_by("pk").first()) is not None:
        found = current = following
    return found
