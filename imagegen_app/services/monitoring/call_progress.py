"""Describe in words what a provider says of a call that is under way: queue, stage, share."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from django.core.exceptions import ObjectDoesNotExist
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from imagegen_app.core.states import JobState

if TYPE_CHECKING:
    from imagegen_app.models import Attempt, Job

#: What providers call a call that has not begun, in lower case and with blanks.
_QUEUED: Final = frozenset(
    {"accepted", "created", "in queue", "pending", "queued", "scheduled", "submitted", "waiting"}
)
#: What they call one that is worked on: they tell a person nothing that our sentence does not.
_RUNNING: Final = frozenset(
    {
        "active",
        "executing",
        "generating",
        "in progress",
        "inprogress",
        "processing",
        "running",
        "started",
    }
)
_GENERATING: Final = gettext_noop("Generating with %(model)s")
_LOADING: Final = gettext_noop("The provider is loading %(model)s")
_UPSCALING: Final = gettext_noop("Upscaling with %(model)s")
_FINISHING: Final = gettext_noop("The provider is finishing the images")
#: What is told of other words; what is in none of these is told in the provider's own.
_SENTENCES: Final = {
    "": _GENERATING,
    **dict.fromkeys(_RUNNING, _GENERATING),
    **dict.fromkeys(_QUEUED, gettext_noop("In the provider's queue")),
    **dict.fromkeys(("booting", "loading", "loading model", "starting", "warming up"), _LOADING),
    **dict.fromkeys(("upscale", "upscaling"), _UPSCALING),
    **dict.fromkeys(
        ("finalizing", "finishing", "post processing", "postprocessing", "saving"), _FINISHING
    ),
}


def call_under_way(job: Job) -> Attempt | None:
    """Return the job's attempt that is under way; of no query if it was selected with the job."""
    try:
        attempt: Attempt = job.live_attempt
    except ObjectDoesNotExist:
        return None
    return attempt


def call_phase(job: Job) -> str:
    """Return what the provider does for a job whose call was sent, as a sentence."""
    attempt = call_under_way(job)
    names = {"model": job.image_model.name, "stage": ""}
    if attempt is None:
        return _(_GENERATING) % names
    names["stage"] = attempt.provider_stage
    word = " ".join(re.split(r"[\s_-]+", attempt.provider_stage.lower())).strip()
    # A position is out of date as soon as the provider says that it works on the call.
    position = None if word in _RUNNING else attempt.queue_position
    if position:
        return _("Position %(position)s in the provider's queue") % {"position": position + 1}
    if position == 0 and (word in _QUEUED or not word):
        return _("Next in the provider's queue")
    if word in _SENTENCES:
        return _(_SENTENCES[word]) % names
    return _("Generating with %(model)s. The provider says: %(stage)s") % names


def call_percent(job: Job) -> int | None:
    """Return how much of a call is done, in percent; None where the provider does not say.

    Nothing and everything are left out: many say 0 or 1 all the time.
    """
    is_under_way = job.state in {JobState.SUBMITTING, JobState.AWAITING}
    if not is_under_way or job.cancel_requested_at is not None:
        return None
    percent = round((job.progress or 0.0) * 100)
    return percent if 0 < percent < 100 else None  # noqa: PLR2004 - percent
