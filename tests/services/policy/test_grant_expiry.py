from __future__ import annotations

from datetime import timedelta

import pytest

from imagegen_app.core.actors import System
from imagegen_app.models import AuditEvent, Grant
from imagegen_app.services.foundation import clock
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.policy import grant_expiry
from imagegen_app.services.worker.sweep import sweep
from imagegen_app.testing.factories import make_grant, make_group, make_image_model

pytestmark = pytest.mark.django_db
SYSTEM = System("test")


def grant_until(hours: float) -> Grant:
    return use_case(audited=False)(make_grant)(
        group=make_group("One"),
        image_model=make_image_model(),
        ends_at=clock.now() + timedelta(hours=hours),
    )


def recorded() -> list[str]:
    rows = AuditEvent.objects.filter(type="grant.expired").order_by("pk")
    return list(rows.values_list("object_id", flat=True))


def test_each_expired_grant_is_recorded_once_by_the_sweep() -> None:
    ended = grant_until(-1)
    grant_until(1)
    grant_until(-24 * 40)

    sweep()

    assert recorded() == [str(ended.pk)]
    assert grant_expiry.record_expired(SYSTEM) == 0


def test_a_prolonged_grant_may_expire_once_more(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = grant_until(-1)
    grant_expiry.record_expired(SYSTEM)
    now = clock.now()
    later = now + timedelta(hours=1)
    use_case(audited=False)(lambda: Grant.objects.filter(pk=ended.pk).update(ends_at=later))()

    before = grant_expiry.record_expired(SYSTEM)
    monkeypatch.setattr(clock, "now", lambda: now + timedelta(hours=2))
    after = grant_expiry.record_expired(SYSTEM)

    assert (before, after) == (0, 1)
    assert recorded() == [str(ended.pk)] * 2
