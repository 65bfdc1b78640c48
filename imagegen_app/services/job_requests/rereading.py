"""Have a kept answer read again, after an upgrade: a new job at no cost, without a call.

A job that has ended never changes, so the images belong to a new job that replaces it.
"""

from __future__ import annotations

import hashlib
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

from imagegen_app import conf
from imagegen_app.core import canonical
from imagegen_app.core.errors import ProviderError
from imagegen_app.core.states import AttemptState, JobState
from imagegen_app.engines.base import wake
from imagegen_app.models import Attempt, Job, JobInput, KeptAnswer
from imagegen_app.services.foundation import clock, event_log
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.gateways import adapters, kept_files, spool
from imagegen_app.services.job_requests._rows import requested_facts
from imagegen_app.services.jobs import batch_counts, kept_answers
from imagegen_app.services.policy import access, closed_content
from imagegen_app.services.policy.access import ActionRefused

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from imagegen_app.core.actors import Actor
    from imagegen_app.providers.answers import SpooledAnswer

#: What the new job takes over from the one whose answer it is.
_TAKEN_OVER = (
    "operation",
    "image_model_id",
    "template_version_id",
    "brand_kit_version_id",
    "batch_id",
    "row_key",
    "shot",
    "requester_id",
    "actor_kind",
    "actor_id",
    "prompt",
    "negative_prompt",
    "prompt_erased_at",
    "variables",
    "width",
    "height",
    "seed",
    "quality",
    "output_format",
    "background",
    "parameters",
    "loras",
    "chosen",
    "unknown_outcome_policy",
    "priority",
    "queue_order",
    "currency",
)


class CannotReadAgain(ActionRefused):
    """The kept answer cannot be read again now."""

    code = "cannot_read_again"


@contextmanager
def reading(kept: KeptAnswer) -> Iterator[tuple[SpooledAnswer, Sequence[str]]]:
    """Read a kept answer now; yield a copy of it and the SHA-256 of its images that are no assets.

    What it lacks is fetched, where the provider still serves it.

    :raises CannotReadAgain: if it holds no such image, or its files are not here.
    """
    answer = kept_files.answer_of(kept.attempt)
    if kept.removed_at is not None:
        raise _refusal(_("The answer was removed, since it was too old."))
    if not answer.is_complete:
        raise _refusal(
            _("Its files are not on this host; they are on %(host)s.") % {"host": kept.host or "?"},
            _("Run manage.py imagegen_reread there."),
        )
    try:
        scratch = kept_files.scratch_copy(answer)
    except OSError as error:
        raise _refusal(
            _("Its files cannot be copied: %(detail)s.") % {"detail": type(error).__name__}
        ) from None
    try:
        yield scratch, _new_images(kept, scratch)
    finally:
        scratch.discard()


def _new_images(kept: KeptAnswer, answer: SpooledAnswer) -> Sequence[str]:
    try:
        adapters.fetch_again(kept.attempt, answer)
        adapter = adapters.build_adapter(
            kept.attempt.image_model.provider, http=adapters.http_client()
        )
        images = adapter.read_answer(answer).images
    except (ProviderError, OSError, adapters.ProviderNotConfigured) as error:
        detail = getattr(error, "detail", "") or type(error).__name__
        raise _refusal(
            _("It still cannot be read: %(detail)s.") % {"detail": detail},
            _("Try again after an upgrade."),
        ) from None
    found = [hashlib.sha256(image.data).hexdigest() for image in images]
    delivered = kept_answers.delivered_hashes(kept)
    new = [one for one in found if one not in delivered]
    if not new:
        raise _refusal(_("It holds no image that is not there already."))
    return new


def read_again(*, actor: Actor, kept: KeptAnswer) -> Job:
    """Create the job that turns a kept answer into assets; no call is made and nothing charged.

    :raises ClosedForGood: if it was found in a hard category.
    :raises NotPermitted: if the actor may not have answers read again.
    :raises CannotReadAgain: if it still cannot be read, holds nothing new or is being read.
    """
    closed_content.require_open_answer(kept.attempt.job)
    access.require_permission(actor, "reread_kept_answer")
    _require_idle(kept)
    with reading(kept) as (answer, images):
        return _begin(actor, kept, answer=answer, images=images)


