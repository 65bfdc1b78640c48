"""A provider is left alone for as long as it asked, within reason, and nobody comes back early."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from imagegen_app.core.errors import RateLimited
from imagegen_app.services.foundation import clock
from imagegen_app.services.jobs import provider_limits
from imagegen_app.services.jobs.provider_limits import CallDeferred
from tests.services.jobs.test_provider_limits import begin, claimed, heard

if TYPE_CHECKING:
    from tests.services.conftest import Site


def test_nobody_comes_back_before_the_time_that_the_provider_named(site: Site) -> None:
    (job,) = claimed(site)
    heard(job, RateLimited(retry_after=60))
    waits = []

    for _ in range(20):
        with pytest.raises(CallDeferred) as refusal:
            begin(job)
        waits.append(refusal.value.seconds)

    assert min(waits) >= 59
    assert len(set(waits)) > 1


@pytest.mark.parametrize(("named", "seconds"), [(7.0, 7), (86_400.0, 900)])
def test_a_quota_that_is_used_up_is_quiet_for_as_long_as_named_within_reason(
    site: Site, named: float, seconds: int
) -> None:
    provider = site.model.provider

    provider_limits.record_quota_used_up(provider, seconds=named)

    until = provider_limits.cooldown_until(provider)
    assert until is not None
    assert seconds - 1 < (until - clock.now()).total_seconds() <= seconds
    assert not provider_limits.clear_refusals(provider)
