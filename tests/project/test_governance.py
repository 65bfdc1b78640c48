"""The demo offers real models with a price for all that they count."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from imagegen_app.core.pricing import TOKEN_KINDS, PriceList
from imagegen_app.core.types import Usage
from imagegen_app.models import ImageModel
from project.demo import governance

pytestmark = pytest.mark.django_db


def test_the_prices_of_real_models_are_complete_and_say_when_they_were_checked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    counts: dict[str, Any] = {f"{kind}_tokens": 1 for kind in TOKEN_KINDS}
    every_kind = Usage(**counts)

    governance.setup()

    found = ImageModel.objects.filter(provider__slug="openai")
    prices = [PriceList.from_dict(model.price_list) for model in found]
    assert len(prices) == 2
    assert [price.unpriced_kinds(every_kind) for price in prices] == [(), ()]
    # The model page lists the price of a cached token, too, instead of falling back.
    assert all(dict(price.per_million_tokens).keys() == TOKEN_KINDS.keys() for price in prices)
    assert all(price.checked_on >= date(2026, 11, 26) for price in prices if price.checked_on)
    assert all(price.checked_on for price in prices)
