from __future__ import annotations

import inspect
import re

import pytest

from imagegen_app.core import errors
from imagegen_app.core.errors import ContentBlocked, ProviderError, RateLimited, all_errors

CLASSES = sorted(
    (
        item
        for _, item in inspect.getmembers(errors, inspect.isclass)
        if issubclass(item, ProviderError)
    ),
    key=lambda item: item.__name__,
)
each_class = pytest.mark.parametrize("error", CLASSES, ids=lambda item: item.__name__)


def test_the_tree_is_complete_and_its_codes_are_unique() -> None:
    own = {code: item for code, item in all_errors().items() if item.__module__ == errors.__name__}

    assert sorted(own.values(), key=lambda item: item.__name__) == CLASSES
    assert len({item.code for item in CLASSES}) == len(CLASSES)


@each_class
def test_every_class_has_its_own_code_sentence_and_remedy(error: type[ProviderError]) -> None:
    assert "code" in vars(error)
    assert error.code == re.sub(r"(?<!^)(?=[A-Z])", "_", error.__name__).lower()
    assert re.fullmatch(r"[A-Z][^\n]+\.", str(error()))
    assert re.fullmatch(r"[A-Z][^\n]+\.", error.remedy)


@each_class
def test_only_errors_that_are_certainly_not_billed_allow_a_retry_or_failover(
    error: type[ProviderError],
) -> None:
    if error.retryable or error.can_fail_over:
        assert error.billed == "no"


@each_class
def test_the_tree_in_the_docstring_names_every_class(error: type[ProviderError]) -> None:
    assert re.search(rf"\b{error.__name__}\b", errors.__doc__ or "")


@each_class
def test_an_error_stores_technical_details_and_does_not_print_them(
    error: type[ProviderError],
) -> None:
    raised = error(detail="DETAIL", status=418, request_id="REQUEST")

    assert (raised.detail, raised.status, raised.request_id) == ("DETAIL", 418, "REQUEST")
    assert "DETAIL" not in str(raised)
    assert "REQUEST" not in str(raised)


def test_a_given_message_replaces_that_of_the_class() -> None:
    assert str(ProviderError("The model is being loaded.")) == "The model is being loaded."


def test_a_rate_limit_error_has_the_seconds_to_wait() -> None:
    assert RateLimited(retry_after=1.5).retry_after == 1.5
    assert RateLimited().retry_after is None


def test_a_block_has_its_stage_and_categories() -> None:
    blocked = ContentBlocked(stage="output", categories=("violence",))

    assert (blocked.stage, blocked.categories) == ("output", ("violence",))
    assert (ContentBlocked().stage, ContentBlocked().categories) == ("unknown", ())


def test_a_class_defined_elsewhere_is_listed_too() -> None:
    class Overheated(RateLimited):
        """The provider is overheated."""

        code = "overheated_for_this_test"

    classes = all_errors()

    assert classes["overheated_for_this_test"] is Overheated
