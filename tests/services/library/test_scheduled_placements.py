"""Approved images are placed when their time has come, if that is still allowed and still makes sense."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection
from django.db.models.signals import pre_save
from django.test.utils import CaptureQueriesContext

from imagegen_app.models import Asset, AuditEvent, Batch, Placement, ScheduledPlacement
from imagegen_app.services.batches import placing
from imagegen_app.services.foundation import clock
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.library import review, scheduled_placements
from imagegen_app.services.policy import access
from imagegen_app.services.worker import sweep
from imagegen_app.testing.factories import make_asset, make_user
from project.catalog.models import Product
from tests.services import arranged
from tests.services.conftest import Site, site, small  # noqa: F401 - fixtures

if TYPE_CHECKING:
    from datetime import datetime

    from imagegen_app.core.actors import Person
    from tests.failing_storage import FailingStorage


@pytest.fixture
def boss(site: Site) -> Person:  # noqa: F811 - the fixture
    return access.actor_for(make_user("boss", is_superuser=True))


@pytest.fixture
def found(site: Site) -> tuple[Batch, Asset]:  # noqa: F811 - the fixture
    batch, (asset,) = arranged.approved_of_batch(site)
    return batch, asset


def tomorrow() -> datetime:
    return clock.now() + timedelta(days=1)


def schedule(boss: Person, found: tuple[Batch, Asset], due_at: datetime | None = None) -> int:
    return placing.schedule_approved(
        actor=boss, batch=found[0], assets=[found[1]], due_at=due_at or tomorrow()
    )


def later(monkeypatch: pytest.MonkeyPatch, **delta: float) -> None:
    """Let the clock show a later time."""
    now = clock.now() + timedelta(**delta)
    monkeypatch.setattr(clock, "now", lambda: now)


def row() -> ScheduledPlacement:
    return ScheduledPlacement.objects.get()


def events(*kinds: str) -> list[str]:
    found = AuditEvent.objects.filter(type__in=kinds).order_by("pk")
    return list(found.values_list("type", flat=True))


def test_an_image_is_placed_when_its_time_has_come_and_not_before(
    boss: Person, found: tuple[Batch, Asset], monkeypatch: pytest.MonkeyPatch
) -> None:
    schedule(boss, found)
    early = scheduled_placements.place_due()
    later(monkeypatch, days=1, minutes=1)
    sweep.sweep()
    again = scheduled_placements.place_due()

    assert (early, again) == (0, 0)
    assert row().state == "placed"
    assert row().slot is None
    placed = Placement.objects.get()
    assert placed.placed_by_id == boss.user.pk
    assert Product.objects.get(pk=placed.object_id).image.name == placed.placed_value
    assert events("placement.scheduled", "placement.created", "placement.dropped") == [
        "placement.scheduled",
        "placement.created",
    ]


def test_scheduling_again_moves_it_and_the_same_time_changes_nothing(
    boss: Person, found: tuple[Batch, Asset]
) -> None:
    due_at = tomorrow()
    numbers = [
        schedule(boss, found, due_at),
        schedule(boss, found, due_at),
        schedule(boss, found, due_at + timedelta(hours=1)),
    ]

    assert numbers == [1, 1, 1]
    assert row().due_at == due_at + timedelta(hours=1)
    assert len(events("placement.scheduled")) == 2


def test_it_can_be_moved_and_cancelled_before_but_not_after(
    boss: Person, found: tuple[Batch, Asset], monkeypatch: pytest.MonkeyPatch
) -> None:
    schedule(boss, found)
    key, batch = row().pk, found[0]
    moved_to = tomorrow() + timedelta(days=3)
    moved = scheduled_placements.reschedule(actor=boss, batch=batch, keys=[key], due_at=moved_to)
    cancelled = scheduled_placements.cancel(actor=boss, batch=batch, keys=[key])
    with pytest.raises(scheduled_placements.CannotSchedule) as twice:
        scheduled_placements.cancel(actor=boss, batch=batch, keys=[key])
    later(monkeypatch, days=9)

    assert (moved, cancelled) == (1, 1)
    assert twice.value.is_already_done
    assert scheduled_placements.place_due() == 0
    assert row().state == "cancelled"
    assert not Placement.objects.exists()


def drop_permission(boss: Person, _asset: Asset) -> None:
    boss.user.is_superuser = False
    boss.user.save()


def drop_account(boss: Person, _asset: Asset) -> None:
    boss.user.is_active = False
    boss.user.save()


def delete_object(_boss: Person, asset: Asset) -> None:
    Product.objects.filter(pk=asset.job.row_key).delete()


def change_object(_boss: Person, asset: Asset) -> None:
    Product.objects.filter(pk=asset.job.row_key).update(image="products/by-hand.png")


def withdraw(boss: Person, asset: Asset) -> None:
    review.withdraw(actor=boss, asset=asset)


def remove_field(_boss: Person, _asset: Asset) -> None:
    use_case(audited=False)(ScheduledPlacement.objects.update)(field="portrait")


@pytest.mark.parametrize(
    ("meanwhile", "code", "words"),
    [
        (drop_permission, "not_permitted", "permission"),
        (drop_account, "account_gone", "no longer active"),
        (delete_object, "object_deleted", "deleted"),
        (change_object, "object_changed", "changed"),
        (remove_field, "field_removed", "no longer exists"),
        (withdraw, "cannot_place", "not approved"),
    ],
)
def test_what_changed_meanwhile_drops_it_with_the_reason(
    boss: Person,
    found: tuple[Batch, Asset],
    monkeypatch: pytest.MonkeyPatch,
    *,
    meanwhile: Any,
    code: str,
    words: str,
) -> None:
    schedule(boss, found)
    meanwhile(boss, found[1])
    later(monkeypatch, days=2)
    number = scheduled_placements.place_due()

    event = AuditEvent.objects.get(type="placement.dropped")
    assert number == 0
    assert row().state == "dropped"
    assert words in row().reason
    assert code in event.body
    assert not Placement.objects.exists()


def move(boss: Person, found: tuple[Batch, Asset], due_at: datetime) -> None:
    scheduled_placements.reschedule(actor=boss, batch=found[0], keys=[row().pk], due_at=due_at)


@pytest.mark.parametrize("again", [schedule, move])
@pytest.mark.parametrize("delay", [0, 1])
def test_scheduling_again_takes_over_what_the_object_shows_then(
    boss: Person,
    found: tuple[Batch, Asset],
    monkeypatch: pytest.MonkeyPatch,
    *,
    again: Any,
    delay: int,
) -> None:
    due_at = tomorrow()
    schedule(boss, found, due_at)
    change_object(boss, found[1])
    again(boss, found, due_at + timedelta(hours=delay))
    later(monkeypatch, days=2)

    assert scheduled_placements.place_due() == 1
    assert row().state == "placed"


def test_moving_many_costs_one_query_for_their_objects(
    boss: Person, found: tuple[Batch, Asset], monkeypatch: pytest.MonkeyPatch
) -> None:
    schedule(boss, found)
    rows = list(ScheduledPlacement.objects.all()) * 3
    gone = ScheduledPlacement(pk=0, content_type=rows[0].content_type, object_id="0", field="image")

    with CaptureQueriesContext(connection) as queries:
        values = scheduled_placements._present_values([*rows, gone])

    assert values == {rows[0].pk: rows[0].present_value}
    assert len(queries) == 1


def test_a_storage_that_fails_only_delays_it(
    boss: Person,
    found: tuple[Batch, Asset],
    monkeypatch: pytest.MonkeyPatch,
    failing_storage: type[FailingStorage],
) -> None:
    schedule(boss, found)
    later(monkeypatch, days=2)
    failing_storage.failing = {"read", "write"}
    number = scheduled_placements.place_due()

    assert number == 0
    assert row().state == "waiting"
    assert row().due_at > clock.now()


def test_errors_of_the_sites_own_code_are_tried_ever_later_and_then_given_up(
    boss: Person, found: tuple[Batch, Asset], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**_: Any) -> None:
        raise RuntimeError("a signal of the site")

    schedule(boss, found)
    later(monkeypatch, days=2)
    pre_save.connect(fail, sender=Product)
    try:
        waits = []
        for _ in range(scheduled_placements.MAX_FAILURES - 1):
            before = clock.now()
            assert scheduled_placements.place_due() == 0
            waits.append((row().due_at - before).total_seconds() // 60)
            later(monkeypatch, seconds=(row().due_at - before).total_seconds() + 1)
        assert waits == [5, 10, 20, 40, 80]
        assert row().state == "waiting"

        assert scheduled_placements.place_due() == 0
    finally:
        pre_save.disconnect(fail, sender=Product)

    assert row().state == "dropped"
    assert "ended with an error 6 times" in row().reason
    assert events("placement.dropped") == ["placement.dropped"]
    assert not scheduled_placements.is_due()


def test_only_approved_images_of_people_who_may_place_are_scheduled_for_the_year_ahead(
    site: Site,  # noqa: F811 - the fixture
    boss: Person,
    found: tuple[Batch, Asset],
) -> None:
    for due_at in (clock.now() - timedelta(minutes=1), clock.now() + timedelta(days=400)):
        with pytest.raises(scheduled_placements.CannotSchedule, match="year"):
            schedule(boss, found, due_at)
    reader = access.actor_for(make_user("reader"))
    with pytest.raises(access.NotPermitted):
        schedule(reader, found)
    review.withdraw(actor=boss, asset=found[1])
    target = Product.objects.get(pk=found[1].job.row_key)
    with pytest.raises(scheduled_placements.CannotSchedule, match="approved"):
        scheduled_placements.schedule(
            actor=boss, pairs=[(found[1], target)], field="image", due_at=tomorrow()
        )

    assert not ScheduledPlacement.objects.exists()


def test_one_image_at_a_time_is_scheduled_for_a_field(
    boss: Person, found: tuple[Batch, Asset]
) -> None:
    schedule(boss, found)
    other = make_asset(review_state="approved", attempt=found[1].attempt)
    with pytest.raises(scheduled_placements.CannotSchedule, match="Another image"):
        schedule(boss, (found[0], other))
