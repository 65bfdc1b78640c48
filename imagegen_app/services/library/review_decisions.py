"""Decide about an image as a person saw it: a changed file or another's decision comes first."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from django.utils.translation import gettext as _

from imagegen_app.core.states import RejectionReason, ReviewState, VerdictOutcome
from imagegen_app.models import Asset, Verdict
from imagegen_app.services.foundation import past_events
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.jobs import pass_chain
from imagegen_app.services.library import review, review_requests
from imagegen_app.services.policy.access import ActionRefused

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from imagegen_app.core.actors import Actor

#: Images decided with one press, at most.
MAX_ALIKE: Final = 100
_KINDS: Final = (
    "review.approved",
    "review.rejected",
    "review.changes_requested",
    "review.escalated",
    "review.requested",
    "review.request_withdrawn",
    "asset.withdrawn",
)


class DecisionKind(StrEnum):
    """What a reviewer decides, as the buttons post it."""

    APPROVE = "approve"
    APPROVE_WITH_LABEL = "label"
    REQUEST_CHANGES = "changes"
    REJECT = "reject"
    ESCALATE = "escalate"


#: Decisions that say yes.
APPROVALS: Final = frozenset({DecisionKind.APPROVE, DecisionKind.APPROVE_WITH_LABEL})


class CaseChanged(ActionRefused):
    """The image or its review is not as it was shown; nothing was decided."""

    code = "case_changed"


class ReasonMissing(ActionRefused):
    """A rejection needs a reason, and "another reason" a note."""

    code = "reason_missing"


class NotAlike(ActionRefused):
    """Several images can be decided with one press only if they are of a kind."""

    code = "not_alike"


@dataclass(frozen=True, slots=True)
class Decision:
    """One decision with all that is stored with it."""

    kind: DecisionKind
    note: str = ""
    #: A `RejectionReason`, of a rejection.
    reason: str = ""
    #: Whether a rejection may do without a reason, as where many images are decided one after the other.
    is_reason_optional: bool = False
    #: "yes" or "no" by the key of the checklist's question.
    answers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Shown:
    """What a person saw: the file, by its hash, and how far its review was."""

    sha256: str
    state: str


def shown(asset: Asset) -> Shown:
    """Return what a page shows now; it is posted with the decision."""
    parts = (asset.review_state, asset.review_requested_at, asset.escalated_at, asset.reviewed_at)
    return Shown(asset.sha256, "~".join("" if p is None else _plain(p) for p in parts))


def _plain(value: object) -> str:
    stamp = getattr(value, "timestamp", None)
    return str(value) if stamp is None else f"{stamp():.6f}"


@use_case()
def decide(*, actor: Actor, asset: Asset, decision: Decision, seen: Shown) -> None:
    """Carry a decision out, if the image and its review are still as they were shown.

    :raises CaseChanged: if they are not.
    :raises ReasonMissing: for a rejection without a reason.
    :raises ActionRefused: as by `review.approve`, `review.reject`, `review_requests.request_changes`
        and `review_requests.escalate`.
    """
    current = Asset.objects.select_for_update().get(pk=asset.pk)
    _require_unchanged(current, seen, decision)
    if decision.kind is DecisionKind.REQUEST_CHANGES:
        review_requests.request_changes(actor=actor, asset=asset, note=decision.note)
    elif decision.kind is DecisionKind.ESCALATE:
        review_requests.escalate(actor=actor, asset=asset, note=decision.note)
    elif decision.kind is DecisionKind.REJECT:
        review.reject(
            actor=actor,
            asset=asset,
            note=decision.note,
            reason=_required_reason(decision),
            answers=decision.answers,
        )
    else:
        review.approve(
            actor=actor,
            asset=asset,
            note=decision.note,
            answers=decision.answers,
            is_label_required=True if decision.kind is DecisionKind.APPROVE_WITH_LABEL else None,
        )


@use_case()
def decide_alike(*, actor: Actor, cases: Sequence[tuple[Asset, Shown]], decision: Decision) -> int:
    """Carry one decision out for several images of a kind, all or none; return how many.

    :raises NotAlike: if they have different templates or verdicts, or are too many.
    :raises ActionRefused: as by `decide`, at the first that is refused.
    """
    require_alike([asset for asset, _seen in cases])
    for asset, seen in cases:
        decide(actor=actor, asset=asset, decision=decision, seen=seen)
    return len(cases)


def require_alike(assets: Sequence[Asset]) -> None:
    """Require images of one template, about which the content checks said the same.

    :raises NotAlike: if they are not.
    """
    message = _("Nothing was decided.")
    if len(assets) > MAX_ALIKE:
        reason = _("At most %(most)s images can be decided together.") % {"most": MAX_ALIKE}
        raise NotAlike(message, reason=reason, remedy=_("Choose fewer."))
    if not assets:
        raise NotAlike(message, reason=_("No image is chosen."), remedy=_("Choose some."))
    roots = [pass_chain.root_job(asset.job) for asset in assets]
    versions = [one.template_version for one in roots]
    templates = {None if version is None else version.template_id for version in versions}
    remedy = _("Decide about them one by one, or choose others.")
    if len(templates) > 1 or (None in templates and len(assets) > 1):
        reason = _("The chosen images were not made from one template.")
        raise NotAlike(message, reason=reason, remedy=remedy)
    if len(set(outcomes_of(assets).values())) > 1:
        reason = _("The content checks did not say the same of the chosen images.")
        raise NotAlike(message, reason=reason, remedy=remedy)


def outcomes_of(assets: Sequence[Asset]) -> dict[object, str]:
    """Return the gravest outcome of each image's checks, by its key; passed without any."""
    graver = [VerdictOutcome.PASSED, VerdictOutcome.HELD, VerdictOutcome.BLOCKED]
    of_job: dict[object, list[tuple[object, VerdictOutcome]]] = {}
    jobs = {asset.job_id for asset in assets} | {a.job.root_id for a in assets if a.job.root_id}
    verdicts = Verdict.objects.filter(job__in=jobs).exclude(stage="caption")
    for job, asset_id, outcome in verdicts.values_list("job", "asset", "outcome"):
        of_job.setdefault(job, []).append((asset_id, VerdictOutcome(outcome)))
    return {
        asset.pk: max(
            (
                outcome
                for job in (asset.job_id, asset.job.root_id)
                for asset_id, outcome in of_job.get(job, [])
                if asset_id in (None, asset.pk)
            ),
            key=graver.index,
            default=VerdictOutcome.PASSED,
        ).value
        for asset in assets
    }


