from __future__ import annotations

from decimal import Decimal

import pytest

from imagegen_app.core.capabilities import SizeRule
from imagegen_app.core.types import (
    IMAGE_INPUT_OPERATIONS,
    Cost,
    GenerationRequest,
    ImageInput,
    InputRole,
    Operation,
    ProviderImage,
    Size,
)


@pytest.mark.parametrize("text", ["1024x768", " 1024X768 ", "1024\u00d7768", "1024 x 768"])
def test_a_size_is_parsed_from_several_notations(text: str) -> None:
    assert Size.parse(text) == Size(1024, 768)


@pytest.mark.parametrize(
    "text",
    ["", "x", "1024", "1024x", "x768", "0x5", "5x0", "-1x5", "5x-1", "1.5x2", "axb", "1x2x3"],
)
def test_an_invalid_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - raised by int() or by us, with different texts
        Size.parse(text)


def test_a_printed_size_can_be_parsed_again() -> None:
    size = Size(640, 480)

    assert Size.parse(str(size)) == size
    assert size.pixels == 307_200


RANGE = SizeRule(step=16, min_pixels=65_536, max_pixels=1_048_576, max_side=1536, max_ratio=3.0)


@pytest.mark.parametrize(
    ("rule", "size", "reason"),
    [
        (SizeRule(), Size(1, 1), ""),
        (SizeRule(), Size(99_999, 1), ""),
        (SizeRule(allowed=(Size(1, 2), Size(3, 4))), Size(3, 4), ""),
        (SizeRule(allowed=(Size(1, 2), Size(3, 4))), Size(4, 3), "choose one of 1x2, 3x4"),
        (SizeRule(allowed=(Size(3, 5),), step=2), Size(3, 5), ""),
        (RANGE, Size(1024, 1024), ""),
        (RANGE, Size(256, 256), ""),
        (RANGE, Size(1536, 512), ""),
        (RANGE, Size(1025, 1024), "both sides must be divisible by 16"),
        (RANGE, Size(1024, 1023), "both sides must be divisible by 16"),
        (RANGE, Size(240, 256), "at least 65536 pixels are needed"),
        (RANGE, Size(1024, 1040), "at most 1048576 pixels are possible"),
        (RANGE, Size(1552, 512), "no side may be longer than 1536 pixels"),
        (RANGE, Size(512, 1552), "no side may be longer than 1536 pixels"),
        (RANGE, Size(1536, 496), "the sides may differ 3 times at most"),
        (RANGE, Size(496, 1536), "the sides may differ 3 times at most"),
        (SizeRule(max_ratio=2.5), Size(26, 10), "the sides may differ 2.5 times at most"),
    ],
)
def test_a_size_rule_says_why_a_size_is_not_supported(
    rule: SizeRule, size: Size, reason: str
) -> None:
    problem = rule.error_for(size)

    assert (problem is None) == (not reason)
    if problem is not None:
        assert (problem.part, str(problem.reason)) == ("size", reason)


def test_only_generation_needs_no_input_image() -> None:
    assert set(Operation) - IMAGE_INPUT_OPERATIONS == {Operation.GENERATE}


def test_costs_of_one_currency_add_up_exactly() -> None:
    assert Cost(Decimal("0.1")) + Cost(Decimal("0.2")) == Cost(Decimal("0.3"))


def test_costs_of_two_currencies_do_not_add_up() -> None:
    with pytest.raises(ValueError, match="currencies differ"):
        Cost(Decimal(1), "USD") + Cost(Decimal(1), "EUR")


def test_a_printed_request_shows_no_prompt_bytes_or_webhook_url() -> None:
    request = GenerationRequest(
        operation=Operation.EDIT,
        model="painter-1",
        prompt="SECRET-PROMPT",
        negative_prompt="SECRET-NEGATIVE",
        size=Size(1, 1),
        webhook_url="https://site.example/SECRET-HOOK",
        inputs=(
            ImageInput(
                role=InputRole.IMAGE,
                media_type="image/png",
                sha256="0" * 64,
                width=1,
                height=1,
                data=b"SECRET-BYTES",
            ),
        ),
    )
    image = ProviderImage(data=b"SECRET-BYTES", revised_prompt="SECRET-REVISED")

    printed = f"{request!r}{request.inputs[0]!r}{request.inputs[0]}{image!r}"

    assert "painter-1" in printed
    assert "SECRET" not in printed
