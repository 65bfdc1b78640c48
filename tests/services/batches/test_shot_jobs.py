"""The jobs of a row's shots are told apart, and share the row's images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from imagegen_app.models import Batch, Job
from imagegen_app.services.batches import row_images, row_jobs
from tests.services.batches.test_batch_shots import PLACES, version
from tests.services.batches.test_lifecycle import prepare, products, start

if TYPE_CHECKING:
    from imagegen_app.models import TemplateVersion
    from tests.services.conftest import Site

__all__ = ["version"]


@pytest.mark.parametrize("shot", ["", "front"])
def test_long_keys_that_differ_at_their_ends_are_jobs_of_their_own(shot: str) -> None:
    batch = Batch()
    keys = {row_jobs._idempotency_key(batch, "x" * 119 + end, shot) for end in "ab"}

    assert len(keys) == 2
    assert all(len(key) <= 128 for key in keys)
    assert row_jobs._idempotency_key(batch, "7", shot).endswith(":7")


def test_the_image_of_a_row_is_read_once_for_all_its_shots(
    site: Site, version: TemplateVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []
    original = row_images.read_sources

    def counted(*given: Any, **named: Any) -> Any:
        read.append(1)
        return original(*given, **named)

    monkeypatch.setattr(row_images, "read_sources", counted)
    start(site, version, products(2), shots=PLACES)
    prepare()

    assert Job.objects.count() == 6
    assert len(read) == 2
