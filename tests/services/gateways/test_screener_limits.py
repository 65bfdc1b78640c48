"""A site's own screener has a limit of time, after which it counts as failed."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from imagegen_app import conf
from imagegen_app.models import AuditEvent, Verdict
from imagegen_app.moderation.base import PASSED, ScreenerDecision
from imagegen_app.services.gateways import screening
from imagegen_app.services.worker import driver

if TYPE_CHECKING:
    from tests.services.conftest import Site


class Hanging:
    """A screener that answers when a test lets it."""

    released = threading.Event()
    ended = threading.Event()

    def screen_image(self, _data: bytes, *, media_type: str) -> ScreenerDecision:
        del media_type
        Hanging.released.wait(60)
        Hanging.ended.set()
        return PASSED


@pytest.mark.parametrize(("on_error", "state"), [("block", "blocked"), ("pass", "succeeded")])
def test_a_screener_that_hangs_counts_as_failed_and_holds_no_worker_up(
    site: Site, small: Any, on_error: str, state: str
) -> None:
    entry = {"BACKEND": f"{__name__}.Hanging", "NAME": "slow", "STAGES": ["output"], "SECONDS": 1}
    small.IMAGEGEN = {**small.IMAGEGEN, "SCREENERS": [{**entry, "ON_ERROR": on_error}]}
    Hanging.released.clear()
    Hanging.ended.clear()
    job = site.request()

    try:
        driver.drive(seconds=20)
        was_waited_for = Hanging.ended.is_set()
    finally:
        Hanging.released.set()

    job.refresh_from_db()
    assert (job.state, was_waited_for) == (state, False)
    assert Verdict.objects.get().categories == [screening.FAILED]
    assert "moderation.screener_failed" in AuditEvent.objects.values_list("type", flat=True)
    assert Hanging.ended.wait(60)


def test_a_screener_is_asked_in_a_thread_of_its_own_unless_its_limit_is_none() -> None:
    def entry(**values: Any) -> conf.ScreenerSettings:
        return conf.ScreenerSettings(name="mine", **values)

    own = entry(backend="shop.screening.Rules")
    asked = [
        screening.answer_within_limit(one, threading.current_thread)
        for one in (
            own,
            replace(own, seconds=0),
            entry(backend="imagegen_app.moderation.block_list.BlockList"),
        )
    ]

    here = threading.current_thread()
    assert [thread is here for thread in asked] == [False, True, True]


@pytest.mark.parametrize("seconds", [-1, 301])
def test_a_limit_that_cannot_be_meant_is_refused(settings: Any, seconds: int) -> None:
    entry = {"BACKEND": f"{__name__}.Hanging", "NAME": "slow", "SECONDS": seconds}
    settings.IMAGEGEN = {**settings.IMAGEGEN, "SCREENERS": [entry]}

    with pytest.raises(conf.InvalidSettings, match="SECONDS"):
        conf.get()
