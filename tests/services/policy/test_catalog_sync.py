"""The catalogue adds drafts and updates what it wrote itself; what a person changed stays."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from imagegen_app.core.actors import System
from imagegen_app.core.catalog_entries import CatalogEntry
from imagegen_app.core.pricing import PriceList
from imagegen_app.core.states import Lifecycle
from imagegen_app.models import AuditEvent, ImageModel, Provider
from imagegen_app.services.foundation import clock
from imagegen_app.services.gateways import adapters, catalog_files
from imagegen_app.services.monitoring import doctor
from imagegen_app.services.policy import access, catalog_sync, model_catalog
from imagegen_app.services.policy.catalog_sync import SyncAction
from imagegen_app.testing.factories import make_image_model, make_provider, make_user

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_django import DjangoAssertNumQueries

SHELL = System("shell")
PRICE = {
    "currency": "USD",
    "per_image": [{"amount": "0.02"}],
    "checked_on": "2026-11-26",
    "source": "https://images.example/prices",
}
ENTRY = CatalogEntry(
    adapter="openai",
    model="gpt-image-2",
    name="GPT Image 2",
    version="2026-04-21",
    price_list=PRICE,
    capabilities={"max_count": 4},
    notes="From the catalogue.",
)


@pytest.fixture
def provider(db: None) -> Provider:
    return make_provider(adapter="openai", slug="images")


def synced(provider: Provider, *entries: CatalogEntry) -> list[Any]:
    return catalog_sync.sync(actor=SHELL, entries=entries or (ENTRY,), providers=[provider])


def changed(row: ImageModel, **values: Any) -> None:
    """Change a model as a person does."""
    for name, value in values.items():
        setattr(row, name, value)
    person = access.actor_for(make_user("boss", groups=["Image administrators"]))
    model_catalog.save(actor=person, record=row)


def actions(found: Sequence[Any]) -> list[str]:
    return [one.action.value for one in found]


def test_a_missing_model_is_added_as_a_draft_with_an_event(provider: Provider) -> None:
    found = synced(provider)

    row = ImageModel.objects.get()
    assert actions(found) == ["create"]
    assert (row.slug, row.name, row.version) == ("gpt-image-2", "GPT Image 2", "2026-04-21")
    assert row.lifecycle == Lifecycle.DRAFT
    assert (row.price_list, row.capabilities, row.notes) == (
        PRICE,
        {"max_count": 4},
        "From the catalogue.",
    )
    event = AuditEvent.objects.get(type="model.registered")
    assert (event.actor_kind, event.actor_id) == ("system", "shell")


def test_a_second_sync_changes_nothing(provider: Provider) -> None:
    synced(provider)
    before = AuditEvent.objects.count()

    assert actions(synced(provider)) == ["unchanged"]
    assert AuditEvent.objects.count() == before


def test_what_the_catalogue_wrote_is_updated(provider: Provider) -> None:
    synced(provider)
    price = PRICE | {"per_image": [{"amount": "0.03"}], "checked_on": "2026-12-26"}

    (found,) = synced(provider, replace(ENTRY, price_list=price, name="GPT Image Two"))

    row = ImageModel.objects.get()
    assert found.action is SyncAction.UPDATE
    assert [one.field for one in found.changes] == ["name", "price_list"]
    assert (row.price_list, row.name) == (price, "GPT Image Two")
    assert AuditEvent.objects.filter(type="model.price_changed").count() == 1
    assert AuditEvent.objects.filter(type="model.changed").count() == 1
    body = AuditEvent.objects.get(type="model.changed").body
    assert "catalog_values" not in body
    assert ImageModel.objects.get().catalog_values.keys() == set(catalog_sync.FIELDS)


def test_what_a_person_changed_is_kept_and_told_with_both_values(provider: Provider) -> None:
    synced(provider)
    own = PRICE | {"per_image": [{"amount": "0.015"}]}
    changed(ImageModel.objects.get(), price_list=own)
    price = PRICE | {"per_image": [{"amount": "0.03"}]}

    (found,) = synced(provider, replace(ENTRY, price_list=price, capabilities={"max_count": 8}))

    row = ImageModel.objects.get()
    assert (row.price_list, row.capabilities) == (own, {"max_count": 8})
    (kept,) = found.kept
    assert (kept.field, kept.current, kept.catalog) == ("price_list", own, price)
    assert actions(
        synced(provider, replace(ENTRY, price_list=price, capabilities={"max_count": 8}))
    ) == ["unchanged"]


def test_what_a_person_emptied_stays_empty(provider: Provider) -> None:
    day = date(2027, 12, 1)
    entry = replace(ENTRY, retires_on=day, retirement_source="x")
    synced(provider, entry)
    changed(ImageModel.objects.get(), retires_on=None)

    (found,) = synced(provider, entry)

    assert ImageModel.objects.get().retires_on is None
    assert [one.field for one in found.kept] == ["retires_on"]


def test_a_model_that_a_person_registered_learns_of_its_retirement_and_keeps_the_rest(
    provider: Provider,
) -> None:
    row = make_image_model(provider=provider, provider_model_name="gpt-image-2", name="Ours")
    price, day = row.price_list, clock.today() + timedelta(days=10)
    entry = replace(ENTRY, retires_on=day, retirement_source="x", replaced_by="gpt-image-3")
    next_one = replace(ENTRY, model="gpt-image-3", name="GPT Image 3")

    found = synced(provider, next_one, entry)

    row.refresh_from_db()
    assert actions(found) == ["create", "update"]
    assert (row.name, row.price_list, row.capabilities) == ("Ours", price, {})
    assert row.retires_on == day
    assert row.replaced_by is not None
    assert row.replaced_by.provider_model_name == "gpt-image-3"
    assert {one.field for one in found[1].kept} == {"price_list", "capabilities"}
    (told,) = (one for one in doctor.run_all_checks() if one.part == "models")
    assert told.message == f"The model {row.slug} retires on {day}."
    assert told.remedy == f"Grant groups the use of its successor, {row.replaced_by.slug}."


@pytest.mark.parametrize("days", [-1, 0, 30])
def test_a_model_that_is_retired_or_will_be_soon_is_not_added(
    provider: Provider, days: int
) -> None:
    day = clock.today() + timedelta(days=days)
    entry = replace(ENTRY, retires_on=day, retirement_source="x")

    assert actions(synced(provider, entry)) == ["not_added"]
    assert not ImageModel.objects.exists()
    assert catalog_sync.is_over(entry) is (days <= 0)


def test_a_preview_writes_nothing_and_says_the_same(provider: Provider) -> None:
    entries = (ENTRY, replace(ENTRY, model="gpt/image:2", name="Other"))

    seen = catalog_sync.preview(actor=SHELL, entries=entries, providers=[provider])

    assert not ImageModel.objects.exists()
    assert synced(provider, *entries) == seen
    assert {row.slug for row in ImageModel.objects.all()} == {"gpt-image-2", "images-gpt-image-2"}


def test_nothing_is_written_if_one_model_cannot_be_stored(provider: Provider) -> None:
    wrong = replace(ENTRY, model="m", capabilities={"max_count": "many"})

    with pytest.raises(model_catalog.InvalidRecord) as refused:
        synced(provider, ENTRY, wrong)

    assert "openai/m: " in str(refused.value)
    assert not ImageModel.objects.exists()


def test_only_those_who_may_change_models_sync(provider: Provider) -> None:
    editor = access.actor_for(make_user("ed", groups=["Image editors"]))

    for carry_out in (catalog_sync.preview, catalog_sync.sync):
        with pytest.raises(access.NotPermitted):
            carry_out(actor=editor, entries=[ENTRY], providers=[provider])


def test_providers_of_other_adapters_are_left_alone(provider: Provider) -> None:
    other = make_provider(adapter="gemini")

    found = catalog_sync.sync(actor=SHELL, entries=[ENTRY], providers=[provider, other])

    assert [one.provider for one in found] == [provider]


def test_a_preview_asks_the_database_a_few_times_only(
    provider: Provider, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    entries = [replace(ENTRY, model=f"m-{n}") for n in range(300)]

    with django_assert_max_num_queries(4):
        catalog_sync.preview(actor=SHELL, entries=entries, providers=[provider])


def test_the_bundled_catalogue_is_valid_and_prices_every_size_that_it_speaks_of(db: None) -> None:
    entries = catalog_files.read_file()

    assert len(entries) > 50
    for entry in entries:
        assert entry.price_list or entry.retires_on or entry.notes, entry.label
        if entry.price_list:
            day = PriceList.from_dict(entry.price_list).checked_on
            assert day is not None
            assert day <= date(2026, 11, 27)
    assert {entry.adapter for entry in entries} <= {
        name for name, _label in adapters.adapter_choices()
    }


def test_every_living_model_of_the_bundled_catalogue_can_be_added(db: None) -> None:
    entries = catalog_files.read_file()
    providers = [make_provider(adapter=name) for name in sorted({e.adapter for e in entries})]
    for provider in providers:
        served = [e.model for e in entries if e.adapter == provider.adapter and e.is_base_model]
        provider.options = {"deployments": {f"our-{one}": one for one in served}} if served else {}

    found = catalog_sync.sync(actor=SHELL, entries=entries, providers=providers)

    added = {one.entry.label for one in found if one.action is SyncAction.CREATE}
    soon = clock.today() + timedelta(days=catalog_sync.MIN_REMAINING_DAYS)
    assert added == {e.label for e in entries if e.retires_on is None or e.retires_on > soon}
    assert ImageModel.objects.count() == len(added)
    assert not ImageModel.objects.exclude(lifecycle=Lifecycle.DRAFT).exists()


def test_a_base_model_is_added_under_the_names_of_its_deployments(db: None) -> None:
    served = {
        "studio": "gpt-image-2",
        "trial": "gpt-image-2-2026-04-21",
        "mini": "gpt-image-1-mini",
    }
    azure = make_provider(adapter="azure_openai", options={"deployments": served})
    entry = replace(ENTRY, adapter="azure_openai", is_base_model=True)

    found = synced(azure, entry)
    again = synced(azure, replace(entry, name="GPT Image 2.0"))

    assert [(one.action, one.model) for one in found] == [
        (SyncAction.CREATE, "studio"),
        (SyncAction.CREATE, "trial"),
    ]
    assert [(one.action, one.model) for one in again] == [
        (SyncAction.UPDATE, "studio"),
        (SyncAction.UPDATE, "trial"),
    ]
    names = ImageModel.objects.order_by("pk").values_list("provider_model_name", "name")
    assert list(names) == [("studio", "GPT Image 2.0"), ("trial", "GPT Image 2.0")]


def test_a_base_model_without_a_deployment_is_not_added(db: None) -> None:
    azure = make_provider(
        adapter="azure_openai", options={"deployments": {"studio": "gpt-image-1"}}
    )
    entry = replace(ENTRY, adapter="azure_openai", is_base_model=True)

    (found,) = synced(azure, entry)

    assert found.action is SyncAction.NOT_DEPLOYED
    assert not ImageModel.objects.exists()


@pytest.mark.parametrize(
    ("served", "action"), [({}, "update"), ({"gpt-image-2": "gpt-image-1.5"}, "not_deployed")]
)
def test_a_deployment_that_is_called_as_its_base_model_is_found(
    db: None, served: dict[str, str], action: str
) -> None:
    azure = make_provider(adapter="azure_openai", options={"deployments": served})
    make_image_model(provider=azure, provider_model_name="gpt-image-2")
    entry = replace(ENTRY, adapter="azure_openai", is_base_model=True, retires_on=date(2099, 1, 31))

    assert actions(synced(azure, entry)) == [action]
