"""Add the images that the ten tasks are about to the demo: `python -m benchmarks.parts.usability_rows`.

Two hundred over half a year, thirty-one of different requests that wait for a review, one on a product, one without
words. The demo's settings and folder are those of the environment. Prints the keys of some as JSON.
"""

from __future__ import annotations

import json
import sys
from datetime import timedelta
from typing import Any

MANY, WAITING = 200, 30
#: An image that is read from the storage and changed has a size that models take.
SIZE = (1024, 1024)
#: Of which month an image is looked for: the middle of the last one.
_DAYS_AGO = 15
FOUND, PLACED, WORDLESS = "Heron in the fog", "Bud vase in the sun", "Linen on a chair"


def add() -> dict[str, str]:
    """Make the images; return the key of each that a task names."""
    from django.contrib.auth import get_user_model  # noqa: PLC0415 - Django is set up by the caller
    from django.utils import timezone  # noqa: PLC0415 - as above

    from imagegen_app.models import Asset, ImageModel, PromptTemplate  # noqa: PLC0415 - as above
    from imagegen_app.services.library import placement  # noqa: PLC0415 - as above
    from imagegen_app.services.policy import access  # noqa: PLC0415 - as above
    from imagegen_app.testing.factories import make_asset, make_job  # noqa: PLC0415 - as above
    from project.catalog.models import Product  # noqa: PLC0415 - as above

    people = get_user_model().objects
    editor, admin = people.get(username="editor"), people.get(username="admin")
    version = PromptTemplate.objects.get(slug="product-still-life").current
    model = ImageModel.objects.get(slug="sandbox-1")

    def made(title: str, **fields: Any) -> Asset:
        job = make_job(requester=editor, image_model=model, template_version=version, prompt=title)
        return make_asset(job=job, title=title, widths=(320,), formats=("webp",), **fields)

    now = timezone.now()
    # Written behind the use cases' back: nothing else makes an image older than it is.
    for number in range(MANY):
        old = made(f"Stoneware {number:03}", size=(96, 96))
        _date(old, now - timedelta(hours=22 * number + 1))
    found = made(FOUND, size=SIZE)
    _date(found, now.replace(day=1) - timedelta(days=_DAYS_AGO))
    # One of them is rejected before the others are decided.
    for number in range(WAITING + 1):
        made(f"Vase {number:02}", size=(512, 512), review_state="pending")
    placed = made(PLACED, size=SIZE)
    product = Product.objects.get(sku="HH-VAS-01")
    placement.attach(actor=access.actor_for(admin), asset=placed, target=product, field="image")
    wordless = made(WORDLESS, size=SIZE, alt_text="")
    return {"found": str(found.pk), "placed": str(placed.pk), "wordless": str(wordless.pk)}


def _date(asset: Any, at: Any) -> None:
    from django.db import connection  # noqa: PLC0415 - as above

    with connection.cursor() as cursor:
        cursor.execute(
            "update imagegen_asset set created_at = %s where id = %s", [at, asset.pk.hex]
        )


def main() -> None:
    """Add them to the database of the settings."""
    import django  # noqa: PLC0415 - here it is set up

    django.setup()
    sys.stdout.write(json.dumps(add()))


if __name__ == "__main__":
    main()
