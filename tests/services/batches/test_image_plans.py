"""What the rows of a batch can have input images for, and what a plan asks about them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from imagegen_app.services.batches import planning, row_images
from imagegen_app.testing.factories import make_asset, make_template
from tests.services.batches.test_row_images import rows_of, source, version
from tests.services.batches.test_row_sources import table

if TYPE_CHECKING:
    from imagegen_app.models import TemplateVersion
    from tests.services.conftest import Site

__all__ = ["version"]


@pytest.mark.parametrize(
    ("operation", "roles"),
    [
        ("edit", ["image", "reference", "style", "control"]),
        ("upscale", ["image"]),
        ("remove_background", ["image"]),
        ("control", ["control", "image", "reference", "style"]),
        ("generate", ["style", "control"]),
        ("erase", []),
    ],
)
def test_what_a_row_can_have_an_image_for_follows_the_operation(
    site: Site, operation: str, roles: list[str]
) -> None:
    template = make_template(operation=operation, image_model=site.model)

    assert [one.value for one in row_images.roles_for(template, site.model)] == roles


def test_a_plan_asks_once_about_all_images_of_the_library(
    site: Site, version: TemplateVersion
) -> None:
    own = [make_asset(requester=site.actor.user) for _number in range(6)]

    def queries(number: int) -> int:
        rows = source(table(site, rows_of(*[str(one.pk) for one in own[:number]]))).rows(0, 6)
        with CaptureQueriesContext(connection) as asked:
            planning.plan_rows(actor=site.actor, version=version, rows=rows)
        return len(asked)

    queries(1)
    assert queries(6) == queries(2)
