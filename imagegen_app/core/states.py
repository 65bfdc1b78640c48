"""Define the states of jobs, attempts and assets, and the allowed transitions between them.

The documentation's diagrams are generated from these tables.
"""

from __future__ import annotations

from enum import StrEnum


class JobState(StrEnum):
    """The state of a job."""

    #: Waits for a worker, or until it may be tried again.
    QUEUED = "queued"
    #: A worker prepares or makes the call.
    SUBMITTING = "submitting"
    #: The provider works on it; a worker polls, or a webhook reports the result.
    AWAITING = "awaiting"
    #: The answer is in the spool and is being turned into assets.
    INGESTING = "ingesting"
    #: The call may have been billed, and its outcome is unknown.
    UNCERTAIN = "uncertain"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    BLOCKED = "blocked"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


_UNSUCCESSFUL = frozenset(
    {JobState.FAILED, JobState.BLOCKED, JobState.CANCELLED, JobState.EXPIRED},
)

#: The states that may follow each state of a job.
JOB_TRANSITIONS: dict[JobState, frozenset[JobState]] = {
    JobState.QUEUED: frozenset({JobState.SUBMITTING}) | _UNSUCCESSFUL,
    JobState.SUBMITTING: frozenset(
        {JobState.AWAITING, JobState.INGESTING, JobState.QUEUED, JobState.UNCERTAIN}
    )
    | _UNSUCCESSFUL,
    JobState.AWAITING: frozenset({JobState.INGESTING, JobState.QUEUED, JobState.UNCERTAIN})
    | _UNSUCCESSFUL,
    JobState.INGESTING: frozenset({JobState.SUCCEEDED, JobState.QUEUED}) | _UNSUCCESSFUL,
    JobState.UNCERTAIN: frozenset(
        {
            JobState.INGESTING,
            JobState.AWAITING,
            JobState.QUEUED,
            JobState.FAILED,
            JobState.CANCELLED,
            JobState.BLOCKED,
        }
    ),
    JobState.SUCCEEDED: frozenset(),
    JobState.FAILED: frozenset(),
    JobState.BLOCKED: frozenset(),
    JobState.CANCELLED: frozenset(),
    JobState.EXPIRED: frozenset(),
}


class WaitingReason(StrEnum):
    """What a job needs before its present step can be taken; the state of the job stays."""

    #: The storage of the images fails.
    STORAGE = "storage"
    #: The signing certificate cannot be used.
    CERTIFICATE = "certificate"
    #: The time-stamp authority does not answer.
    TIME_STAMP = "time_stamp"
    #: There is no room on the disk for the provider's answer.
    DISK = "disk"
    #: A step of the job raised an unexpected error; it is tried again a few times.
    INTERNAL_ERROR = "internal_error"
    #: The key of the provider cannot be read.
    CREDENTIAL = "credential"
    #: The provider's answer is in the state folder of another host.
    OTHER_HOST = "other_host"
    #: The provider cannot be called with the site's settings, such as for an unknown adapter.
    PROVIDER = "provider"


#: States that never change again.
FINAL_STATES = frozenset(state for state, targets in JOB_TRANSITIONS.items() if not targets)

#: States that change by themselves; from `UNCERTAIN` a person may have to take the job.
RUNNING_STATES = tuple(
    state for state in JobState if state not in FINAL_STATES and state is not JobState.UNCERTAIN
)


class AttemptState(StrEnum):
    """The state of one billable call to a provider."""

    #: The idempotency key is committed to the database and nothing was sent.
    CREATED = "created"
    #: Committed just before the first byte was sent.
    SENT = "sent"
    #: The provider accepted the call, and its reference is stored.
    ACCEPTED = "accepted"
    #: The answer's bytes are durable in the spool.
    ANSWERED = "answered"
    #: The actual cost is booked.
    SETTLED = "settled"
    #: The provider refused the call, or it failed there, and nothing was billed.
    REFUSED = "refused"
    #: Sent, but no answer arrived and the outcome has not been found out yet.
    UNKNOWN = "unknown"
    #: Certainly never accepted by the provider, or never sent.
    VOID = "void"


