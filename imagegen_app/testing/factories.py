"""Make rows and files for tests, as a site that has run for a while would hold them.

Each function makes what it is not given, so that `make_asset()` alone is a whole, approved image:
provider, model, job, attempt, files in the storage and their rows. Nothing is audited: a test that
is about the log calls the use cases themselves. Files are real images, but bear no credentials.
"""

from __future__ import annotations

import hashlib
import io
import itertools
import os
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission
from PIL import Image

from imagegen_app.core.source_types import GENERATED
from imagegen_app.core.states import (
    FINAL_STATES,
    LIVE_ATTEMPT_STATES,
    AttemptState,
    JobState,
    ReviewState,
)
from imagegen_app.core.types import Operation
from imagegen_app.models import (
    Asset,
    Attempt,
    BrandKit,
    BrandKitVersion,
    Grant,
    ImageModel,
    Job,
    PromptTemplate,
    Provider,
    Rendition,
    TemplateVersion,
)
from imagegen_app.services.foundation import clock
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.gateways import storage
from imagegen_app.services.library import search_text
from imagegen_app.services.policy import roles

if TYPE_CHECKING:
    from collections.abc import Iterable

#: File extension and media type by format.
FORMATS = {
    "png": ("png", "image/png"),
    "jpeg": ("jpg", "image/jpeg"),
    "webp": ("webp", "image/webp"),
    "avif": ("avif", "image/avif"),
}
_numbers = itertools.count(1)


def make_image(*, size: tuple[int, int] = (64, 48), format: str = "png") -> bytes:  # noqa: A002 - the word of the tables
    """Return a small image that no other call returns."""
    patches = Image.frombytes("RGB", (4, 4), os.urandom(48))
    buffer = io.BytesIO()
    patches.resize(size, Image.Resampling.NEAREST).save(buffer, format=format.upper())
    return buffer.getvalue()


def make_user(
    username: str = "",
    *,
    groups: Iterable[str] = (),
    permissions: Iterable[str] = (),
    **fields: Any,
) -> Any:
    """Make a user in groups (`Image editors`) and with permissions (`imagegen.place_asset`).

    :raises LookupError: if no app knows such a permission.
    """
    user = get_user_model().objects.create_user(
        username=username or f"user-{next(_numbers)}", **fields
    )
    # Rows of the relations, without signals: what a test begins with is not an act to be recorded.
    _relate(user.groups, [make_group(name) for name in groups])
    for name in permissions:
        app_label, _dot, codename = name.partition(".")
        found = Permission.objects.filter(content_type__app_label=app_label, codename=codename)
        if not found:
            raise LookupError(f"{name} is not a known permission")
        _relate(user.user_permissions, found)
    return user


def _relate(relation: Any, rows: Iterable[Any]) -> None:
    source, target = relation.source_field.attname, relation.target_field.attname
    relation.through.objects.bulk_create(
        [
            relation.through(**{source: relation.instance.pk, target: row.pk})
            for row in {row.pk: row for row in rows}.values()
        ],
        ignore_conflicts=True,
    )


def make_group(name: str) -> Group:
    """Return the group of a name; our roles come with their permissions."""
    group, _created = Group.objects.get_or_create(name=name)
    if name in roles.ROLES:
        permissions = Permission.objects.filter(content_type__app_label="imagegen")
        _relate(group.permissions, permissions.filter(codename__in=roles.ROLES[name]))
    return group


@use_case(audited=False)
def make_provider(**fields: Any) -> Provider:
    """Make an enabled provider; by default one that draws locally (sandbox)."""
    number = next(_numbers)
    values = {"slug": f"provider-{number}", "name": f"Provider {number}", "adapter": "sandbox"}
    return Provider.objects.create(**{**values, **fields})


@use_case(audited=False)
def make_image_model(*, provider: Provider | None = None, **fields: Any) -> ImageModel:
    """Make an active image model at two cents an image."""
    number = next(_numbers)
    values: dict[str, Any] = {
        "slug": f"model-{number}",
        "name": f"Model {number}",
        "provider_model_name": f"model-{number}",
        "version": "1",
        "lifecycle": "active",
        "price_list": {"currency": "USD", "per_image": [{"amount": "0.02"}]},
        "provider": provider or make_provider(),
    }
    made: ImageModel = ImageModel.objects.create(**{**values, **fields})
    return made


@use_case(audited=False)
def make_grant(*, group: Group, image_model: ImageModel, **fields: Any) -> Grant:
    """Let a group use a model for every operation."""
    values: dict[str, Any] = {"operations": [o.value for o in Operation], "reason": "Test"}
    return Grant.objects.create(group=group, image_model=image_model, **{**values, **fields})


@use_case(audited=False)
def make_template(
    *,
    slug: str = "",
    body: str = "A quiet picture of a {{ product }}.",
    variables: Iterable[dict[str, Any]] = ({"name": "product", "label": "Product"},),
    **fields: Any,
) -> TemplateVersion:
    """Make a published prompt template and return its version."""
    number = next(_numbers)
    template = PromptTemplate.objects.create(
        slug=slug or f"template-{number}", name=f"Template {number}"
    )
    version = TemplateVersion.objects.create(
        template=template,
        number=1,
        body=body,
        variables=list(variables),
        published_at=clock.now(),
        **fields,
    )
    template.current = version
    template.save(update_fields=["current"])
    return version