def _require_unchanged(current: Asset, seen: Shown, decision: Decision) -> None:
    now = shown(current)
    if now.sha256 != seen.sha256:
        raise CaseChanged(
            _("Nothing was decided."),
            reason=_("The file of this image was changed since you saw it; this is the new one."),
            remedy=_("Look at it again."),
        )
    if now.state == seen.state:
        return
    last = past_events.who_and_when(current, *_KINDS)
    wanted = {
        DecisionKind.REJECT: ReviewState.REJECTED,
        DecisionKind.APPROVE: ReviewState.APPROVED,
        DecisionKind.APPROVE_WITH_LABEL: ReviewState.APPROVED,
    }.get(decision.kind)
    raise CaseChanged(
        _("Nothing was decided."),
        reason=" ".join(
            filter(
                None,
                (
                    _("Meanwhile its review has changed: %(state)s.")
                    % {"state": current.get_review_state_display()},
                    last,
                ),
            )
        ),
        remedy="",
        is_already_done=wanted is not None and current.review_state == wanted.value,
    )


def _required_reason(decision: Decision) -> str:
    known = {one.value for one in RejectionReason}
    if decision.is_reason_optional and not decision.reason:
        return ""
    if decision.reason not in known:
        reason = _("Choose the reason of the rejection.")
    elif decision.reason == RejectionReason.OTHER and not decision.note.strip():
        reason = _("Say in the note what the other reason is.")
    else:
        return decision.reason
    raise ReasonMissing(_("The image was not changed."), reason=reason, remedy="")