#: The states that may follow each state of an attempt.
ATTEMPT_TRANSITIONS: dict[AttemptState, frozenset[AttemptState]] = {
    AttemptState.CREATED: frozenset({AttemptState.SENT, AttemptState.VOID}),
    AttemptState.SENT: frozenset(
        {
            AttemptState.ACCEPTED,
            AttemptState.ANSWERED,
            AttemptState.REFUSED,
            AttemptState.UNKNOWN,
            AttemptState.VOID,
            AttemptState.SETTLED,
        }
    ),
    AttemptState.ACCEPTED: frozenset(
        {
            AttemptState.ANSWERED,
            AttemptState.REFUSED,
            AttemptState.UNKNOWN,
            AttemptState.SETTLED,
            AttemptState.VOID,
        }
    ),
    AttemptState.ANSWERED: frozenset({AttemptState.SETTLED}),
    AttemptState.UNKNOWN: frozenset(
        {
            AttemptState.ACCEPTED,
            AttemptState.ANSWERED,
            AttemptState.REFUSED,
            AttemptState.VOID,
            AttemptState.SETTLED,
        }
    ),
    AttemptState.SETTLED: frozenset(),
    AttemptState.REFUSED: frozenset(),
    AttemptState.VOID: frozenset(),
}

#: A job has at most one attempt in these states.
LIVE_ATTEMPT_STATES = frozenset(
    {
        AttemptState.CREATED,
        AttemptState.SENT,
        AttemptState.ACCEPTED,
        AttemptState.ANSWERED,
        AttemptState.UNKNOWN,
    }
)


class ReviewState(StrEnum):
    """Whether an asset may be shown."""

    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"
    #: Was approved, and was taken down afterwards.
    WITHDRAWN = "withdrawn"


class ReviewQueue(StrEnum):
    """Who has to do something about an asset that nobody has decided about."""

    #: Nobody uses it yet, or asks about it.
    DRAFT = "draft"
    WAITING = "waiting"
    #: Waits for the people to whom a reviewer handed the decision on.
    ESCALATED = "escalated"
    #: Waits for its author, who was asked to change it.
    SENT_BACK = "sent_back"


#: The states that may follow each review state of an asset.
REVIEW_TRANSITIONS: dict[ReviewState, frozenset[ReviewState]] = {
    ReviewState.PENDING: frozenset({ReviewState.APPROVED, ReviewState.REJECTED}),
    ReviewState.APPROVED: frozenset({ReviewState.WITHDRAWN}),
    ReviewState.REJECTED: frozenset({ReviewState.APPROVED}),
    ReviewState.WITHDRAWN: frozenset({ReviewState.APPROVED}),
}


class RejectionReason(StrEnum):
    """Why a reviewer rejects an asset; a note says more."""

    FAULTY = "faulty"
    OFF_BRIEF = "off_brief"
    OFF_BRAND = "off_brand"
    MISLEADING = "misleading"
    REAL_PERSON = "real_person"
    THIRD_PARTY = "third_party"
    OTHER = "other"


class Lifecycle(StrEnum):
    """The stage of an image model between its registration and its retirement."""

    #: Not usable yet.
    DRAFT = "draft"
    #: Usable, on trial.
    CANARY = "canary"
    ACTIVE = "active"
    #: Still usable, to be replaced.
    DEPRECATED = "deprecated"
    #: No longer usable.
    RETIRED = "retired"


#: Lifecycle stages in which new requests are accepted.
USABLE_LIFECYCLES = frozenset({Lifecycle.CANARY, Lifecycle.ACTIVE, Lifecycle.DEPRECATED})
#: Lifecycle stages in which a model needs no price, because nothing is sent to it.
UNPRICED_LIFECYCLES = frozenset(Lifecycle) - USABLE_LIFECYCLES


class VerdictOutcome(StrEnum):
    """What a screener or a person decided about a prompt or an image."""

    PASSED = "passed"
    HELD = "held"
    BLOCKED = "blocked"


def can_transition(source: JobState, target: JobState) -> bool:
    """Return whether a job may change from one state to the other."""
    return target in JOB_TRANSITIONS[source]


class CostSource(StrEnum):
    """Where the figure that a call is charged with comes from."""

    #: The provider named the amount.
    REPORTED = "reported"
    #: What the provider counts, or the images made, at the prices of the model's list.
    COMPUTED = "computed"
    #: The estimate from before the call: nothing better is known.
    ESTIMATED = "estimated"
    #: Nothing: it was within what the provider gives for nothing in a month.
    FREE = "free"
