"""What images on their way cost is part of an estimate and of a reservation where they are asked for."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from imagegen_app.core.types import Operation, Size
from imagegen_app.models import Batch, BudgetPeriod
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.job_requests import creation, prices
from imagegen_app.testing.factories import make_image_model, make_provider
from tests.services.arranged import with_output_check
from tests.services.conftest import Site, governed

PRICES = {
    "currency": "USD",
    "per_image": [{"amount": "0.01"}],
    "per_million_tokens": {"input_text": "5", "output_image": "30"},
}
IMAGE, THREE_ON_THEIR_WAY = Decimal("0.01"), Decimal("0.009")


def site_of(adapter: str, **options: Any) -> Site:
    provider = make_provider(
        adapter=adapter, base_url="https://images.example.com/v1", options=options
    )
    model = make_image_model(
        provider=provider, provider_model_name="gpt-image-2.6-flare", price_list=PRICES
    )
    return governed(model)


@pytest.fixture
def openai(db: None, small: Any) -> Site:
    return site_of("openai", partial_images=3)


def test_a_job_of_one_image_is_estimated_and_reserved_with_those_on_their_way(
    openai: Site,
) -> None:
    request = openai.job_request(size="1024x1024")

    offer = creation.offer(actor=openai.actor, job_request=request)
    creation.request_images(actor=openai.actor, job_request=request)

    assert offer.cost.amount == IMAGE + THREE_ON_THEIR_WAY
    assert BudgetPeriod.objects.get().reserved == IMAGE + THREE_ON_THEIR_WAY


def test_what_is_not_asked_for_is_not_estimated(openai: Site, settings: Any) -> None:
    one = openai.job_request(size="1024x1024")
    several = openai.job_request(size="1024x1024", count=2)
    row = replace(one, batch=Batch())

    amounts = [prices.estimate_request(each).images.amount for each in (one, several, row)]
    with_output_check(settings)
    checked = prices.estimate_request(one).images.amount

    assert amounts == [IMAGE + THREE_ON_THEIR_WAY, 2 * IMAGE, IMAGE]
    assert checked == IMAGE


@pytest.mark.parametrize(
    ("adapter", "options"), [("openai", {}), ("azure_openai", {}), ("openai_compatible", {})]
)
def test_an_account_that_asks_for_none_costs_what_its_images_do(
    db: None, small: Any, adapter: str, options: dict[str, Any]
) -> None:
    model = site_of(adapter, **options).model

    size = Size(1024, 1024)
    cost = prices.images_cost(
        model, operation=Operation.GENERATE, size=size, quality="", count=1, is_row=False
    )

    assert cost.amount == IMAGE


def test_an_adapter_that_cannot_be_loaded_adds_nothing(openai: Site) -> None:
    provider = openai.model.provider
    provider.adapter = "gone"
    use_case(audited=False)(provider.save)()

    cost = prices.images_cost(
        openai.model,
        operation=Operation.GENERATE,
        size=Size(1024, 1024),
        quality="",
        count=1,
        is_row=False,
    )

    assert cost.amount == IMAGE