@use_case(audited=False)
def make_brand_kit(
    *, slug: str = "", style_words: str = "soft daylight", **fields: Any
) -> BrandKitVersion:
    """Make a published brand kit and return its version."""
    number = next(_numbers)
    kit = BrandKit.objects.create(slug=slug or f"kit-{number}", name=f"Kit {number}")
    version: BrandKitVersion = BrandKitVersion.objects.create(
        kit=kit, number=1, style_words=style_words, **fields
    )
    kit.current = version
    kit.save(update_fields=["current"])
    return version


@use_case(audited=False)
def make_job(
    *,
    requester: Any = None,
    image_model: ImageModel | None = None,
    state: JobState | str = JobState.SUCCEEDED,
    **fields: Any,
) -> Job:
    """Make a job in a state, as the requester's own or a stranger's."""
    owner = requester or make_user()
    now = clock.now()
    is_over = JobState(state) in FINAL_STATES
    digest = hashlib.sha256(os.urandom(16)).hexdigest()
    values: dict[str, Any] = {
        "operation": Operation.GENERATE.value,
        "prompt": "A quiet picture of a mug.",
        "width": 64,
        "height": 48,
        "estimated_cost": Decimal("0.02"),
        "actual_cost": Decimal("0.02") if state == JobState.SUCCEEDED else None,
        "fingerprint": digest,
        "request_digest": digest,
        "deadline_at": now + timedelta(days=1),
        "due_at": None if is_over else now,
        "finished_at": now if is_over else None,
    }
    return Job.objects.create(
        requester=owner,
        actor_kind="person",
        actor_id=str(owner.pk),
        image_model=image_model or make_image_model(),
        state=JobState(state).value,
        **{**values, **fields},
    )


@use_case(audited=False)
def make_attempt(
    *,
    job: Job | None = None,
    state: AttemptState | str = AttemptState.SETTLED,
    **fields: Any,
) -> Attempt:
    """Make the next attempt of a job, by default settled and charged."""
    owner = job or make_job()
    now = clock.now()
    values: dict[str, Any] = {
        "number": owner.attempts.count() + 1,
        "request_digest": owner.request_digest,
        "reserved_cost": Decimal("0.02"),
        "actual_cost": Decimal("0.02") if state == AttemptState.SETTLED else None,
        "sent_at": None if state == AttemptState.CREATED else now,
    }
    return Attempt.objects.create(
        job=owner,
        live_job=owner if AttemptState(state) in LIVE_ATTEMPT_STATES else None,
        image_model=owner.image_model,
        state=AttemptState(state).value,
        **{**values, **fields},
    )


@use_case(audited=False)
def make_asset(
    *,
    review_state: ReviewState | str = ReviewState.APPROVED,
    requester: Any = None,
    job: Job | None = None,
    attempt: Attempt | None = None,
    size: tuple[int, int] = (64, 48),
    widths: Iterable[int] = (16, 32),
    formats: Iterable[str] = ("avif", "webp", "jpeg"),
    **fields: Any,
) -> Asset:
    """Make an asset in a state of review, with master, original and renditions in the storage."""
    if attempt is None:
        attempt = make_attempt(job=job or make_job(requester=requester))
    made_for = attempt.job
    master, original = make_image(size=size), make_image(size=size)
    key, sha256 = storage.put("assets", master, extension="png")
    original_key, original_sha256 = storage.put("originals", original, extension="png")
    values: dict[str, Any] = {
        "position": attempt.assets.count(),
        "title": "A mug",
        "alt_text": "A mug on a table",
        "sha256": sha256,
        "storage_key": key,
        "media_type": "image/png",
        "width": size[0],
        "height": size[1],
        "byte_size": len(master),
        "original_sha256": original_sha256,
        "original_storage_key": original_key,
        "original_media_type": "image/png",
        "original_byte_size": len(original),
        "digital_source_type": GENERATED,
        "c2pa_state": "none",
        "reviewed_at": None if review_state == ReviewState.PENDING else clock.now(),
        # A draft, which nobody was asked to review, has None.
        "review_requested_at": clock.now() if review_state == ReviewState.PENDING else None,
    }
    asset: Asset = Asset.objects.create(
        job=made_for,
        attempt=attempt,
        review_state=ReviewState(review_state).value,
        **{**values, **fields},
    )
    search_text.renew([asset.pk])
    for name in formats:
        for width in widths:
            make_rendition(asset=asset, format=name, width=width)
    return asset


@use_case(audited=False)
def make_rendition(*, asset: Asset, format: str, width: int) -> Rendition:  # noqa: A002 - the word of the tables
    """Make a derived file of an asset, in its own shape."""
    height = max(1, round(asset.height * width / asset.width))
    data = make_image(size=(width, height), format=format)
    key, sha256 = storage.put("renditions", data, extension=FORMATS[format][0])
    made: Rendition = Rendition.objects.create(
        asset=asset,
        format=format,
        width=width,
        height=height,
        sha256=sha256,
        storage_key=key,
        byte_size=len(data),
    )
    return made
