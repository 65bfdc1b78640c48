from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from imagegen_app.models import Asset
from tests.services.conftest import site, small

if TYPE_CHECKING:
    from pathlib import Path

    from tests.failing_storage import FailingStorage
    from tests.services.conftest import Site

__all__ = ["site", "small"]


def test_an_image_that_cannot_be_copied_now_is_kept_and_named(
    site: Site,
    failing_storage: type[FailingStorage],
    tmp_path: Path,
) -> None:
    failing_storage.failing = {"open"}

    with pytest.raises(CommandError, match="the storage cannot be read") as failed:
        call_command(
            "imagegen_generate",
            user="edda",
            prompt="A red mug",
            model=site.model.slug,
            size="64x64",
            run_inline=True,
            out=str(tmp_path / "out"),
        )

    assert str(Asset.objects.get().pk) in str(failed.value)
