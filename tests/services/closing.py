"""A screener of a site's own that closes what a test says, and what is asked of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from imagegen_app.core.actors import System
from imagegen_app.core.hard_categories import HardCategory
from imagegen_app.core.states import VerdictOutcome
from imagegen_app.core.types import InputRole, Operation
from imagegen_app.moderation.base import PASSED, ScreenerDecision, ScreenerFailed
from imagegen_app.services.gateways import storage
from imagegen_app.services.job_requests import creation
from imagegen_app.services.job_requests.values import InputSource
from imagegen_app.services.policy import closed_content
from imagegen_app.testing.factories import make_asset
from tests.imaging.sample_images import photograph

if TYPE_CHECKING:
    from pathlib import Path

    from imagegen_app.models import Asset, Job
    from tests.services.conftest import Site

MINORS = HardCategory.SEXUAL_MINORS


class Closing:
    """A site's own screener, which closes what a test says."""

    #: The parts that it closes: `text`, `image`.
    closes: ClassVar[set[str]] = set()
    #: What it says beside the hard category; it has to count for nothing.
    outcome: ClassVar[VerdictOutcome] = VerdictOutcome.BLOCKED
    cost: ClassVar[Any] = None
    hard_category: ClassVar[HardCategory | None] = MINORS
    calls: ClassVar[list[str]] = []
    fails: ClassVar[bool] = False
    #: How many of the first images pass all the same.
    passed_images: ClassVar[int] = 0

    def screen_text(self, text: str) -> ScreenerDecision:
        return self._decided("text")

    def screen_image(self, data: bytes, *, media_type: str) -> ScreenerDecision:
        return self._decided("image")

    def _decided(self, kind: str) -> ScreenerDecision:
        Closing.calls.append(kind)
        if Closing.fails:
            raise ScreenerFailed("away")
        if kind not in Closing.closes:
            return PASSED
        if kind == "image" and Closing.calls.count("image") <= Closing.passed_images:
            return PASSED
        return ScreenerDecision(
            outcome=Closing.outcome,
            categories=("minors",),
            cost=Closing.cost,
            hard_category=Closing.hard_category,
        )


def configure(settings: Any, *stages: str, on_error: str = "block") -> None:
    settings.IMAGEGEN = {
        **settings.IMAGEGEN,
        "SCREENERS": [
            {
                "NAME": "closing",
                "BACKEND": f"{__name__}.Closing",
                "STAGES": list(stages),
                "ON_ERROR": on_error,
            }
        ]
        if stages
        else [],
    }


def set_up(small: Any, monkeypatch: pytest.MonkeyPatch, folder: Path) -> type[Closing]:
    """Have every stage screened by it, and all files stored in an empty folder."""
    small.STORAGES = {
        **small.STORAGES,
        "imagegen": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": str(folder)},
        },
    }
    configure(small, "prompt", "input", "output")
    for name, value in (("closes", set()), ("calls", []), ("fails", False), ("passed_images", 0)):
        monkeypatch.setattr(Closing, name, value)
    monkeypatch.setattr(Closing, "outcome", VerdictOutcome.BLOCKED)
    return Closing


def hard_category(asset: Asset) -> None:
    closed_content.close_asset(actor=System("test"), asset=asset, category=MINORS, job=asset.job)


def edit(site: Site, *inputs: InputSource, **changes: Any) -> Job:
    return site.request(inputs=list(inputs), operation=Operation.EDIT, **changes)


def upload() -> InputSource:
    return InputSource(role=InputRole.IMAGE, data=photograph())


def stored_hashes() -> set[str]:
    store = storage.image_storage()
    folders = [
        f"{prefix}/{byte:02x}"
        for prefix in ("inputs", "assets", "originals", "renditions")
        for byte in range(256)
    ]
    return {name.partition(".")[0] for folder in folders for name in store.list_files(folder)}


def closed_asset(site: Site, closing: type[Closing]) -> Asset:
    """Make an approved image, and have it found in a hard category as the input of an edit."""
    asset = make_asset(requester=site.actor.user)
    closing.closes = {"image"}
    with pytest.raises(creation.PromptBlocked):
        edit(site, InputSource(role=InputRole.IMAGE, asset=asset))
    asset.refresh_from_db()
    return asset
