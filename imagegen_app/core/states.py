"""Define the states of jobs, attempts and assets, and the moves between them.

The documentation's diagram is drawn from these tables.
"""

from __future__ import annotations

from enum import StrEnum


class JobState(StrEnum):
    """Where a job stands."""

    #: Waits for a worker, or for its time to try again.
    QUEUED = "queued"
    #: A worker prepares or makes the call.
    SUBMITTING = "submitting"
    #: The provider works; we ask again or are told.
    AWAITING = "awaiting"
    #: The answer is in the spool and becomes assets.
    INGESTING = "ingesting"
    #: We may have been billed and do not know the outcome yet.
    UNCERTAIN = "uncertain"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    BLOCKED = "blocked"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


_ENDS = frozenset(
    {JobState.FAILED, JobState.BLOCKED, JobState.CANCELLED, JobState.EXPIRED},
)

#: From each state, where a job may go.
JOB_TRANSITIONS: dict[JobState, frozenset[JobState]] = {
    JobState.QUEUED: frozenset({JobState.SUBMITTING}) | _ENDS,
    JobState.SUBMITTING: frozenset(
        {JobState.AWAITING, JobState.INGESTING, JobState.QUEUED, JobState.UNCERTAIN}
    )
    | _ENDS,
    JobState.AWAITING: frozenset({JobState.INGESTING, JobState.QUEUED, JobState.UNCERTAIN}) | _ENDS,
    JobState.INGESTING: frozenset({JobState.SUCCEEDED, JobState.QUEUED}) | _ENDS,
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

#: States that never change again.
FINAL_STATES = frozenset(state for state, targets in JOB_TRANSITIONS.items() if not targets)

#: States in which a job may be born: wanted, answered from the cache, or refused by a screener.
INITIAL = frozenset({JobState.QUEUED, JobState.SUCCEEDED, JobState.BLOCKED})


class AttemptState(StrEnum):
    """Where one billable call stands; this is where the money is."""

    #: The key is committed and nothing was sent.
    CREATED = "created"
    #: Committed just before the first byte went out.
    SENT = "sent"
    #: The provider's own reference is stored.
    ACCEPTED = "accepted"
    #: The answer's bytes are durable in the spool.
    ANSWERED = "answered"
    #: The ledger holds the actual cost.
    SETTLED = "settled"
    #: The provider said no, and billed nothing.
    REFUSED = "refused"
    #: Sent, no answer, and no way found yet to learn the outcome.
    UNKNOWN = "unknown"
    #: Proven never accepted, or never sent.
    VOID = "void"


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
    #: Was approved once, and was taken back.
    WITHDRAWN = "withdrawn"


REVIEW_TRANSITIONS: dict[ReviewState, frozenset[ReviewState]] = {
    ReviewState.PENDING: frozenset({ReviewState.APPROVED, ReviewState.REJECTED}),
    ReviewState.APPROVED: frozenset({ReviewState.WITHDRAWN}),
    ReviewState.REJECTED: frozenset({ReviewState.APPROVED}),
    ReviewState.WITHDRAWN: frozenset({ReviewState.APPROVED}),
}


class Lifecycle(StrEnum):
    """How far an image model may be used."""

    DRAFT = "draft"
    CANARY = "canary"
    ACTIVE = "active"
    DEPRECATED = "deprecated"
    RETIRED = "retired"


#: Lifecycles in which new requests are taken.
USABLE_LIFECYCLES = frozenset({Lifecycle.CANARY, Lifecycle.ACTIVE, Lifecycle.DEPRECATED})


class VerdictOutcome(StrEnum):
    """What a screener or a person decided."""

    PASSED = "passed"
    HELD = "held"
    BLOCKED = "blocked"


def can_transition(source: JobState, target: JobState) -> bool:
    """Return whether a job may go from one state to another."""
    return target in JOB_TRANSITIONS[source]
