"""A job's call is built anew from its row: whatever was asked for is asked for again."""

from __future__ import annotations

import re
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import pytest

from imagegen_app.core.types import InputRole, Operation, Size
from imagegen_app.models import Job, JobInput
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.jobs import leases, rebuilding
from imagegen_app.testing.factories import make_attempt, make_image_model, make_job, make_user

if TYPE_CHECKING:
    from imagegen_app.models import Attempt

pytestmark = pytest.mark.django_db


@pytest.fixture
def job() -> Job:
    """Return a job in which every field of a request differs from its default."""
    made = make_job(
        operation="edit",
        prompt="A red mug",
        negative_prompt="no shadow",
        width=512,
        height=768,
        count=3,
        seed=7,
        quality="high",
        output_format="webp",
        background="transparent",
        parameters={"style": "vivid"},
    )
    add = use_case(audited=False)(JobInput.objects.create)
    for position, role in ((1, InputRole.MASK), (0, InputRole.IMAGE)):
        add(
            job=made,
            position=position,
            role=role.value,
            sha256=str(position) * 64,
            storage_key=f"inputs/{position}",
            media_type="image/png",
            width=64 + position,
            height=48,
        )
    return made


@pytest.fixture
def attempt(job: Job) -> Attempt:
    return make_attempt(job=job, state="created")


def test_a_request_is_rebuilt_with_all_that_was_asked_for(job: Job, attempt: Attempt) -> None:
    files = {"inputs/0": b"picture", "inputs/1": b"mask"}

    request = rebuilding.rebuild_request(job, attempt, files)

    assert request.operation is Operation.EDIT
    assert request.model == job.image_model.provider_model_name
    assert (request.prompt, request.negative_prompt) == ("A red mug", "no shadow")
    assert (request.size, request.count, request.seed) == (Size(512, 768), 3, 7)
    assert (request.quality, request.background) == ("high", "transparent")
    assert (request.output_format, request.parameters) == ("webp", {"style": "vivid"})
    assert [(one.role, one.data, one.width, one.sha256[0]) for one in request.inputs] == [
        (InputRole.IMAGE, b"picture", 64, "0"),
        (InputRole.MASK, b"mask", 65, "1"),
    ]
    assert request.idempotency_key == str(attempt.pk)


def test_a_provider_knows_a_person_again_and_not_who_it_is() -> None:
    ann = make_user("ann")
    first, second = make_job(requester=ann), make_job(requester=ann)
    other = make_job(requester=make_user("bob"))

    digest = rebuilding.end_user_digest(first, provider_id=1)

    assert digest == rebuilding.end_user_digest(second, provider_id=1)
    assert digest != rebuilding.end_user_digest(other, provider_id=1)
    assert re.fullmatch(r"h:[0-9a-f]{40}", digest)


def test_two_providers_cannot_tell_that_they_serve_one_person() -> None:
    ann = make_user("ann")
    models = (make_image_model(), make_image_model())
    jobs = [make_job(requester=ann, image_model=model) for model in models]
    attempts = [make_attempt(job=job) for job in jobs]

    requests = [
        rebuilding.rebuild_request(job, attempt, {})
        for job, attempt in zip(jobs, attempts, strict=True)
    ]

    assert requests[0].end_user != requests[1].end_user


def test_no_request_of_any_adapter_holds_who_asked(settings: Any) -> None:
    # Adapters know nothing of the database: what they can send of a person is in the request.
    settings.IMAGEGEN = {**settings.IMAGEGEN, "PUBLIC_URL": "https://shop.example/"}
    ann = make_user("ann-of-the-editors", email="ann@shop.example.org", pk=918273645)
    job = make_job(requester=ann)
    attempt = make_attempt(job=job, state="created")

    request = rebuilding.rebuild_request(job, attempt, {})

    # Fields that are hidden from a representation are sent, too.
    sent = repr({field.name: getattr(request, field.name) for field in fields(request)}).lower()
    assert request.end_user in sent
    for part in ("ann-of-the-editors", "ann@", "918273645"):
        assert part not in sent


def test_each_attempt_has_a_webhook_of_its_own(settings: Any, attempt: Attempt) -> None:
    assert rebuilding.webhook_url(attempt) == ""
    settings.IMAGEGEN = {**settings.IMAGEGEN, "PUBLIC_URL": "https://shop.example/"}
    other = make_attempt(job=make_job(), state="created")

    token = rebuilding.attempt_token(attempt)

    assert re.fullmatch(rf"{attempt.pk.hex}\.[0-9a-f]{{32}}", token)
    assert token.partition(".")[2] != rebuilding.attempt_token(other).partition(".")[2]
    url = rebuilding.webhook_url(attempt)
    assert url.startswith("https://shop.example/")
    assert "//" not in url.removeprefix("https://")
    assert token in url


@pytest.mark.parametrize(
    "changes",
    [{"prompt": "A blue mug"}, {"output_format": "png"}, {"seed": 8}, {"actor_id": "0"}],
    ids=lambda changes: next(iter(changes)),
)
def test_the_digest_of_a_call_changes_with_what_it_asks_for(
    job: Job, changes: dict[str, Any]
) -> None:
    before = leases.digest_of(job)

    for name, value in changes.items():
        setattr(job, name, value)

    assert leases.digest_of(job) != before


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        ("model", "provider_model_name"),
        ("model", "version"),
        ("provider", "slug"),
        ("provider", "adapter"),
        ("provider", "base_url"),
        ("provider", "credential"),
    ],
)
def test_the_digest_of_a_call_changes_with_whom_it_is_sent_to(
    job: Job, owner: str, name: str
) -> None:
    before = leases.digest_of(job)

    setattr(job.image_model if owner == "model" else job.image_model.provider, name, "other")

    assert leases.digest_of(job) != before
