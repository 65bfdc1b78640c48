"""The functions for a site's own code; import them as `from imagegen_app import generate`."""

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

    The keywords are those of `services.job_requests.composition.compose`: `template` and
    `variables`, or `prompt`; and `model`, `operation`, `size` ("1024x768"), `count`, `seed`,
    `quality`, `inputs`, `idempotency_key` and others.

    :raises ActionRefused: if the request is invalid, not allowed or over budget; its `message`,
        `reason` and `remedy` are written for the user.
    """
    actor = access.actor_for(user)
    return creation.request_images(
        actor=actor, job_request=composition.compose(actor=actor, **job_request)
    )


def estimate(*, user: Any, **job_request: Any) -> creation.Offer:
    """Return what a request would cost this user, the remaining budget, and a refusal if any.

    Takes the keywords of `generate`; creates no job.

    :raises ActionRefused: if the request is invalid or has no price.
    """
    actor = access.actor_for(user)
    return creation.offer(actor=actor, job_request=composition.compose(actor=actor, **job_request))


def attach(asset: Asset, target: models.Model, field: str, *, user: Any) -> Placement:
    """Put an approved asset into an image field of any object, and record the placement.

    :raises ActionRefused: if the user lacks a permission, the asset is not approved, or the field
        cannot hold an image.
    """
    return placement.attach(actor=access.actor_for(user), asset=asset, target=target, field=field)
