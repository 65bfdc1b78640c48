"""Uploads and assets as input images: what the job records and stores, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image, ImageDraw

from imagegen_app.core.capabilities import Capabilities, InputRule
from imagegen_app.core.limits import MAX_INPUTS
from imagegen_app.core.source_types import COMPOSITE, ENHANCED, GENERATED
from imagegen_app.core.types import InputRole, Operation
from imagegen_app.imaging.content_credentials import SoftwareAgent, read_content_credentials, sign
from imagegen_app.imaging.isolation import DecoderPool
from imagegen_app.imaging.pipeline import prepare
from imagegen_app.providers.sandbox import CAPABILITIES, Sandbox
from imagegen_app.services.gateways import decoding, storage
from imagegen_app.services.gateways.signing import signing_identity
from imagegen_app.services.job_requests import creation, from_job
from imagegen_app.services.job_requests.values import InputSource, InvalidJobRequest
from imagegen_app.services.worker import driver
from imagegen_app.services.worker._ingest_options import ingest_options
from imagegen_app.testing.factories import make_image_model, make_provider
from tests.imaging import sample_images
from tests.imaging.sample_images import encoded, opened, photograph, picture
from tests.services.conftest import Site, governed

if TYPE_CHECKING:
    from pathlib import Path

    from imagegen_app.imaging.content_credentials import ContentCredentials
    from imagegen_app.models import Job, JobInput

EDIT = {"operation": Operation.EDIT}
#: Which files the model of `Strict` takes.
STRICT = Capabilities(
    operations=CAPABILITIES.operations,
    sizes=CAPABILITIES.sizes,
    max_inputs=2,
    supports_mask=True,
    inputs={
        InputRole.IMAGE: InputRule(formats=("jpeg",), max_side=100, max_count=1),
        InputRole.MASK: InputRule(formats=("png",), max_bytes=2000, max_count=1),
    },
)


class Strict(Sandbox):
    """An adapter of a model that takes few kinds of input images."""

    def capabilities(self, model: str) -> Capabilities:
        return STRICT


@pytest.fixture
def strict_site(db: None, small: Any) -> Site:
    path = "tests.services.job_requests.test_input_images.Strict"
    small.IMAGEGEN = {**small.IMAGEGEN, "ADAPTERS": {"strict": path}}
    return governed(make_image_model(provider=make_provider(adapter="strict")))


@pytest.fixture
def folder(small: Any, tmp_path: Path) -> Path:
    """Store all files in an empty folder."""
    small.STORAGES = {
        **small.STORAGES,
        "imagegen": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": str(tmp_path)},
        },
    }
    return tmp_path


def upload(data: bytes, role: InputRole = InputRole.IMAGE) -> InputSource:
    return InputSource(role=role, data=data)


def signed(data: bytes) -> bytes:
    """Return a PNG with Content Credentials."""
    return sign(
        data,
        "image/png",
        signing=signing_identity(),
        title="signed elsewhere",
        operation=Operation.GENERATE,
        digital_source_type=GENERATED,
        software_agent=SoftwareAgent(name="another site", version="1"),
    )


def entries(job: Job) -> list[JobInput]:
    return list(job.inputs.order_by("position"))


def parents(job: Job) -> list[tuple[str, str, str]]:
    """Return the files that the result is signed as made from."""
    return [
        (one.storage_key, one.media_type, one.relationship)
        for one in ingest_options(job, job.attempts.get()).parents
    ]


def credentials_of(job: Job) -> ContentCredentials:
    asset = job.assets.get()
    return read_content_credentials(storage.get(asset.storage_key), asset.media_type)


def finished(job: Job) -> Job:
    driver.drive(seconds=15)
    job.refresh_from_db()
    assert job.state == "succeeded", job.error_message
    return job


def test_nothing_private_of_an_upload_is_stored(site: Site, folder: Path) -> None:
    job = finished(site.request(inputs=[upload(photograph())], **EDIT))

    (entry,) = entries(job)
    files = [path.read_bytes() for path in folder.rglob("*") if path.is_file()]
    assert len(files) > 2
    assert not [data for data in files if b"Sentinel" in data]
    assert entry.original_storage_key == ""
    assert (entry.width, entry.height, entry.media_type) == (120, 160, "image/jpeg")
    assert entry.storage_key.endswith(".jpg")
    assert entry.sha256 == storage.file_hash(storage.get(entry.storage_key))


def test_the_original_is_kept_where_the_setting_says_so(site: Site, small: Any) -> None:
    small.IMAGEGEN = {**small.IMAGEGEN, "IMAGES": {"KEEP_ORIGINAL_INPUTS": True}}

    (entry,) = entries(site.request(inputs=[upload(photograph())], **EDIT))

    assert storage.get(entry.original_storage_key) == photograph()
    assert b"Sentinel" not in storage.get(entry.storage_key)


def test_the_manifest_of_a_signed_upload_is_kept_and_names_the_parent_of_the_result(
    site: Site,
) -> None:
    data = signed(encoded(picture(), "png"))

    job = finished(site.request(inputs=[upload(data)], **EDIT))
    rerun = from_job.job_request_from(actor=site.actor, job=job)
    again = finished(
        creation.request_images(actor=site.actor, job_request=replace(rerun, replaces=None))
    )

    for one in (job, again):
        (entry,) = entries(one)
        assert entry.original_storage_key == ""
        assert b"c2pa" in storage.get(entry.manifest_key)
        assert b"c2pa" not in storage.get(entry.storage_key)
        assert entry.ingredient_facts["sha256"] == storage.file_hash(data)
        assert entry.ingredient_facts["state"] == "valid"
        assert credentials_of(one).ingredients == 1


def test_an_asset_is_sent_without_its_marks_and_stays_the_parent_of_the_result(site: Site) -> None:
    asset = finished(site.request()).assets.get()

    job = finished(site.request(inputs=[InputSource(asset=asset)], **EDIT))

    (entry,) = entries(job)
    sent, stored = storage.get(entry.storage_key), storage.get(asset.storage_key)
    assert entry.asset == asset
    assert b"c2pa" in stored
    assert b"c2pa" not in sent
    assert b"Iptc4xmpExt" not in sent
    assert opened(sent).tobytes() == opened(stored).tobytes()
    assert parents(job) == [(asset.storage_key, asset.media_type, "parentOf")]
    assert credentials_of(job).ingredients == 1


@pytest.mark.parametrize(
    ("operation", "is_marked", "expected"),
    [
        (Operation.UPSCALE, True, GENERATED),
        (Operation.UPSCALE, False, ENHANCED),
        (Operation.EDIT, False, COMPOSITE),
    ],
)
def test_the_mark_of_a_generated_upload_is_not_lost(
    site: Site, operation: Operation, is_marked: bool, expected: str
) -> None:
    data = encoded(picture(64, 64), "png")
    if is_marked:
        data = prepare(data, sample_images.with_formats("webp")).master.data

    job = finished(site.request(inputs=[upload(data)], operation=operation))
    again = from_job.job_request_from(actor=site.actor, job=job)

    assert job.assets.get().digital_source_type == expected
    assert again.input_origins[0].digital_source_type == entries(job)[0].digital_source_type


@pytest.mark.parametrize(
    ("operation", "expected"),
    [(Operation.UPSCALE, GENERATED), (Operation.VARY, COMPOSITE)],
)
def test_an_upload_that_only_its_manifest_calls_generated_counts_as_generated(
    site: Site, operation: Operation, expected: str
) -> None:
    inputs = [upload(signed(encoded(picture(64, 64), "png")))]
    if operation is Operation.VARY:
        # With a photograph beside it, the result is composed of both.
        inputs.append(upload(photograph(), InputRole.REFERENCE))

    job = finished(site.request(inputs=inputs, operation=operation))
    again = from_job.job_request_from(actor=site.actor, job=job)

    assert job.assets.get().digital_source_type == expected
    assert entries(job)[0].digital_source_type == GENERATED
    assert again.input_origins[0].digital_source_type == GENERATED


def test_the_same_upload_again_is_the_same_request(site: Site) -> None:
    job = site.request(inputs=[upload(photograph())], **EDIT)

    again = from_job.job_request_from(actor=site.actor, job=job)

    assert again.provider_request.inputs[0].sha256 == entries(job)[0].sha256


def test_an_image_is_converted_to_what_the_model_takes(strict_site: Site) -> None:
    mask = Image.new("L", (160, 120))
    ImageDraw.Draw(mask).rectangle((0, 0, 79, 119), fill=255)

    job = strict_site.request(
        inputs=[
            upload(encoded(mask, "webp", lossless=True), InputRole.MASK),
            upload(encoded(picture(mode="RGBA"), "png")),
        ],
        operation=Operation.INPAINT,
    )

    first, second = entries(job)
    assert (first.role, first.media_type, first.width, first.height) == (
        "mask",
        "image/png",
        100,
        75,
    )
    assert (second.role, second.media_type) == ("image", "image/jpeg")
    assert (second.width, second.height) == (100, 75)


@pytest.mark.parametrize(
    ("inputs", "field", "reason"),
    [
        ([upload(sample_images.REFUSED["gif"][0])], "inputs", "GIF is not accepted"),
        (
            [
                upload(encoded(picture(), "png")),
                upload(encoded(picture(80, 80), "png"), InputRole.MASK),
            ],
            "mask",
            "other proportions",
        ),
        ([upload(encoded(picture(), "png"))] * 2, "inputs", "only one image is possible"),
        # By the model's own limit, which is the smaller one.
        ([upload(b"unread")] * (MAX_INPUTS + 1), "inputs", "at most 2 images"),
    ],
)
def test_an_input_that_cannot_be_sent_is_refused_with_the_reason(
    strict_site: Site, inputs: list[InputSource], field: str, reason: str
) -> None:
    with pytest.raises(InvalidJobRequest) as caught:
        strict_site.job_request(inputs=inputs, **EDIT)

    assert (caught.value.field, reason in caught.value.reason) == (field, True)
    assert caught.value.remedy


def test_no_model_is_handed_more_images_than_the_site_accepts(site: Site) -> None:
    wide = make_image_model(capabilities={"max_inputs": MAX_INPUTS + 5})

    with pytest.raises(InvalidJobRequest, match=f"At most {MAX_INPUTS} input images") as caught:
        site.job_request(model=wide, inputs=[upload(b"unread")] * (MAX_INPUTS + 1), **EDIT)

    assert caught.value.field == "inputs"


def test_an_image_that_crashes_the_decoder_does_not_crash_the_site(
    site: Site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    deaths = ",".join(f"inspect.in_decoder@{tmp_path / str(number)}" for number in range(2))
    monkeypatch.setenv("IMAGEGEN_FAILPOINTS", deaths)
    monkeypatch.setenv("IMAGEGEN_TESTING", "1")

    with DecoderPool(1) as pool, pytest.MonkeyPatch.context() as patch:
        patch.setitem(decoding._pools, "decoder", pool)
        with pytest.raises(InvalidJobRequest) as caught:
            site.job_request(inputs=[upload(encoded(picture(), "png"))], **EDIT)

    assert "crashed the decoder" in caught.value.reason
    assert len(list(tmp_path.iterdir())) == 2