@use_case()
def _begin(actor: Actor, kept: KeptAnswer, *, answer: SpooledAnswer, images: Sequence[str]) -> Job:
    # One at a time: a second click waits here, and finds the first one's job.
    kept = KeptAnswer.objects.select_for_update().get(pk=kept.pk)
    _require_idle(kept)
    delivered = kept_answers.delivered_hashes(kept)
    # Not a set: a provider may draw two images alike, and both were paid for.
    count = sum(one not in delivered for one in images)
    earlier = kept.attempt.job
    job = _create_job(earlier, count=max(1, count))
    attempt = Attempt.objects.create(
        job=job,
        live_job=job,
        image_model=kept.attempt.image_model,
        number=1,
        state=AttemptState.ANSWERED.value,
        rereads=kept,
        provider_ref=kept.attempt.provider_ref,
        provider_request_id=kept.attempt.provider_request_id,
        answered_at=kept.attempt.answered_at,
        **spool.place_of_answer(),
    )
    try:
        # Before the commit: no worker may find the job without its answer.
        kept_files.copy(answer, to=spool.answer_of(attempt))
    except OSError as error:
        raise _refusal(
            _("Its files cannot be copied: %(detail)s.") % {"detail": type(error).__name__}
        ) from None
    batch_counts.count_new_jobs([job])
    _record(actor, earlier=earlier, job=job)
    wake("drive")
    return job


def _require_idle(kept: KeptAnswer) -> None:
    if Job.objects.unfinished().filter(attempts__rereads=kept).exists():
        raise _refusal(_("It is being read again right now."), _("Wait until that job has ended."))


@use_case()
def record_download(*, actor: Actor, kept: KeptAnswer, part: str) -> None:
    """Record that somebody downloads a part of a kept answer.

    :raises ClosedForGood: if it was found in a hard category.
    :raises NotPermitted: if the actor may not.
    """
    closed_content.require_open_answer(kept.attempt.job)
    access.require_permission(actor, "download_kept_answer")
    job = kept.attempt.job
    event_log.record(actor, "answer.downloaded", subject=job, job=job, data={"part": part[:40]})


def _create_job(earlier: Job, *, count: int) -> Job:
    now = clock.now()
    # Part of an answer must not answer a later request for all of it.
    fingerprint = (
        earlier.fingerprint
        if count == earlier.count or not earlier.fingerprint
        else canonical.digest({"reread": str(earlier.pk), "count": count})
    )
    taken_over = {name: getattr(earlier, name) for name in _TAKEN_OVER}
    if earlier.replacements.exists():
        # A re-run counts for the batch's row already.
        taken_over |= {"batch_id": None, "row_key": ""}
    job = Job.objects.create(
        **taken_over,
        state=JobState.INGESTING.value,
        count=count,
        replaces=earlier,
        fingerprint=fingerprint,
        request_digest=earlier.request_digest,
        due_at=now,
        started_at=now,
        deadline_at=now + timedelta(seconds=conf.get().job_deadline_seconds),
        estimated_cost=0,
    )
    inputs = list(earlier.inputs.order_by("position"))
    for entry in inputs:
        # A copy of the whole row: what is added to it later is taken over by itself.
        entry.pk, entry.job = None, job
    JobInput.objects.bulk_create(inputs)
    return job


def _record(actor: Actor, *, earlier: Job, job: Job) -> None:
    event_log.record(
        actor, "answer.read_again", subject=earlier, job=earlier, data={"replacement": job.pk}
    )
    event_log.record(
        actor,
        "job.requested",
        subject=job,
        job=job,
        data=requested_facts(job)
        | {"seed": job.seed, "rule": "kept answer", "earlier": earlier.pk},
        personal={"prompt": job.prompt, "negative_prompt": job.negative_prompt},
    )


def _refusal(reason: str, remedy: str = "") -> CannotReadAgain:
    return CannotReadAgain(_("The answer was not read again."), reason=reason, remedy=remedy)
