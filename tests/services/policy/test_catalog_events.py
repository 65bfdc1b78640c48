"""Each change of providers, models, grants and budgets is told by its own kind of event."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from imagegen_app.core.states import Lifecycle
from imagegen_app.models import AuditEvent, Budget, Grant, ImageModel, Provider, guard
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.policy import access, model_catalog
from imagegen_app.testing.factories import (
    make_grant,
    make_group,
    make_image_model,
    make_provider,
    make_user,
)

if TYPE_CHECKING:
    from imagegen_app.core.actors import Person

pytestmark = pytest.mark.django_db


@pytest.fixture
def boss() -> Person:
    return access.actor_for(make_user("boss", groups=["Image administrators"]))


@pytest.fixture
def silenced_guard(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a change without an event be committed, as if the guard had no say."""
    monkeypatch.setattr(guard, "record_change", lambda _table: None)


def recorded() -> list[tuple[str, dict[str, Any]]]:
    rows = AuditEvent.objects.order_by("pk").values_list("type", "body")
    return [(kind, json.loads(body)["data"]) for kind, body in rows]


def test_a_changed_grant_is_recorded_even_while_the_guard_is_silenced(
    boss: Person, silenced_guard: None
) -> None:
    grant = make_grant(group=make_group("One"), image_model=make_image_model(), max_count=2)
    grant.max_count = 9

    model_catalog.save(actor=boss, record=grant)

    assert Grant.objects.get(pk=grant.pk).max_count == 9
    kinds = [kind for kind, _data in recorded()]
    assert kinds == ["grant.changed"]
    assert recorded()[0][1]["changes"] == {"max_count": {"before": 2, "after": 9}}
    event = AuditEvent.objects.get()
    assert (event.actor_id, event.object_id) == (boss.id, str(grant.pk))


def test_new_and_revoked_grants_are_recorded_even_while_the_guard_is_silenced(
    boss: Person, silenced_guard: None
) -> None:
    grant = Grant(group=make_group("One"), image_model=make_image_model(), operations=["generate"])

    model_catalog.save(actor=boss, record=grant)
    model_catalog.delete(actor=boss, record=grant)

    assert [kind for kind, _data in recorded()] == ["grant.created", "grant.revoked"]


def test_a_provider_is_enabled_and_disabled_in_these_words(boss: Person) -> None:
    provider = make_provider()

    provider.is_enabled = False
    model_catalog.save(actor=boss, record=provider)
    provider.is_enabled, provider.name = True, "Renamed"
    model_catalog.save(actor=boss, record=provider)

    assert [(kind, sorted(data["changes"])) for kind, data in recorded()] == [
        ("provider.disabled", ["is_enabled"]),
        ("provider.enabled", ["is_enabled", "name"]),
        ("provider.changed", ["is_enabled", "name"]),
    ]


def test_models_are_registered_changed_repriced_and_promoted(boss: Person) -> None:
    provider = make_provider()
    template = make_image_model(provider=provider)
    model = ImageModel.objects.get(pk=template.pk)
    model.pk, model.slug, model.provider_model_name = None, "second", "second-1"
    model._state.adding = True

    model_catalog.save(actor=boss, record=model)
    model.name = "Renamed"
    model_catalog.save(actor=boss, record=model)
    before = dict(model.price_list)
    model.price_list = before | {"checked_on": "2026-11-26"}
    model_catalog.save(actor=boss, record=model)
    for lifecycle in (Lifecycle.DEPRECATED, Lifecycle.ACTIVE, Lifecycle.RETIRED):
        model_catalog.set_lifecycle(actor=boss, image_model=model, lifecycle=lifecycle)

    assert [kind for kind, _data in recorded()] == [
        "model.registered",
        "model.changed",
        "model.price_changed",
        "model.deprecated",
        "model.promoted",
        "model.retired",
    ]
    assert recorded()[2][1]["changes"]["price_list"]["before"] == before


def test_budgets_are_set_changed_and_closed(boss: Person) -> None:
    budget = Budget(name="Two", scope="site", period="day", limit=Decimal(5))

    model_catalog.save(actor=boss, record=budget)
    budget.limit = Decimal(7)
    model_catalog.save(actor=boss, record=budget)
    model_catalog.delete(actor=boss, record=budget)

    assert [kind for kind, _data in recorded()] == [
        "budget.created",
        "budget.changed",
        "budget.closed",
    ]


def test_a_row_cannot_be_changed_past_the_services(boss: Person) -> None:
    provider = make_provider()

    with pytest.raises(guard.WriteOutsideUseCase):
        Provider.objects.filter(pk=provider.pk).update(is_enabled=False)

    use_case(audited=False)(lambda: Provider.objects.filter(pk=provider.pk).update(name="x"))()
    assert recorded() == []


def test_a_renamed_provider_is_changed(boss: Person) -> None:
    provider = make_provider(name="Old")

    provider.name = "New"
    model_catalog.save(actor=boss, record=provider)

    ((kind, data),) = recorded()
    assert kind == "provider.changed"
    assert data["changes"] == {"name": {"before": "Old", "after": "New"}}


def test_a_new_price_together_with_another_change_is_told_as_both(boss: Person) -> None:
    model = make_image_model()

    model.price_list = model.price_list | {"checked_on": "2026-11-26"}
    model.retires_on = date(2027, 1, 31)
    model_catalog.save(actor=boss, record=model)

    assert [kind for kind, _data in recorded()] == ["model.price_changed", "model.changed"]
    changes = recorded()[1][1]["changes"]
    assert changes["retires_on"] == {"before": None, "after": "2027-01-31"}


def test_a_changed_reason_stands_beside_the_log_and_not_in_it(boss: Person) -> None:
    grant = make_grant(group=make_group("One"), image_model=make_image_model(), reason="Trial")
    grant.reason = "Asked for by Ms Ebner"

    model_catalog.save(actor=boss, record=grant)

    event = AuditEvent.objects.get(type="grant.changed")
    assert event.personal_texts.get(field="reason").value == "Asked for by Ms Ebner"
    assert "Ebner" not in event.body
    assert json.loads(event.body)["data"]["changes"] == {}


def test_the_reason_of_a_grant_can_be_changed_and_its_words_can_be_erased(boss: Person) -> None:
    grant = make_grant(group=make_group("One"), image_model=make_image_model(), reason="Trial")
    grant.reason, grant.max_count = "As Anton asked for", 9

    model_catalog.save(actor=boss, record=grant)

    event = AuditEvent.objects.get()
    assert recorded()[0][1]["changes"] == {"max_count": {"before": 4, "after": 9}}
    assert "Anton" not in event.body
    text = event.personal_texts.get(field="reason")
    assert text.value == "As Anton asked for"


def test_options_that_are_named_like_a_persons_words_can_be_changed(boss: Person) -> None:
    provider = make_provider(
        adapter="http_jobs", base_url="https://images.example/jobs", is_enabled=False
    )
    provider.options = {"body": {"prompt": "$prompt"}}

    model_catalog.save(actor=boss, record=provider)

    assert recorded()[0][1]["changes"] == {
        "options": {"before": {}, "after": '{"body": {"prompt": "$prompt"}}'}
    }
