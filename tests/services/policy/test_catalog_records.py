"""Who may change the catalog, what is refused with which words, and what an event tells of a record."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from imagegen_app.core.actors import System
from imagegen_app.core.states import Lifecycle
from imagegen_app.models import AuditEvent, Budget, BudgetPeriod, Grant, ImageModel, Provider
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
    from collections.abc import Callable

    from imagegen_app.core.actors import Person
    from imagegen_app.models import Record

pytestmark = pytest.mark.django_db
SYSTEM = System("test")


@pytest.fixture
def boss() -> Person:
    return access.actor_for(make_user("boss", groups=["Image administrators"]))


def new_budget(**fields: Any) -> Budget:
    return Budget(
        **{"name": "Two", "scope": "site", "period": "day", "limit": Decimal(5), **fields}
    )


def new_grant(**fields: Any) -> Grant:
    values = {"group": make_group("One"), "image_model": make_image_model()}
    return Grant(**{**values, "operations": ["generate"], "max_count": 2, **fields})


def new_provider() -> Provider:
    return Provider(slug="own", name="Own", adapter="sandbox")


def new_model() -> ImageModel:
    return ImageModel(
        slug="new",
        name="New",
        provider=make_provider(),
        provider_model_name="new-1",
        version="2",
        price_list={"currency": "USD", "per_image": [{"amount": "0.02"}]},
    )


def used_budget(*, spent: str = "1", reserved: str = "2") -> Budget:
    budget = new_budget()
    model_catalog.save(actor=SYSTEM, record=budget)
    make = use_case(audited=False)(BudgetPeriod.objects.create)
    make(
        budget=budget,
        starts_on="2026-11-27",
        limit=budget.limit,
        spent=Decimal(spent),
        reserved=Decimal(reserved),
    )
    return budget


def data_of(kind: str) -> dict[str, Any]:
    """Return what the only event of a kind holds."""
    data: dict[str, Any] = json.loads(AuditEvent.objects.get(type=kind).body)["data"]
    return data


@pytest.mark.parametrize(
    ("new", "kind", "told"),
    [
        (
            new_provider,
            "provider.created",
            {
                "provider": "own",
                "adapter": "sandbox",
                "base_url": "",
                "credential": "",
                "is_enabled": True,
            },
        ),
        (
            new_model,
            "model.registered",
            {"model": "new", "provider_model_name": "new-1", "version": "2"},
        ),
        (new_grant, "grant.created", {"operations": ["generate"], "max_count": 2}),
        (
            new_budget,
            "budget.created",
            {"scope": "site", "limit": "5", "currency": "USD", "period": "day"},
        ),
    ],
    ids=["provider", "model", "grant", "budget"],
)
def test_the_event_of_a_new_record_tells_what_it_allows(
    boss: Person, new: Callable[[], Record], kind: str, told: dict[str, Any]
) -> None:
    record = new()

    model_catalog.save(actor=boss, record=record)

    data = data_of(kind)
    assert {name: data[name] for name in told} == told
    assert AuditEvent.objects.get(type=kind).object_id == str(record.pk)


def test_the_event_of_a_grant_names_group_and_model(boss: Person) -> None:
    grant = new_grant()

    model_catalog.save(actor=boss, record=grant)

    data = data_of("grant.created")
    assert (data["group"], data["model"]) == (grant.group.pk, grant.image_model.slug)


@pytest.mark.parametrize("new", [new_provider, new_model, new_grant, new_budget])
def test_only_administrators_add_and_change_records(new: Callable[[], Record]) -> None:
    editor = access.actor_for(make_user(groups=["Image editors"]))
    stored = new()
    model_catalog.save(actor=SYSTEM, record=stored)

    with pytest.raises(access.NotPermitted):
        model_catalog.save(actor=editor, record=new_budget(name="Three"))
    with pytest.raises(access.NotPermitted):
        model_catalog.save(actor=editor, record=stored)
    if isinstance(stored, Grant | Budget):
        with pytest.raises(access.NotPermitted):
            model_catalog.delete(actor=editor, record=stored)


def test_only_administrators_retire_models() -> None:
    model = make_image_model()
    editor = access.actor_for(make_user(groups=["Image editors"]))

    with pytest.raises(access.NotPermitted):
        model_catalog.set_lifecycle(actor=editor, image_model=model, lifecycle=Lifecycle.RETIRED)

    assert ImageModel.objects.get(pk=model.pk).lifecycle == "active"


def test_saving_without_a_change_leaves_no_event(boss: Person) -> None:
    grant = make_grant(group=make_group("One"), image_model=make_image_model())

    model_catalog.save(actor=boss, record=grant)

    assert not AuditEvent.objects.exists()


@pytest.mark.parametrize("new", [new_grant, new_budget])
def test_a_form_that_is_sent_twice_stores_one_record(
    boss: Person, new: Callable[[], Record]
) -> None:
    first, second = new(), new()
    if isinstance(first, Grant) and isinstance(second, Grant):
        second.group, second.image_model = first.group, first.image_model

    model_catalog.save(actor=boss, record=first)
    model_catalog.save(actor=boss, record=second)

    assert type(first)._default_manager.count() == 1
    assert second.pk == first.pk


def test_a_grant_with_other_operations_is_another_grant(boss: Person) -> None:
    first = new_grant()
    second = new_grant(group=first.group, image_model=first.image_model, operations=["edit"])

    model_catalog.save(actor=boss, record=first)
    model_catalog.save(actor=boss, record=second)

    assert Grant.objects.count() == 2


@pytest.mark.parametrize("operations", [[], ["generate", "paint"]])
def test_a_grant_needs_operations_that_exist(boss: Person, operations: list[str]) -> None:
    with pytest.raises(model_catalog.InvalidRecord) as refused:
        model_catalog.save(actor=boss, record=new_grant(operations=operations))

    assert refused.value.field == "operations"
    assert refused.value.message == "This cannot be saved."
    assert "at least one valid operation" in refused.value.reason


def test_a_model_cannot_stand_in_for_itself(boss: Person) -> None:
    model = make_image_model()
    model.fallback = model

    with pytest.raises(model_catalog.InvalidRecord) as refused:
        model_catalog.save(actor=boss, record=model)

    assert refused.value.field == "fallback"


def test_a_limit_below_what_is_used_is_refused_with_the_amount(boss: Person) -> None:
    budget = used_budget(spent="1", reserved="2")
    budget.limit = Decimal("2.5")

    with pytest.raises(model_catalog.InvalidRecord, match=r"3(\.00)? USD are already") as refused:
        model_catalog.save(actor=boss, record=budget)

    assert refused.value.field == "limit"
    assert BudgetPeriod.objects.get().limit == Decimal(5)


def test_a_new_limit_holds_in_the_period_that_runs(boss: Person) -> None:
    budget = used_budget(spent="1", reserved="2")
    budget.limit = Decimal(3)

    model_catalog.save(actor=boss, record=budget)

    assert BudgetPeriod.objects.get().limit == Decimal(3)
    data = data_of("budget.changed")
    assert (data["before"], data["after"]) == ("5", "3")
    assert data["changes"] == {"limit": {"before": "5", "after": "3"}}


def test_a_budget_that_was_used_is_kept(boss: Person) -> None:
    budget = used_budget()

    with pytest.raises(model_catalog.InvalidRecord, match="has been used"):
        model_catalog.delete(actor=boss, record=budget)

    assert Budget.objects.filter(pk=budget.pk).exists()


def test_a_grant_that_was_revoked_before_says_by_whom(boss: Person) -> None:
    grant = new_grant()
    model_catalog.save(actor=boss, record=grant)
    model_catalog.delete(actor=boss, record=grant)

    with pytest.raises(access.ActionRefused) as refused:
        model_catalog.delete(actor=boss, record=grant)

    assert refused.value.is_already_done
    assert refused.value.message == "Nothing was deleted."
    assert refused.value.reason.startswith("It was deleted before. ")
    assert "boss" in refused.value.reason
    assert AuditEvent.objects.get(type="grant.revoked").actor_id == boss.id


def test_a_model_of_past_images_cannot_be_deleted(boss: Person) -> None:
    with pytest.raises(model_catalog.InvalidRecord, match="Disable it instead"):
        model_catalog.delete(actor=boss, record=make_image_model())
