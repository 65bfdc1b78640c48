"""A mask over the studio's source image: drawn without script, checked, and what goes wrong with it."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from PIL import Image

from imagegen_app.models import Asset, ImageModel, Job, JobInput
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.gateways import storage
from imagegen_app.testing.factories import make_asset, make_job, make_user
from tests import arranged_rows

if TYPE_CHECKING:
    from django.test import Client

STUDIO = "admin:imagegen_studio"
SIZE = (128, 96)


@pytest.fixture
def edda(client: Client, db: None, immediate: Any, django_user_model: Any) -> Client:
    arranged_rows.demo_shop()
    client.force_login(django_user_model.objects.get(username="editor"))
    return client


@pytest.fixture
def source(edda: Client, django_user_model: Any) -> Any:
    owner = django_user_model.objects.get(username="editor")
    model = ImageModel.objects.get(slug="sandbox-1")
    return make_asset(job=make_job(requester=owner, image_model=model), size=SIZE)


def png(size: tuple[int, int] = SIZE, mode: str = "L", box: int = 32) -> bytes:
    image = Image.new(mode, size)
    image.paste(Image.new(mode, (box, box), "white"), (0, 0))
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def posted(client: Client, source: Any, *, to: str = STUDIO, **values: Any) -> Any:
    model = str(source.job.image_model_id)
    data = {
        "prompt": "a red sun",
        "shown_template": "",
        "image_model": model,
        "shown_model": model,
        "asset": str(source.pk),
        "operation": "inpaint",
        "size": "source",
        "count": "1",
        "generate": "1",
        **values,
    }
    return client.post(f"{reverse(to)}?from={source.pk}", data)


def painted(data: bytes, name: str = "mask.png") -> dict[str, Any]:
    """What the editor's script sends."""
    return {
        "mask": SimpleUploadedFile(name, data, content_type="image/png"),
        "mask_drawn": "1",
        "mask_operations": '[{"kind":"rect","erase":false,"x":0,"y":0,"width":32,"height":32}]',
    }


def mask_of(job: Job) -> Image.Image:
    stored = JobInput.objects.get(job=job, role="mask")
    return Image.open(io.BytesIO(storage.get(stored.storage_key)))


def test_parts_and_a_rectangle_are_drawn_without_script(edda: Client, source: Any) -> None:
    posted(edda, source, mask_cells=["8"], mask_left=0, mask_top=0, mask_width=32, mask_height=16)

    mask = mask_of(Job.objects.latest("created_at"))
    assert (mask.size, mask.mode) == (SIZE, "L")
    assert mask.histogram()[255] == 32 * 16 + 43 * 32


def test_what_is_painted_goes_before_the_numbers(edda: Client, source: Any) -> None:
    posted(edda, source, **painted(png()), mask_cells=["8"], mask_feather="4")

    mask = mask_of(Job.objects.latest("created_at"))
    assert mask.getpixel((127, 95)) == 0
    assert 64 < int(mask.getpixel((32, 8))) < 192  # type: ignore[arg-type]  # grey


def test_the_price_counts_a_mask_that_is_not_sent_along(edda: Client, source: Any) -> None:
    quote = "admin:imagegen_studio_quote"

    without = posted(edda, source, to=quote).content.decode()
    promised = posted(edda, source, to=quote, chosen_mask="1").content.decode()
    in_words = posted(edda, source, to=quote, mask_cells=["4"]).content.decode()

    assert "No area is marked yet." in without
    assert "Generate 1 · about 0.02" in promised
    assert "Generate 1 · about 0.02" in in_words


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        (painted(png((64, 48))), "The mask is not as large as the image"),
        (painted(png(mode="RGB")), "The mask is not a grey picture"),
        (painted(png(box=0 + 1).replace(b"IDAT", b"IDAX")), "damaged"),
        (painted(png()[:60]), "incomplete"),
        (painted(b"<html>"), "This is a web page, not an image."),
        (painted(png(box=128)), "The whole image is masked"),
        ({"mask_cells": list("012345678")}, "The whole image is masked"),
        ({"mask_left": 500, "mask_width": 5, "mask_height": 5}, "Nothing is masked"),
    ],
)
def test_a_mask_that_cannot_be_used_is_refused_with_one_sentence(
    edda: Client, source: Any, values: dict[str, Any], sentence: str
) -> None:
    before = Job.objects.count()

    answer = posted(edda, source, **values)

    html = answer.content.decode()
    assert answer.status_code == 422
    assert html.count('role="alert"><p><strong>') == 1
    assert sentence in html
    assert Job.objects.count() == before
    # Nothing is lost: the words, and what was painted.
    assert "a red sun" in html
    assert ("&quot;kind&quot;:&quot;rect&quot;" in html) is ("mask_operations" in values)


