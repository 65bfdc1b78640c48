"""Make several jobs of one request: alternatives of its words, and grids over one or two parameters.

All of them are checked, reserved and created together, or none is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING

from django.db import IntegrityError
from django.utils.translation import gettext as _

from imagegen_app.core.ids import uuid7
from imagegen_app.core.limits import MAX_GRID_CELLS
from imagegen_app.core.states import JobState
from imagegen_app.core.types import Cost
from imagegen_app.engines.base import wake
from imagegen_app.models import Job
from imagegen_app.providers.parameters import validation_errors
from imagegen_app.services.foundation import wakeups
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.job_requests import creation
from imagegen_app.services.job_requests.composition import LARGEST_SEED
from imagegen_app.services.job_requests.fallback_requests import request_with_model
from imagegen_app.services.job_requests.model_options import require_capabilities
from imagegen_app.services.job_requests.values import (
    GridPlace,
    InvalidJobRequest,
    describe_complaint,
)
from imagegen_app.services.policy import budgets
from imagegen_app.services.policy.access import ActionRefused

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from imagegen_app.core.actors import Actor
    from imagegen_app.models import ImageModel
    from imagegen_app.services.job_requests.creation import CheckedRequests, Offer
    from imagegen_app.services.job_requests.values import JobRequest

#: The axes that are no parameter of the model; `words` are the alternatives in its texts.
WORDS, SEED, MODEL = "words", "seed", "model"
_SIDES = 2


@dataclass(frozen=True, slots=True)
class Axis:
    """What differs along one side of a grid, and its values."""

    #: `words`, `seed`, `model`, or the name of a parameter.
    name: str
    #: Seeds, models, or values of the parameter.
    values: Sequence[Any]


@dataclass(frozen=True, slots=True)
class RequestSet:
    """Requests that are made together; of one, nothing differs."""

    #: Row by row.
    requests: tuple[JobRequest, ...]
    width: int = 1

    @property
    def is_single(self) -> bool:
        """Whether it is one request, and so no grid."""
        return len(self.requests) == 1

    @property
    def image_count(self) -> int:
        """How many images are requested in all."""
        return sum(one.provider_request.count for one in self.requests)


@dataclass(frozen=True, slots=True)
class SetOffer:
    """What several requests would cost together, and whether they would be refused at present."""

    offers: tuple[Offer, ...]
    cost: Cost
    refusal: ActionRefused | None


def plan_set(worded: Sequence[JobRequest], axes: Sequence[Axis] = ()) -> RequestSet:
    """Return the requests of a grid: each of `worded`, which differ in their words, along each axis.

    :raises InvalidJobRequest: if there are more than two sides or too many requests, or a value of an
        axis does not fit.
    """
    sides = [*([Axis(WORDS, worded)] if len(worded) > 1 else []), *axes]
    if len(sides) > _SIDES:
        raise InvalidJobRequest(
            _("Alternatives in words, and two parameters beside them, have no grid of two sides."),
            field="grid",
            remedy=_("Compare one parameter, or write the words without alternatives."),
        )
    if len({axis.name for axis in sides}) < len(sides):
        raise InvalidJobRequest(
            _("Both sides of the grid are the same."), field="grid", remedy=_("Choose another one.")
        )
    count = 1
    for axis in sides:
        count *= len(axis.values)
    if count > MAX_GRID_CELLS:
        raise too_many(count)
    if not sides:
        return RequestSet(tuple(worded))
    # The first side goes across, so that two are columns and rows; one alone is a row.
    across, down = sides[0], sides[1] if len(sides) == _SIDES else None
    key = uuid7()
    axes_of_grid = {
        "columns": across.name,
        "rows": "" if down is None else down.name,
        "width": len(across.values),
    }
    found: list[JobRequest] = []
    for row in [None] if down is None else down.values:
        for column in across.values:
            request = _with_value(worded[0], across.name, column)
            if down is not None:
                request = _with_value(request, down.name, row)
            place = GridPlace(key=key, cell=len(found), axes=axes_of_grid)
            found.append(replace(_checked(request), grid=place))
    if len(found) == 1:
        return RequestSet((replace(found[0], grid=None),))
    return RequestSet(tuple(found), width=len(across.values))


def too_many(count: int) -> InvalidJobRequest:
    """Return the refusal of more combinations than are made at once."""
    return InvalidJobRequest(
        _("These are %(count)s combinations; at most %(most)s are made at once.")
        % {"count": count, "most": MAX_GRID_CELLS},
        field="grid",
        remedy=_("Leave some of them out."),
    )


def with_form_keys(planned: RequestSet, *, page: str) -> RequestSet:
    """Return the set with idempotency keys; a page submitted twice creates one set."""
    keyed = [creation.with_form_key(one, page=page) for one in planned.requests]
    if page and not planned.is_single:
        # Requests that are alike, such as of two equal alternatives, are made nevertheless.
        keyed = [
            replace(one, idempotency_key=f"{one.idempotency_key[:100]}:{number}")
            for number, one in enumerate(keyed)
        ]
    return replace(planned, requests=tuple(keyed))


def offer_set(*, actor: Actor, planned: RequestSet) -> SetOffer:
    """Return what the requests would cost together, and whether they would be refused.

    :raises NoPrice: if a price list has no price for one of them.
    :raises InvalidPass: if their parts are priced in several currencies.
    """
    offers = creation.offers(actor=actor, job_requests=planned.requests)
    refusal = next((one.refusal for one in offers if one.refusal is not None), None)
    currencies = sorted({one.cost.currency for one in offers})
    paid = [one for one in offers if not one.is_cached]
    amount = sum((one.cost.amount for one in paid), start=Decimal(0))
    if len(currencies) > 1:
        refusal = refusal or InvalidJobRequest(
            _("The models of this grid are priced in several currencies: %(currencies)s.")
            % {"currencies": ", ".join(currencies)},
            field="grid",
            remedy=_("Choose models of one currency."),
        )
    totals: dict[ImageModel, Decimal] = {}
    for one in paid:
        model = one.job_request.image_model
        totals[model] = totals.get(model, Decimal(0)) + one.cost.amount
    for one in paid:
        # Of each model what its requests cost together.
        total = replace(one.cost, amount=totals[one.job_request.image_model])
        refusal = refusal or budgets.refusal_for(total, one.allowance)
    return SetOffer(tuple(offers), Cost(amount=amount, currency=currencies[0]), refusal)


def request_set(*, actor: Actor, planned: RequestSet) -> list[Job]:
    """Create the jobs of several requests at once, or return those that their keys created before.

    Rules are checked and screeners asked first; then all jobs, their reservation and their events are
    written in one transaction. Jobs that a screener blocks are among them, in that state.

    :raises NotGranted: if one is not granted.
    :raises NoPrice: if one cannot be priced.
    :raises OverBudget: if a budget has too little remaining for all.
    :raises PromptBlocked: if a single request is blocked.
    """
    if planned.is_single:
        return [creation.request_images(actor=actor, job_request=planned.requests[0])]
    existing = _existing(actor, planned)
    if existing:
        return existing
    try:
        # Outside any transaction: a screener may be a slow remote service.
        jobs = _create_all(
            actor=actor,
            checked=creation.check_requests(actor=actor, job_requests=planned.requests),
        )
    except ActionRefused as refusal:
        creation.record_refusal(actor=actor, job_request=planned.requests[0], refusal=refusal)
        raise
    except IntegrityError:
        # The same page was sent twice at once, and the other request was first.
        existing = _existing(actor, planned)
        if not existing:
            raise
        return existing
    wakeups.wake_if_stale()
    return jobs


@use_case()
def _create_all(*, actor: Actor, checked: CheckedRequests) -> list[Job]:
    jobs = creation.create_jobs(actor=actor, checked=checked)
    if any(job.state not in {JobState.BLOCKED, JobState.SUCCEEDED} for job in jobs):
        wake("drive")
    return jobs


def _existing(actor: Actor, planned: RequestSet) -> list[Job]:
    keys = [one.idempotency_key for one in planned.requests if one.idempotency_key]
    if not keys:
        return []
    return list(
        Job.objects.filter(
            actor_kind=actor.kind, actor_id=actor.id, idempotency_key__in=keys
        ).order_by("grid_cell")
    )


def _with_value(job_request: JobRequest, name: str, value: Any) -> JobRequest:
    """Return the request with one value of an axis in it."""
    if name == WORDS:
        worded: JobRequest = value
        return worded
    if name == MODEL:
        return request_with_model(job_request, value)
    request = job_request.provider_request
    if name == SEED:
        if not 0 <= value <= LARGEST_SEED:
            raise InvalidJobRequest(
                _("A seed must be between 0 and %(most)s.") % {"most": LARGEST_SEED}, field="seed"
            )
        return replace(job_request, provider_request=replace(request, seed=value))
    parameters = {**request.parameters, name: value}
    return replace(job_request, provider_request=replace(request, parameters=parameters))


def _checked(job_request: JobRequest) -> JobRequest:
    offer = require_capabilities(job_request.image_model)
    complaint = next(validation_errors(job_request.provider_request, capabilities=offer), None)
    if complaint is not None:
        raise InvalidJobRequest(
            describe_complaint(job_request.image_model, complaint),
            field=complaint.part,
            remedy=_("Choose another value or another model."),
        )
    return job_request
