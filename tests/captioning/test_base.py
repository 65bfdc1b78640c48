from __future__ import annotations

import dataclasses
from decimal import Decimal

import pytest

from imagegen_app.captioning.base import Caption


def test_a_caption_has_no_cost_by_default() -> None:
    assert Caption("A red mug").cost is None
    assert Caption("A red mug", cost=Decimal("0.0004")).cost == Decimal("0.0004")


def test_a_caption_is_immutable() -> None:
    caption = Caption("A red mug")

    with pytest.raises(dataclasses.FrozenInstanceError):
        caption.text = "Another mug"  # type: ignore[misc]  # what must not work
