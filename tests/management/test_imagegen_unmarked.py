"""The command lists what the site serves of placed images without the AI marking."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.management import CommandError, call_command
from easy_thumbnails.files import get_thumbnailer
from PIL import Image

from imagegen_app.core.actors import System
from imagegen_app.imaging import marked_sample
from imagegen_app.services.gateways import storage
from imagegen_app.services.library import placement
from imagegen_app.testing.factories import make_asset
from project.catalog.models import Product
from tests import arranged_rows

pytestmark = pytest.mark.django_db


@pytest.fixture
def product() -> Product:
    """Return a product on which a marked image is placed."""
    arranged_rows.products()
    product = Product.objects.earliest("pk")
    data = marked_sample.make_sample("png")
    key, sha256 = storage.put("assets", data, extension="png")
    asset = make_asset(storage_key=key, sha256=sha256, byte_size=len(data))
    placement.attach(actor=System("test"), asset=asset, target=product, field="image")
    return product


def run(*arguments: str) -> tuple[int, str]:
    out = io.StringIO()
    try:
        call_command("imagegen_unmarked", *arguments, stdout=out)
    except CommandError as error:
        return error.returncode, out.getvalue()
    return 0, out.getvalue()


def test_nothing_is_listed_while_every_file_bears_the_mark(product: Product) -> None:
    assert run() == (0, "All files bear the AI marking: 1.\n")
    assert json.loads(run("--json")[1]) == {"looked_at": 1, "files": []}


def test_a_thumbnail_without_the_mark_is_listed_with_its_content(product: Product) -> None:
    thumbnail = get_thumbnailer(product.image).get_thumbnail({"size": (20, 20)})

    code, text = run()
    report: Any = json.loads(run("--json")[1])

    assert code == 1
    assert text == f"unmarked    {product}.image: thumbnail {thumbnail.url}\n"
    assert report["looked_at"] == 2
    (row,) = report["files"]
    assert (row["state"], row["kind"], row["file"]) == ("unmarked", "thumbnail", thumbnail.name)
    assert row["content"] == f"catalog.product:{product.pk}"


def test_a_copy_that_lost_its_mark_is_listed(product: Product) -> None:
    files, name = product.image.storage, str(product.image.name)
    with files.open(name) as file:
        data = file.read()
    files.delete(name)
    assert files.save(name, ContentFile(without_metadata(data))) == name

    code, text = run()

    assert (code, text.split()[0]) == (1, "unmarked")


def without_metadata(data: bytes) -> bytes:
    """Save an image as software does that knows nothing of the marking."""
    out = io.BytesIO()
    with Image.open(io.BytesIO(data)) as image:
        image.convert("RGB").save(out, "PNG")
    return out.getvalue()
