"""Tell how a running batch goes on: when it will be done, and how near the rules are that pause it."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from statistics import median
from typing import TYPE_CHECKING, Any, Final

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from imagegen_app.core.states import JobState
from imagegen_app.models.amounts import format_amount
from imagegen_app.services.foundation import worker_registry
from imagegen_app.services.jobs import batch_counts
from imagegen_app.services.monitoring import progress

if TYPE_CHECKING:
    from decimal import Decimal

    from imagegen_app.models import Batch
    from imagegen_app.services.batches.row_list import RowCounts
    from imagegen_app.services.jobs.batch_counts import BatchCounts

#: Ended jobs of the batch from which a job's duration is measured; fewer than the least say too little.
_MOST_MEASURED: Final = 50
_LEAST_MEASURED: Final = 3
_MINUTE: Final = 60
_HOUR: Final = 3600


@dataclass(frozen=True, slots=True)
class StopRule:
    """A rule that pauses the batch, and how near it is."""

    label: str
    #: What it says now, such as "3 of 5".
    now: str
    #: How much of it is used up, in percent, at most 100.
    percent: int

    @property
    def is_near(self) -> bool:
        """Whether little is missing."""
        return self.percent >= 80  # noqa: PLR2004 - four fifths


def remaining_seconds(batch: Batch, counts: BatchCounts, rows: RowCounts) -> int | None:
    """Return in how many seconds the batch will be done; None where nobody can tell.

    What is left is counted, and takes as long as this batch's last jobs did (its model's, before it
    has some), so many at a time as run now. While nothing runs, there is no speed to reckon with.
    """
    if counts.is_finished or batch.paused_at is not None:
        return None
    numbers = {one.value: one.count for one in rows.states}
    running = numbers.get("running", 0)
    if not running or worker_registry.count_live_workers() == 0:
        return None
    each = _measured_seconds(batch) or progress.typical_seconds(batch.image_model_id)
    if each is None:
        return None
    unprepared = 0 if counts.is_cancelled else counts.unprepared_jobs
    if batch.pilot_rows and batch.released_at is None:
        unprepared = max(0, batch.pilot_rows - counts.prepared_rows) * counts.jobs_per_row
    left = running + numbers.get("queued", 0) + unprepared
    return max(1, round(each * ceil(left / running)))


def _measured_seconds(batch: Batch) -> float | None:
    ended: Any = batch.jobs.filter(
        state=JobState.SUCCEEDED.value,
        started_at__isnull=False,
        finished_at__isnull=False,
        cached_from__isnull=True,
    )
    moments = ended.order_by("-finished_at").values_list("started_at", "finished_at")
    spent = [(end - start).total_seconds() for start, end in moments[:_MOST_MEASURED]]
    return median(spent) if len(spent) >= _LEAST_MEASURED else None


def duration_words(seconds: int) -> str:
    """Return a length of time as people say it, rounded up: seconds below a minute are "a minute"."""
    if seconds < _HOUR:
        minutes = max(1, ceil(seconds / _MINUTE))
        return ngettext("about %(number)s minute", "about %(number)s minutes", minutes) % {
            "number": minutes
        }
    hours = ceil(seconds / _HOUR)
    return ngettext("about %(number)s hour", "about %(number)s hours", hours) % {"number": hours}


def stop_rules(batch: Batch, counts: BatchCounts, *, shows_money: bool) -> list[StopRule]:
    """Return the rules that can pause the batch; the spending limit only where money is shown."""
    found: list[StopRule] = []
    if batch.spending_limit and shows_money:
        found.append(_spending(batch, counts.spent, batch.spending_limit))
    if batch.max_failure_percent:
        wrong = counts.failed + counts.blocked
        rate = 100 * wrong // counts.ended if counts.ended else 0
        is_judged = counts.ended >= batch_counts.MIN_ENDED_JOBS
        found.append(
            StopRule(
                _("Failure rate"),
                _("%(rate)s %% of %(limit)s %%")
                % {"rate": rate, "limit": batch.max_failure_percent}
                if is_judged
                else _("judged from %(number)s ended jobs on; %(ended)s so far")
                % {"number": batch_counts.MIN_ENDED_JOBS, "ended": counts.ended},
                min(100, 100 * rate // batch.max_failure_percent) if is_judged else 0,
            )
        )
    if batch.max_blocked:
        found.append(
            StopRule(
                _("Blocked by the content check"),
                _("%(number)s of %(limit)s")
                % {"number": counts.blocked, "limit": batch.max_blocked},
                min(100, 100 * counts.blocked // batch.max_blocked),
            )
        )
    return found


def _spending(batch: Batch, spent: Decimal, limit: Decimal) -> StopRule:
    return StopRule(
        _("Spending limit"),
        _("%(spent)s of %(limit)s %(currency)s")
        % {
            "spent": format_amount(spent),
            "limit": format_amount(limit),
            "currency": batch.currency,
        },
        min(100, int(100 * spent / limit)),
    )
