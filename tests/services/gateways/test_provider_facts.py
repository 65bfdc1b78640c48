"""What is known of how a provider handles data: declared, corrected, recorded, and said if unknown."""

from __future__ import annotations

import json
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest
from django.urls import reverse
from django.utils.translation import override

from imagegen_app.core.actors import System
from imagegen_app.core.data_handling import LABELS
from imagegen_app.models import AuditEvent, ImageModel, Provider
from imagegen_app.providers import registry
from imagegen_app.services.audit import descriptions
from imagegen_app.services.gateways import provider_facts
from imagegen_app.services.policy import model_catalog
from imagegen_app.services.worker import driver
from imagegen_app.testing.factories import make_user

if TYPE_CHECKING:
    from django.test import Client

    from tests.services.conftest import Site

AGREED = {"value": "always", "source": "Contract of May", "checked_on": "2026-05-04"}
OF_MODEL = {"value": ["c2pa"], "source": "https://example.com/m", "checked_on": "2026-06-05"}
TODAY = date(2026, 11, 27)


@pytest.mark.parametrize("adapter", registry.describe_all(), ids=lambda one: one.name)
def test_every_declared_fact_has_a_source_and_a_day(adapter: registry.Adapter) -> None:
    assert set(adapter.data_handling) <= set(LABELS)
    for fact in adapter.data_handling.values():
        assert fact.source.startswith("https://") or not adapter.is_remote
        assert date(2026, 11, 1) <= fact.checked_on <= TODAY
        assert not fact.option or fact.option in adapter.options


def test_the_models_facts_go_before_the_accounts_and_those_before_the_adapters() -> None:
    row = Provider(adapter="openai", data_handling={"zero_retention": AGREED})
    model = ImageModel(provider=row, data_handling={"marks": OF_MODEL})

    known = provider_facts.known_facts(row, model)

    assert {name: (fact.value, is_ours) for name, (fact, is_ours) in known.items()} == {
        "input_retention": (720, False),
        "output_retention": (720, False),
        "zero_retention": ("always", True),
        "training": ("opt_in", False),
        "marks": (("c2pa",), True),
    }


def test_what_nobody_declared_is_said_to_be_unknown() -> None:
    with override("de"):
        rows = provider_facts.fact_rows(Provider(adapter="stability"))

    assert len(rows) == len(LABELS)
    assert {(row.value, row.source, row.checked_on) for row in rows} == {("unbekannt", "", None)}


def test_nothing_is_known_of_a_server_that_only_speaks_like_the_provider() -> None:
    row = Provider(adapter="openai", base_url="https://litellm.example.org/v1")

    assert provider_facts.known_facts(row) == {}


@pytest.mark.parametrize("adapter", ["automatic1111", "comfyui", "stable_diffusion_cpp"])
def test_a_server_of_the_sites_own_processes_what_it_gets_and_the_rest_is_unknown(
    adapter: str,
) -> None:
    account = Provider(adapter=adapter, base_url="http://images.lan:8188")

    with override("de"):
        rows = provider_facts.fact_rows(account)

    known = [row.value for row in rows if row.source]
    assert known == ["Server an der Adresse des Kontos"]


def test_a_fact_holds_only_while_the_option_behind_it_has_its_default() -> None:
    usual = provider_facts.known_facts(Provider(adapter="fal", options={}))
    longer = provider_facts.known_facts(
        Provider(adapter="fal", options={"result_seconds": 172_800, "store_payloads": True})
    )

    assert set(usual) == {"input_retention", "output_retention"}
    assert longer == {}


def test_a_wrong_fact_is_not_saved(site: Site) -> None:
    for row in (site.model.provider, site.model):
        row.data_handling = {"training": {"value": "perhaps", "source": "x", "checked_on": "x"}}
        with pytest.raises(model_catalog.InvalidRecord) as caught:
            model_catalog.save(actor=System("test"), record=row)
        assert caught.value.field == "data_handling"
        assert "training" in caught.value.reason


def test_the_log_keeps_what_was_known_when_the_call_was_sent(site: Site) -> None:
    provider = site.model.provider
    provider.data_handling = {"zero_retention": AGREED}
    model_catalog.save(actor=System("test"), record=provider)
    job = site.request()
    driver.drive(seconds=10)
    provider.data_handling = {}
    model_catalog.save(actor=System("test"), record=provider)

    event = AuditEvent.objects.get(job_id=job.pk, type="job.submitted")
    recorded = json.loads(event.body)["data"]["data_handling"]

    assert recorded["zero_retention"] == {
        "value": "always",
        "checked_on": "2026-05-04",
        "declared_by": "site",
    }
    assert recorded["training"]["declared_by"] == "adapter"
    assert descriptions.recorded_data_handling(job.attempts.get()) == recorded
    with override("de"):
        told = descriptions.describe_events(AuditEvent.objects.filter(pk=event.pk))[0]
    (shown,) = [text for label, text in told.facts if label == "Umgang mit Daten"]
    assert "für Training verwendet: nein" in shown
    assert "gar nichts aufbewahrt: immer" in shown


@pytest.mark.parametrize("role", ["Image administrators", "Compliance"])
def test_the_pages_of_provider_and_model_show_the_facts_with_their_sources(
    client: Client, site: Site, role: str
) -> None:
    site.model.data_handling = {"marks": OF_MODEL}
    model_catalog.save(actor=System("test"), record=site.model)
    client.force_login(make_user("ada", groups=[role], is_staff=True))

    pages: dict[str, Any] = {
        name: client.get(reverse(f"admin:imagegen_{name}_change", args=[row.pk])).content.decode()
        for name, row in (("provider", site.model.provider), ("imagemodel", site.model))
    }

    for page in pages.values():
        assert "imagegen_app.providers.sandbox (by the adapter, <time>2026-11-27</time>)" in page
        assert "<td>unknown</td>" in page
    link = '<a href="https://example.com/m">https://example.com/m</a> (as agreed, <time>2026-06-05</time>)'
    assert {name: link in page for name, page in pages.items()} == {
        "provider": False,
        "imagemodel": True,
    }
