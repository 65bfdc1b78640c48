"""What adapters share that have a list of fields for each operation, and lists of complaints."""

from __future__ import annotations

from typing import Any

import pytest

from imagegen_app.core.errors import ContentBlocked, InvalidRequest, UnsupportedParameter
from imagegen_app.providers.families import operation_fields, statuses


def test_only_what_an_operation_takes_is_chosen_and_nothing_that_is_empty() -> None:
    values = {"prompt": "a mug", "seed": 0, "n": None, "style": "", "tags": [], "is_on": False}

    found = operation_fields.chosen(values, taken=["is_on", "seed", "style", "n", "x"], wanted={})

    assert list(found.items()) == [("is_on", False), ("seed", 0)]


def test_what_is_asked_for_and_not_taken_is_refused_by_name() -> None:
    with pytest.raises(UnsupportedParameter) as refused:
        operation_fields.chosen(
            {"seed": 7}, taken=["prompt"], wanted={"prompt": True, "n": False, "seed": True}
        )

    assert refused.value.detail == "seed: not taken by this operation"


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (
            {"detail": [{"type": "missing", "loc": ["body", "prompt"]}, {"type": "x"}]},
            {"type": "missing", "loc": ["body", "prompt"], "param": "prompt"},
        ),
        (
            {"detail": {"type": "value_error", "loc": "body"}},
            {"type": "value_error", "loc": [], "param": None},
        ),
        ({"detail": "a text that may hold the prompt"}, {}),
        ({"detail": []}, {}),
        ({"detail": [3]}, {}),
        ({}, {}),
        ([], {}),
        (None, {}),
    ],
)
def test_the_first_complaint_is_found(document: Any, expected: dict[str, Any]) -> None:
    assert statuses.complaint_in(document) == expected


def test_an_error_of_another_class_says_the_same_of_its_call() -> None:
    error = InvalidRequest(detail="HTTP 422 unsafe", status=422, request_id="r1")

    found = statuses.instead(error, ContentBlocked, stage="input")

    assert (found.detail, found.status, found.request_id) == ("HTTP 422 unsafe", 422, "r1")
    assert (found.stage, found.billed) == ("input", "no")
