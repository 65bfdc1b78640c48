from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from imagegen_app.core.actors import System
from imagegen_app.models import Provider, Worker
from imagegen_app.models.guard import WriteOutsideUseCase
from imagegen_app.services.foundation import clock, event_log
from imagegen_app.services.foundation.unit import AuditEventMissing, use_case
from imagegen_app.testing.factories import make_provider

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.django_db
SYSTEM = System("test")


def test_saving_outside_a_use_case_is_refused() -> None:
    with pytest.raises(WriteOutsideUseCase):
        Provider(name="x", slug="x", adapter="sandbox").save()

    assert not Provider.objects.exists()


@pytest.mark.parametrize(
    "write", ["save", "delete", "update", "bulk_delete", "bulk_update", "bulk_create"]
)
def test_every_way_of_writing_outside_a_use_case_is_refused(write: str) -> None:
    provider = make_provider()
    writes: dict[str, Callable[[], object]] = {
        "save": provider.save,
        "delete": provider.delete,
        "update": lambda: Provider.objects.update(name="y"),
        "bulk_delete": lambda: Provider.objects.all().delete(),
        "bulk_update": lambda: Provider.objects.bulk_update([provider], ["name"]),
        "bulk_create": lambda: Provider.objects.bulk_create(
            [Provider(slug="z", adapter="sandbox")]
        ),
    }

    with pytest.raises(WriteOutsideUseCase):
        writes[write]()

    assert list(Provider.objects.values_list("pk", "name")) == [(provider.pk, provider.name)]


def test_a_change_without_an_event_is_rolled_back() -> None:
    @use_case()
    def change_without_event() -> None:
        Provider.objects.create(name="x", slug="x", adapter="sandbox")

    with pytest.raises(AuditEventMissing):
        change_without_event()

    assert not Provider.objects.exists()


@pytest.mark.parametrize("write", ["update", "bulk_delete", "bulk_create", "bulk_update", "save"])
def test_a_write_that_changes_no_row_needs_no_event(write: str) -> None:
    provider = make_provider()
    nobody = Provider.objects.filter(slug="nobody")
    writes: dict[str, Callable[[], object]] = {
        "update": lambda: nobody.update(name="y"),
        "bulk_delete": nobody.delete,
        "bulk_create": lambda: Provider.objects.bulk_create([]),
        "bulk_update": lambda: nobody.bulk_update([provider], ["name"]),
        "save": lambda: provider.save(update_fields=[]),
    }

    use_case()(writes[write])()

    assert Provider.objects.count() == 1


@pytest.mark.parametrize("write", ["update", "bulk_delete", "bulk_update", "save", "delete"])
def test_a_write_that_changes_a_row_needs_an_event(write: str) -> None:
    provider = make_provider()
    writes: dict[str, Callable[[], object]] = {
        "update": lambda: Provider.objects.update(name="y"),
        "bulk_delete": lambda: Provider.objects.all().delete(),
        "bulk_update": lambda: Provider.objects.bulk_update([provider], ["name"]),
        "save": lambda: provider.save(update_fields=["name"]),
        "delete": provider.delete,
    }

    with pytest.raises(AuditEventMissing):
        use_case()(writes[write])()

    assert list(Provider.objects.values_list("name", flat=True)) == [provider.name]


def test_an_event_inside_a_nested_use_case_counts_for_the_outer_one() -> None:
    @use_case()
    def inner() -> None:
        event_log.record(SYSTEM, "provider.created")

    @use_case()
    def outer() -> None:
        Provider.objects.create(name="x", slug="x", adapter="sandbox")
        inner()

    outer()

    assert Provider.objects.count() == 1


def test_a_use_case_without_audit_needs_no_event() -> None:
    @use_case(audited=False)
    def record_heartbeat() -> None:
        now = clock.now()
        Worker.objects.create(name="w", engine="e", started_at=now, last_seen_at=now)

    record_heartbeat()

    assert Worker.objects.count() == 1
