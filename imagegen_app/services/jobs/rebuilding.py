"""Rebuild a job's request from its row, byte for byte the same each time."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import replace
from typing import TYPE_CHECKING

from django.urls import reverse

from imagegen_app import conf
from imagegen_app.core.types import (
    ControlGuide,
    GenerationRequest,
    ImageInput,
    InputRole,
    Lora,
    Operation,
    Size,
)
from imagegen_app.services.gateways import storage

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from imagegen_app.models import Attempt, ImageModel, Job, JobInput


def operation_of(job: Job) -> Operation:
    """Return the job's operation as a value."""
    return Operation(job.operation)


def size_of(job: Job) -> Size:
    """Return the job's size as a value."""
    return Size(job.width, job.height)


def input_keys(job: Job) -> list[str]:
    """Return the storage keys of the job's input images."""
    return [entry.storage_key for entry in ordered_inputs(job)]


def read_inputs(keys: Iterable[str]) -> dict[str, bytes]:
    """Return the bytes of input images by key; needs no database.

    :raises StorageFailed: if one cannot be read.
    """
    return {key: storage.get(key) for key in keys}


def rebuild_request(job: Job, attempt: Attempt, files: Mapping[str, bytes]) -> GenerationRequest:
    """Return the request of one attempt; `files` holds the input images by key."""
    return replace(
        request_for_model(job, attempt.image_model, files=files),
        end_user=end_user_digest(job, provider_id=attempt.image_model.provider_id),
        idempotency_key=str(attempt.pk),
        webhook_url=webhook_url(attempt),
    )


def request_for_model(
    job: Job, image_model: ImageModel, *, files: Mapping[str, bytes] | None = None
) -> GenerationRequest:
    """Return what a job asks of a model, without the fields of a single attempt.

    Without `files` the input images have no bytes: enough to validate and hash the request.
    """
    return GenerationRequest(
        operation=operation_of(job),
        model=image_model.provider_model_name,
        prompt=job.prompt,
        size=size_of(job),
        count=job.count,
        negative_prompt=job.negative_prompt,
        seed=job.seed,
        quality=job.quality,
        output_format=job.output_format,
        background=job.background,
        inputs=tuple(
            ImageInput(
                role=InputRole(entry.role),
                media_type=entry.media_type,
                sha256=entry.sha256,
                width=entry.width,
                height=entry.height,
                data=b"" if files is None else files[entry.storage_key],
                guide=guide_of(entry),
            )
            for entry in ordered_inputs(job)
        ),
        parameters=dict(job.parameters),
        loras=tuple(Lora(**one) for one in job.loras),
    )


def guide_of(entry: JobInput) -> ControlGuide | None:
    """Return how an input image guides the result, if it is a control image."""
    return ControlGuide(**entry.guide) if entry.guide else None


def ordered_inputs(job: Job) -> list[JobInput]:
    """Return the job's input images by position; uses the prefetched ones if there are any."""
    return sorted(job.inputs.all(), key=lambda entry: entry.position)


def end_user_digest(job: Job, *, provider_id: object) -> str:
    """Return a keyed digest of the requester: the same in all requests of one person to a provider.

    Two providers are told different ones, so that they cannot find out that it is one person. The key
    is derived from the site's `SECRET_KEY` and used for nothing else. Empty, so that nothing is sent,
    where `IMAGEGEN["IDENTIFY_END_USERS"]` is off.
    """
    if not conf.get().identify_end_users:
        return ""
    key = hmac.digest(conf.secret_key().encode(), b"imagegen.end_user.key", "sha256")
    message = f"{provider_id}:{job.actor_kind}:{job.actor_id}".encode()
    return "h:" + hmac.new(key, message, hashlib.sha256).hexdigest()[:40]


def webhook_url(attempt: Attempt) -> str:
    """Return the attempt's webhook URL, or an empty text if the site has no public URL."""
    base = conf.get().public_url.rstrip("/")
    if not base:
        return ""
    return base + reverse("imagegen:webhook", args=[attempt_token(attempt)])


def attempt_token(attempt: Attempt) -> str:
    """Return the signed token that identifies an attempt in a webhook's URL."""
    key = conf.secret_key().encode()
    mac = hmac.new(key, f"imagegen.webhook:{attempt.pk}".encode(), hashlib.sha256).hexdigest()
    return f"{attempt.pk.hex}.{mac[:32]}"
