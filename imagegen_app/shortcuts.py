"""The three functions that a site's own code needs; also `from imagegen_app import …`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from imagegen_app.services.job_requests import composition, creation
from imagegen_app.services.library import placement
from imagegen_app.services.policy import access

if TYPE_CHECKING:
    from django.db import models

    from imagegen_app.models import Asset, Job, Placement


def generate(*, user: Any, **job_request: Any) -> Job:
    """Request images for a user and return the job at once; a worker makes them.

    Keywords are those of `services.job_requests.composition.compose`: `template` and `variables`, or `prompt`; and
    `model`, `operation`, `size` ("1024x768"), `count`, `seed`, `quality`, `inputs`,
    `idempotency_key` and so on.

    :raises ActionRefused: if it is not allowed, does not fit, or costs too much; the error says what,
        why and whom to ask.
    """
    actor = access.actor_for(user)
    return creation.request_images(
        actor=actor, job_request=composition.compose(actor=actor, **job_request)
    )


def estimate(*, user: Any, **job_request: Any) -> creation.Offer:
    """Return what a request would cost this user, what is left, and whether it would be refused.

    Takes the keywords of `generate`; makes nothing.

    :raises ActionRefused: if it does not fit or has no price.
    """
    actor = access.actor_for(user)
    return creation.offer(actor=actor, job_request=composition.compose(actor=actor, **job_request))


def attach(asset: Asset, target: models.Model, field: str, *, user: Any) -> Placement:
    """Put an approved asset into an image field of any object, and remember it.

    :raises ActionRefused: if the user may not, the asset is not approved, or the field holds no images.
    """
    return placement.attach(actor=access.actor_for(user), asset=asset, target=target, field=field)
