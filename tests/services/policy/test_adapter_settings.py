"""A provider's options and a model's corrected capabilities are checked when they are saved."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from imagegen_app.core.errors import ProviderUnavailable
from imagegen_app.models import AuditEvent, ImageModel, Provider
from imagegen_app.services.gateways import adapters
from imagegen_app.services.job_requests.values import InvalidJobRequest
from imagegen_app.services.jobs import leases
from imagegen_app.services.policy import access, model_catalog
from imagegen_app.services.policy.model_catalog import InvalidRecord
from imagegen_app.testing.factories import make_image_model, make_provider, make_user

if TYPE_CHECKING:
    from imagegen_app.core.actors import Person
    from tests.services.conftest import Site


@pytest.fixture
def boss(db: None) -> Person:
    return access.actor_for(make_user("boss", groups=["Image administrators"]))


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"latency": "slow"}, "latency: a number is needed"),
        ({"speed": 1}, "speed: unknown; known are: latency"),
        ([], "A JSON object is needed, such as {}."),
    ],
)
def test_an_option_that_the_adapter_does_not_take_is_not_saved(
    boss: Person, options: Any, reason: str
) -> None:
    provider = make_provider()
    provider.options = options

    with pytest.raises(InvalidRecord) as caught:
        model_catalog.save(actor=boss, record=provider)

    assert (caught.value.field, caught.value.reason) == ("options", reason)
    assert Provider.objects.get().options == {}


@pytest.mark.parametrize(
    ("capabilities", "reason"),
    [
        ({"max_cuont": 4}, "“max_cuont” is unknown"),
        ({"max_count": "four"}, "“max_count” has a value that is not possible."),
        ("4", "A JSON object is needed, such as {}."),
    ],
)
def test_a_correction_that_makes_no_sense_is_not_saved(
    boss: Person, capabilities: Any, reason: str
) -> None:
    model = make_image_model()
    model.capabilities = capabilities

    with pytest.raises(InvalidRecord) as caught:
        model_catalog.save(actor=boss, record=model)

    assert caught.value.field == "capabilities"
    assert reason in caught.value.reason
    assert ImageModel.objects.get().capabilities == {}


def test_a_change_of_options_is_told_to_the_log_and_reaches_the_adapter(boss: Person) -> None:
    provider = make_provider()
    provider.options = {"latency": 0.25}

    model_catalog.save(actor=boss, record=provider)

    body = json.loads(AuditEvent.objects.get().body)
    assert body["data"]["changes"]["options"] == {"before": {}, "after": {"latency": "0.25"}}
    http = adapters.http_client()
    built = adapters.build_adapter(Provider.objects.get(), http=http)
    assert built.option("latency") == 0.25  # type: ignore[attr-defined]  # the sandbox has it


def test_a_corrected_model_is_offered_and_refused_as_corrected(site: Site, boss: Person) -> None:
    site.model.capabilities = {"max_count": 1, "parameters": {"grain": {"kind": "int", "high": 3}}}
    model_catalog.save(actor=boss, record=site.model)

    assert site.job_request(parameters={"grain": "3"}).provider_request.parameters == {"grain": 3}
    with pytest.raises(InvalidJobRequest):
        site.job_request(count=2)
    with pytest.raises(InvalidJobRequest):
        site.job_request(parameters={"grain": "4"})


def test_a_stored_option_that_an_upgrade_no_longer_takes_counts_as_an_outage(site: Site) -> None:
    provider = site.model.provider
    provider.options = {"gone": 1}

    with pytest.raises(ProviderUnavailable):
        adapters.require_adapter(site.model, http=adapters.http_client())


def test_a_stored_correction_that_makes_no_sense_any_more_counts_as_an_outage(site: Site) -> None:
    site.model.capabilities = {"gone": 1}

    with pytest.raises(ProviderUnavailable):
        adapters.require_adapter(site.model, http=adapters.http_client())


def test_a_call_with_other_options_is_another_call(site: Site) -> None:
    job = site.request()
    before = leases.digest_of(job)

    job.image_model.provider.options = {"latency": 1.5}

    assert leases.digest_of(job) != before