def test_another_model_keeps_what_was_painted(edda: Client, source: Any) -> None:
    values = {"mask_operations": '[{"kind":"invert"}]', "mask_cells": ["2", "4"], "mask_feather": 9}

    again = edda.post(
        f"{reverse(STUDIO)}?from={source.pk}",
        {"asset": str(source.pk), "operation": "inpaint", "load": "1", **values},
    ).content.decode()

    assert "Choose the files again" not in again
    assert again.count("checked") >= 2
    assert "&quot;invert&quot;" in again


@pytest.mark.parametrize("state", ["withdrawn", "rejected"])
def test_a_source_image_that_was_decided_against_meanwhile_is_told(
    edda: Client, source: Any, state: str
) -> None:
    use_case(audited=False)(Asset.objects.filter(pk=source.pk).update)(review_state=state)
    before = Job.objects.count()

    answer = posted(edda, source, **painted(png()))

    html = answer.content.decode()
    assert Job.objects.count() == before
    assert "The image to start from cannot be used any more" in html
    assert "a red sun" in html


def test_an_image_of_somebody_else_is_no_source(edda: Client, source: Any) -> None:
    theirs = make_asset(
        job=make_job(requester=make_user(), image_model=source.job.image_model),
        review_state="pending",
    )
    before = Job.objects.count()

    html = edda.get(f"{reverse(STUDIO)}?from={theirs.pk}&operation=inpaint").content.decode()
    posted(edda, theirs, mask_cells=["4"])

    assert f'value="{theirs.pk}"' not in html
    assert "The image to start from cannot be used any more" in html
    assert Job.objects.count() == before


def test_a_double_press_makes_one_request(edda: Client, source: Any) -> None:
    before = Job.objects.count()

    first = posted(edda, source, mask_cells=["4"], nonce="page-1")
    second = posted(edda, source, mask_cells=["4"], nonce="page-1")

    assert first.url == second.url
    assert Job.objects.count() == before + 1


def test_an_image_is_extended_by_what_is_added_on_its_sides(edda: Client, source: Any) -> None:
    added = {"operation": "outpaint", "frame_left": "0", "frame_right": "61", "frame_top": "8"}

    posted(edda, source, **added, frame_bottom="8")
    job = Job.objects.latest("created_at")
    crooked = posted(edda, source, **added, frame_bottom="0").content.decode()
    opened = edda.get(
        f"{reverse(STUDIO)}?from={source.pk}&operation=outpaint&image_model={job.image_model_id}"
    )

    assert (job.width, job.height, job.parameters) == (192, 112, {"anchor": "left"})
    assert "evenly on opposite sides, or on one side alone" in crooked
    assert 'name="frame_left" value="32"' in opened.content.decode()


def test_an_image_is_made_larger_without_choosing_a_size(edda: Client, source: Any) -> None:
    model = source.job.image_model_id

    form = edda.get(
        f"{reverse(STUDIO)}?from={source.pk}&operation=upscale&image_model={model}"
    ).context["form"]

    assert form["size"].value() == "256x192"


def test_an_image_is_made_larger_by_a_model_that_decides_how_much(
    edda: Client, source: Any
) -> None:
    model = source.job.image_model
    model.capabilities = {"operation_sizes": {"upscale": {}}}
    use_case(audited=False)(model.save)()

    form = edda.get(
        f"{reverse(STUDIO)}?from={source.pk}&operation=upscale&image_model={model.pk}"
    ).context["form"]

    assert "x" not in str(form["size"].value())
