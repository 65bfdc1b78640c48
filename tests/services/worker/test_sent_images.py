"""What really arrives at a provider, a screener and a captioner of the images handed in."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from PIL import Image

from imagegen_app.captioning.base import Caption
from imagegen_app.core.capabilities import Capabilities, InputRule
from imagegen_app.core.states import VerdictOutcome
from imagegen_app.core.types import InputRole, Operation
from imagegen_app.moderation.base import ScreenerDecision
from imagegen_app.providers.sandbox import CAPABILITIES, Sandbox
from imagegen_app.services.job_requests.values import InputSource
from imagegen_app.services.jobs import pass_chain
from imagegen_app.services.worker import driver
from imagegen_app.testing.factories import (
    make_grant,
    make_group,
    make_image_model,
    make_provider,
)
from tests.imaging import sample_images
from tests.imaging.sample_images import encoded, opened, photograph, picture
from tests.services.conftest import Site, at_simulator, governed

if TYPE_CHECKING:
    from imagegen_app.models import Job
    from imagegen_app.testing.simulator.process import SimulatorProcess
    from imagegen_app.testing.simulator.received import ReceivedImage

#: What a file that leaves the site must not contain: EXIF, XMP, IPTC, profiles, manifests, comments.
METADATA = (*sample_images.PRIVATE, b"eXIf", b"iTXt", b"tEXt", b"zTXt", b"caBX", b"jumb", b"c2pa")
LARGE = {"size": "1024x1024"}


@pytest.fixture
def openai(
    db: None, small: Any, simulator: SimulatorProcess, monkeypatch: pytest.MonkeyPatch
) -> Site:
    return governed(at_simulator(simulator, small, monkeypatch, "openai"))


def drive(job: Job) -> Job:
    driver.drive(seconds=15)
    job.refresh_from_db()
    assert job.state == "succeeded", job.error_message
    return job


def upload(data: bytes, role: InputRole = InputRole.IMAGE) -> InputSource:
    return InputSource(role=role, data=data)


def require_clean(images: list[ReceivedImage]) -> None:
    """Require that the files hold pixels and nothing else."""
    assert images
    for image in images:
        assert not [kind for kind in METADATA if kind in image.data], image
        read = opened(image.data)
        assert dict(read.getexif()) == {}
        assert not set(read.info) - {"jfif", "jfif_version", "jfif_unit", "jfif_density"}


def is_near(found: object, expected: tuple[int, int, int]) -> bool:
    assert isinstance(found, tuple)
    return all(abs(a - b) <= 6 for a, b in zip(found[:3], expected, strict=True))


def test_a_photograph_arrives_upright_and_without_metadata(
    openai: Site, simulator: SimulatorProcess
) -> None:
    drive(openai.request(inputs=[upload(photograph())], operation=Operation.EDIT, **LARGE))

    (arrived,) = simulator.received()
    require_clean([arrived])
    image = opened(arrived.data)
    assert (arrived.media_type, image.size) == ("image/jpeg", (120, 160))
    assert is_near(image.getpixel((60, 5)), (254, 0, 0))


@pytest.mark.parametrize(
    "data",
    [
        encoded(picture(mode="CMYK"), "jpeg"),
        encoded(picture(), "avif"),
        sample_images.mpo(),
        sample_images.sixteen_bit_grey(160, 120),
    ],
    ids=["cmyk", "avif", "several pictures", "16-bit grey"],
)
def test_other_kinds_of_images_arrive_as_8_bit_srgb(
    jobs_site: Site, simulator: SimulatorProcess, data: bytes
) -> None:
    drive(jobs_site.request(inputs=[upload(data)], operation=Operation.EDIT))

    (arrived,) = simulator.received()
    require_clean([arrived])
    image = opened(arrived.data)
    assert (image.mode, image.size) == ("RGB", (160, 120))
    assert f"image/{str(image.format).lower()}" == arrived.media_type


def test_a_mask_arrives_as_large_as_the_turned_photograph(
    openai: Site, simulator: SimulatorProcess
) -> None:
    mask = Image.new("I;16", (60, 80))
    mask.paste(65535, (0, 0, 60, 40))
    inputs = [upload(photograph()), upload(encoded(mask, "png"), InputRole.MASK)]

    drive(openai.request(inputs=inputs, operation=Operation.INPAINT, **LARGE))

    image, area = simulator.received()
    require_clean([image, area])
    alpha = opened(area.data).getchannel("A")
    assert opened(image.data).size == alpha.size == (120, 160)
    assert (alpha.getpixel((60, 5)), alpha.getpixel((60, 155))) == (0, 255)


def test_a_turned_photograph_is_outpainted_upright(
    openai: Site, simulator: SimulatorProcess
) -> None:
    drive(openai.request(inputs=[upload(photograph())], operation=Operation.OUTPAINT, **LARGE))

    canvas, area = (opened(image.data) for image in simulator.received())
    require_clean(simulator.received())
    left, top = (1024 - 120) // 2, (1024 - 160) // 2
    assert canvas.size == area.size == (1024, 1024)
    assert canvas.getchannel("A").getbbox() == (left, top, left + 120, top + 160)
    assert is_near(canvas.getpixel((512, top + 5)), (254, 0, 0))


def test_an_asset_arrives_without_our_marks_and_manifest(
    jobs_site: Site, simulator: SimulatorProcess
) -> None:
    asset = drive(jobs_site.request()).assets.get()

    drive(jobs_site.request(inputs=[InputSource(asset=asset)], operation=Operation.EDIT))

    require_clean(simulator.received())


def test_a_follow_up_pass_sends_the_image_without_our_marks_and_manifest(
    jobs_site: Site, simulator: SimulatorProcess
) -> None:
    slug = jobs_site.model.slug

    root = drive(jobs_site.request(passes=[f"upscale:2:{slug}", f"upscale:2:{slug}"]))

    driver.drive(seconds=15)
    assert [job.state for job in pass_chain.all_jobs(root)] == ["succeeded"] * 3
    require_clean(simulator.received())
    assert [image.operation for image in simulator.received()] == ["upscale", "upscale"]


class Tiny(Sandbox):
    """An adapter of a model that takes files of ten bytes only."""

    is_remote: ClassVar[bool] = False

    def capabilities(self, model: str) -> Capabilities:
        return replace(CAPABILITIES, inputs={InputRole.IMAGE: InputRule(max_bytes=10)})


def test_an_image_that_the_next_pass_cannot_take_is_kept(site: Site, small: Any) -> None:
    path = "tests.services.worker.test_sent_images.Tiny"
    small.IMAGEGEN = {**small.IMAGEGEN, "ADAPTERS": {"tiny": path}}
    tiny = make_image_model(provider=make_provider(adapter="tiny"))
    make_grant(group=make_group("Image editors"), image_model=tiny)

    root = drive(site.request(passes=[f"upscale:2:{tiny.slug}"]))

    driver.drive(seconds=15)
    _, following = pass_chain.all_jobs(root)
    assert root.assets.count() == 1
    assert (following.state, following.error_code) == ("failed", "unsupported_parameter")


class Recording:
    """A screener that keeps the images that it was asked about."""

    asked: list[bytes] = []

    def screen_text(self, text: str) -> ScreenerDecision:
        return ScreenerDecision(outcome=VerdictOutcome.PASSED)

    def screen_image(self, data: bytes, *, media_type: str) -> ScreenerDecision:
        assert media_type == f"image/{str(opened(data).format).lower()}"
        self.asked.append(data)
        return ScreenerDecision(outcome=VerdictOutcome.PASSED)


class Describing:
    """A captioner that keeps the images that it was asked about."""

    def describe(self, data: bytes, *, media_type: str, language: str, purpose: str) -> Caption:
        assert media_type == f"image/{str(opened(data).format).lower()}"
        Recording.asked.append(data)
        return Caption(text="A mug")


def test_screeners_and_captioners_of_results_get_pixels_only(site: Site, small: Any) -> None:
    Recording.asked.clear()
    here = "tests.services.worker.test_sent_images"
    small.IMAGEGEN = {
        **small.IMAGEGEN,
        "SCREENERS": [{"BACKEND": f"{here}.Recording", "NAME": "recording", "STAGES": ["output"]}],
        "CAPTIONER": {"BACKEND": f"{here}.Describing", "NAME": "describing"},
    }

    job = drive(site.request())

    assert job.assets.get().alt_suggestion == "A mug"
    assert len(Recording.asked) == 2
    assert not [kind for kind in METADATA for data in Recording.asked if kind in data]


def test_a_screener_of_input_images_sees_what_is_sent(
    jobs_site: Site, simulator: SimulatorProcess, small: Any
) -> None:
    Recording.asked.clear()
    backend = "tests.services.worker.test_sent_images.Recording"
    small.IMAGEGEN = {
        **small.IMAGEGEN,
        "SCREENERS": [{"BACKEND": backend, "NAME": "recording", "STAGES": ["input"]}],
    }

    drive(jobs_site.request(inputs=[upload(photograph())], operation=Operation.EDIT))

    assert Recording.asked == [image.data for image in simulator.received()]
    require_clean(simulator.received())
