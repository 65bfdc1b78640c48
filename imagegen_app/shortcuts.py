"""The functions for a site's own code; import them as `from imagegen_app import generate`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from imagegen_app.core.actors import System
from imagegen_app.services.job_requests import composition, creation
from imagegen_app.services.job_requests.argument_types import check_argument_types
from imagegen_app.services.job_requests.creation import IdempotencyConflict, PromptBlocked
from imagegen_app.services.job_requests.prices import NoPrice
from imagegen_app.services.job_requests.values import InvalidJobRequest
from imagegen_app.services.library import placement
from imagegen_app.services.library.placement import CannotPlace
from imagegen_app.services.policy import access, site_setup
from imagegen_app.services.policy.access import ActionRefused, NotGranted, NotPermitted
from imagegen_app.services.policy.budget_refusals import OverBudget
from imagegen_app.services.policy.site_setup import InvalidSetup
from imagegen_app.services.policy.storage_refusals import ImageFileMissing, StorageUnavailable
from imagegen_app.services.policy.template_access import TemplateNotAllowed

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from django.db import models

    from imagegen_app.models import Asset, Job, Placement
    from imagegen_app.services.policy.site_setup import SetupReport

__all__ = [
    "ActionRefused",
    "CannotPlace",
    "IdempotencyConflict",
    "ImageFileMissing",
    "InvalidJobRequest",
    "InvalidSetup",
    "NoPrice",
    "NotGranted",
    "NotPermitted",
    "OverBudget",
    "PromptBlocked",
    "StorageUnavailable",
    "TemplateNotAllowed",
    "attach",
    "estimate",
    "generate",
    "set_up",
]


def generate(*, user: Any, **job_request: Any) -> Job:
    """Request images for a user and return the job at once; a worker makes them.

    A request is a `template` with its `variables`, or a `prompt`; and `model`, `operation`, `size`
    ("1024x768"), `count`, `seed`, `quality`, `inputs`, `idempotency_key` and the other keywords of
    a request, which are those of `services.job_requests.composition.compose`.

    :raises TypeError: if a keyword is unknown or its value has a wrong type; names all of them.
    :raises InvalidJobRequest: if a part of the request is not valid.
    :raises NotPermitted: if the user lacks the permission to request images.
    :raises TemplateNotAllowed: if the template is for other groups than the user's.
    :raises NotGranted: if no grant allows the user this model for this operation.
    :raises OverBudget: if a hard budget would be passed.
    :raises PromptBlocked: if a screener refuses the prompt.
    :raises NoPrice: if the model has no price for what is requested.
    :raises IdempotencyConflict: if the key belongs to another request.
    :raises StorageUnavailable: if an input cannot be read at present.
    :raises ImageFileMissing: if the file of an input is gone.

    All but the first are an `ActionRefused`; its `message`, `reason` and `remedy` are written for the user.
    """
    check_argument_types(job_request)
    actor = access.actor_for(user)
    composed = composition.compose(actor=actor, **job_request)
    # Nobody looks at its images in the studio and chooses one of them: all ask for a review.
    return creation.request_images(actor=actor, job_request=replace(composed, asks_for_review=True))


def estimate(*, user: Any, **job_request: Any) -> creation.Offer:
    """Return what a request would cost this user, the remaining budget, and a refusal if any.

    Takes the keywords of `generate`; creates no job.

    :raises TypeError: as `generate` does.
    :raises ActionRefused: if the request is invalid or has no price.
    """
    check_argument_types(job_request)
    actor = access.actor_for(user)
    return creation.offer(actor=actor, job_request=composition.compose(actor=actor, **job_request))


def attach(asset: Asset, target: models.Model, field: str, *, user: Any) -> Placement:
    """Put an approved asset into an image field of any object, and record the placement.

    :raises NotPermitted: if the user may not place assets, or not change the object.
    :raises CannotPlace: if the asset is not approved, or the field cannot hold an image.
    :raises StorageUnavailable: if the file cannot be copied at present.
    :raises ImageFileMissing: if the asset's file is gone.
    """
    return placement.attach(actor=access.actor_for(user), asset=asset, target=target, field=field)


def set_up(
    description: Mapping[str, Any] | str | os.PathLike[str],
    *,
    user: Any = None,
    dry_run: bool = False,
) -> SetupReport:
    """Set the site up: providers, models, groups with their people, grants and budgets.

    `description` is a dict, or the path of a file in TOML, JSON or YAML, as `manage.py imagegen_setup`
    takes it. What is there already stays, what differs is changed, what is not named is left alone. With
    a `user`, that person needs the permissions, and the audit log names them; without, it names the
    system. A dry run writes nothing.

    :raises InvalidSetup: if the description has a mistake; names all of them, and nothing is set up.
    :raises NotPermitted: if the user may not do a part of it.
    """
    actor = System("setup") if user is None else access.actor_for(user)
    carry_out = site_setup.preview if dry_run else site_setup.apply
    return carry_out(actor=actor, setup=site_setup.read(description))
