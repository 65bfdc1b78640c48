"""A set-up makes what is missing, changes what differs, leaves the rest, and never does half of it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.db import connection

from imagegen_app.core.actors import Person, System
from imagegen_app.models import AuditEvent, Budget, Grant, ImageModel, Provider
from imagegen_app.services.policy import access, catalog_sync, site_setup
from imagegen_app.services.policy.access import NotPermitted
from imagegen_app.services.policy.site_setup import InvalidSetup, SetupAction
from imagegen_app.testing.factories import make_grant, make_group, make_image_model, make_user
from tests.at_once import at_once

pytestmark = pytest.mark.django_db
SHELL = System("test")
MODEL = "gpt-image-2.6-flare"
WHOLE: dict[str, Any] = {
    "providers": [{"adapter": "openai", "credential": "openai-prod", "max_in_flight": 3}],
    "models": [{"provider": "openai", "model": MODEL}],
    "groups": [{"name": "Image editors", "members": ["edda"]}],
    "grants": [{"group": "Image editors", "models": [MODEL], "max_count": 2}],
    "budgets": [{"name": "Everybody", "limit": 50}],
}


@pytest.fixture(autouse=True)
def keys(settings: Any) -> None:
    settings.IMAGEGEN = {
        **settings.IMAGEGEN,
        "CREDENTIALS": {
            "openai-prod": {"source": "env:OPENAI_API_KEY", "hosts": ["api.openai.com"]}
        },
    }


@pytest.fixture
def edda() -> Any:
    return make_user("edda")


def apply(description: dict[str, Any], actor: Any = SHELL) -> dict[str, str]:
    report = site_setup.apply(actor=actor, setup=site_setup.read(description))
    return {f"{one.kind} {one.name}": one.action.value for one in report.changes}


def problems(description: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(InvalidSetup) as raised:
        apply(description)
    return dict(raised.value.problems)


def test_a_whole_site_is_set_up_and_its_editor_may_generate(edda: Any) -> None:
    apply(WHOLE)

    (model,) = access.granted_models(Person(edda))
    grant = Grant.objects.get()
    assert model.slug == "gpt-image-2-6-flare"
    assert model.lifecycle == "active"
    assert model.price_list["checked_on"]
    assert model.provider.name == "OpenAI"
    assert model.provider.max_in_flight == 3
    assert grant.max_count == 2
    assert "generate" in grant.operations
    assert Budget.objects.get().limit == Decimal(50)
    assert set(AuditEvent.objects.values_list("type", flat=True)) == {
        "provider.created",
        "model.registered",
        "group.permissions_changed",
        "account.group_added",
        "grant.created",
        "budget.created",
    }
    assert set(AuditEvent.objects.values_list("actor_id", flat=True)) == {"test"}


def test_a_second_run_changes_nothing_and_records_nothing(edda: Any) -> None:
    apply(WHOLE)
    before = AuditEvent.objects.count()

    found = apply(WHOLE)

    assert set(found.values()) == {"unchanged"}
    assert AuditEvent.objects.count() == before


def test_a_preview_says_what_would_be_done_and_writes_nothing(edda: Any) -> None:
    report = site_setup.preview(actor=SHELL, setup=site_setup.read(WHOLE))

    assert {one.action for one in report.changes} == {SetupAction.CREATE}
    assert report.has_changes
    assert not Provider.objects.exists()
    assert not AuditEvent.objects.exists()


def test_only_what_is_said_is_changed_and_other_rows_stay(edda: Any) -> None:
    apply(WHOLE)
    other = make_grant(group=make_group("Others"), image_model=make_image_model())
    changed = {
        "models": [{"provider": "openai", "model": MODEL, "lifecycle": "canary"}],
        "grants": [{"group": "Image editors", "models": ["gpt-image-2-6-flare"], "max_pixels": 9}],
    }

    report = site_setup.apply(actor=SHELL, setup=site_setup.read(changed))

    assert {
        (one.kind, each.field, each.current, each.wanted)
        for one in report.changes
        for each in one.differences
    } == {("model", "lifecycle", "active", "canary"), ("grant", "max_pixels", 4_194_304, 9)}
    grant = Grant.objects.exclude(pk=other.pk).get()
    assert grant.max_count == 2
    assert Grant.objects.filter(pk=other.pk).exists()


def test_what_a_set_up_took_from_the_catalogue_is_kept_current_by_it(edda: Any) -> None:
    apply(WHOLE)

    from imagegen_app.services.gateways import catalog_files  # noqa: PLC0415 - one test needs it

    found = catalog_sync.preview(
        actor=SHELL, entries=catalog_files.read_file(), providers=[*Provider.objects.all()]
    )

    (one,) = [one for one in found if one.model == MODEL]
    assert one.action is catalog_sync.SyncAction.UNCHANGED
    assert one.kept == ()


def test_all_mistakes_are_told_at_once_each_with_its_place_and_remedy() -> None:
    make_user("edda")
    found = problems(
        {
            "providers": [
                {"adapter": "opnai"},
                {"adapter": "openai", "slug": "second", "credential": "openai-prd"},
            ],
            "models": [
                {"provider": "second", "model": "gpt-image-2.6-flair"},
                {"provider": "second", "model": "gpt-image-1"},
                {"provider": "thrid", "model": "x"},
            ],
            "groups": [{"name": "Crew", "roles": ["Image editor"], "members": ["eda"]}],
            "grants": [
                {"group": "Crwe", "models": ["gpt-image-1", MODEL], "operations": ["genrate"]}
            ],
        }
    )

    assert found == {
        "providers[1].adapter": "“opnai” does not exist; did you mean “openai”?",
        "providers[2].credential": "“openai-prd” does not exist; did you mean “openai-prod”?",
        "models[1].model": "The catalogue has no “gpt-image-2.6-flair”; did you mean "
        "“gpt-image-2.6-flare”? If not, add its “version”.",
        "models[2]": "“gpt-image-1” is retired; take “gpt-image-2.6-flare” instead.",
        "models[3].provider": "“thrid” does not exist; there are: second.",
        "groups[1].roles": "“Image editor” does not exist; did you mean “Image editors”?",
        "groups[1].members": "“eda” does not exist; did you mean “edda”?",
        "grants[1].group": "“Crwe” does not exist; did you mean “Crew”?",
        "grants[1].operations": "“genrate” does not exist; did you mean “generate”?",
        "grants[1].models": f"“{MODEL}” does not exist; add it first.",
    }
    assert not Provider.objects.exists()


@pytest.mark.parametrize(
    ("section", "entry", "place", "sentence"),
    [
        (
            "providers",
            {"adapter": "sandbox", "nmae": "x"},
            "providers[1].nmae",
            "did you mean “name”",
        ),
        ("providers", {"name": "x"}, "providers[1]", "“adapter” is missing; add it."),
        ("providers", {"adapter": "openai"}, "providers[1]", "needs a key"),
        ("providers", {"adapter": "comfyui"}, "providers[1]", "add “base_url”"),
        (
            "providers",
            {"adapter": "comfyui", "base_url": "http://10.0.0.5:8188"},
            "providers[1].base_url",
            "TRUSTED_ORIGINS",
        ),
        ("providers", {"adapter": "sandbox", "burst": "5"}, "providers[1].burst", "whole number"),
        ("providers", {"adapter": "sandbox", "slug": "Not a slug"}, "providers[1].slug", "valid"),
        ("models", {"provider": "own", "model": "m", "version": "1"}, "models[1]", "“price”"),
        (
            "models",
            {"provider": "own", "model": "m", "version": "1", "price": 1, "price_list": {}},
            "models[1]",
            "keep one of them",
        ),
        (
            "models",
            {"provider": "own", "model": "m", "version": "1", "price": 1, "lifecycle": "activ"},
            "models[1].lifecycle",
            "did you mean “active”",
        ),
        ("grants", {"group": "x", "models": []}, "grants[1].models", "at least one"),
        ("budgets", {"name": "x"}, "budgets[1]", "“limit” is missing; add it."),
        ("budgets", {"name": "x", "limit": 1, "period": "moth"}, "budgets[1].period", "“month”"),
        ("budgets", {"name": "x", "limit": "much"}, "budgets[1].limit", "amount such as 0.02"),
    ],
)
def test_a_mistake_is_one_sentence_with_its_remedy(
    section: str, entry: dict[str, Any], place: str, sentence: str
) -> None:
    providers = [
        {"slug": "own", "adapter": "openai_compatible", "base_url": "https://api.openai.com"}
    ]
    description = {"providers": providers} if section == "models" else {}

    found = problems({**description, section: [entry]})

    relevant = {
        where: text for where, text in found.items() if not where.startswith("providers[1].b")
    }
    relevant = relevant or found
    assert list(relevant) == [place]
    assert sentence in relevant[place]


def test_a_mistake_that_only_the_last_step_meets_undoes_the_first(
    monkeypatch: pytest.MonkeyPatch, edda: Any
) -> None:
    from imagegen_app.services.policy import model_catalog  # noqa: PLC0415 - patched here alone

    save = model_catalog.save

    def refuse_budgets(*, actor: Any, record: Any) -> Any:
        if isinstance(record, Budget):
            raise model_catalog.InvalidRecord("Taken meanwhile.")
        return save(actor=actor, record=record)

    monkeypatch.setattr(model_catalog, "save", refuse_budgets)

    assert problems(WHOLE) == {"budgets[1]": "Taken meanwhile."}
    assert not Provider.objects.exists()
    assert not AuditEvent.objects.exists()


def test_a_model_that_costs_nothing_is_asked_no_price() -> None:
    apply(
        {
            "providers": [{"adapter": "sandbox"}],
            "models": [{"provider": "sandbox", "model": "sandbox-1"}],
        }
    )

    assert ImageModel.objects.get().price_list == {
        "currency": "USD",
        "per_image": [{"amount": "0"}],
    }


def test_an_image_administrator_may_not_put_anybody_into_a_group(edda: Any) -> None:
    admin = Person(make_user(groups=["Image administrators"], is_staff=True))

    with pytest.raises(NotPermitted):
        apply({"groups": [{"name": "Image administrators", "members": ["edda"]}]}, actor=admin)
    with pytest.raises(NotPermitted):
        apply({"groups": [{"name": "Compliance"}]}, actor=admin)
    with pytest.raises(NotPermitted):
        apply({"providers": [{"adapter": "sandbox"}]}, actor=Person(edda))

    assert not edda.groups.exists()
    assert not Provider.objects.exists()
    assert apply({"providers": [{"adapter": "sandbox"}]}, actor=admin) == {
        "provider sandbox": "create"
    }


def test_what_only_the_stored_rows_contradict_is_told_before_anything_is_written(edda: Any) -> None:
    apply(WHOLE)
    ended = {"group": "Image editors", "models": [MODEL], "ends_at": "2026-01-01"}
    apply({"grants": [ended]})

    found = problems(
        {
            "grants": [
                {"group": "Image editors", "models": [MODEL], "starts_at": "2026-02-01T12:00+01:00"}
            ],
            "models": [{"provider": "openai", "model": MODEL, "slug": "again"}],
            "providers": [{"adapter": "sandbox", "slug": "openai"}],
        }
    )

    assert found == {
        "grants[1]": "“ends_at” must be after “starts_at”.",
        "models[1]": "The site has it already, as “gpt-image-2-6-flare”; leave out its “slug”.",
        "providers[1].adapter": "The provider “openai” has the adapter “openai”, which cannot change; "
        "give this one another “slug”.",
    }


def test_two_grants_of_one_group_and_model_are_not_guessed_at(edda: Any) -> None:
    model = make_image_model(slug="m")
    group = make_group("Crew")
    make_grant(group=group, image_model=model)
    make_grant(group=group, image_model=model, max_count=1)

    found = problems({"grants": [{"group": "Crew", "models": ["m"], "max_count": 3}]})

    assert "several grants" in found["grants[1]"]


@pytest.mark.django_db(transaction=True)
def test_two_set_ups_of_an_empty_site_at_once_make_each_thing_once() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("elsewhere, transactions follow one another or threads share a connection")
    make_user("edda")

    raised = at_once(lambda: apply(WHOLE), lambda: apply(WHOLE))

    assert raised == []
    assert [model.objects.count() for model in (Provider, ImageModel, Grant, Budget)] == [1] * 4
