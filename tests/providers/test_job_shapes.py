"""Documents of jobs are read by the shape that an adapter names, and refusals by its codes."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from imagegen_app.core.errors import (
    BadResponse,
    ContentBlocked,
    PermissionDenied,
    ProviderError,
    ProviderUnavailable,
    QuotaExhausted,
    RateLimited,
)
from imagegen_app.core.json_paths import value_at
from imagegen_app.providers.families.statuses import classify
from imagegen_app.providers.families.submit_poll import (
    JobShape,
    failure,
    items_of,
    read_job,
    under_way,
)
from imagegen_app.providers.http import Reply

FLUX = JobShape(
    id="task_id",
    output="result.sample",
    error="details",
    terminal={"ready": "succeeded", "request moderated": "failed", "error": "failed"},
    content_codes=frozenset({"moderated"}),
    block_words=re.compile("moderated", re.IGNORECASE),
    position="queue.before",
)


def job(**changes: Any) -> dict[str, Any]:
    return {"task_id": "t1", "status": "Pending", **changes}


def test_a_document_is_read_where_its_shape_says() -> None:
    document = job(
        status="Ready", result={"sample": "https://files.example/1"}, queue={"before": 4}
    )

    found = read_job(document, shape=FLUX)

    assert (found.ref, found.status, found.position) == ("t1", "succeeded", 4)
    assert found.output == ({"url": "https://files.example/1"},)


@pytest.mark.parametrize("word", ["Pending", "Reasoning", "queued at eu4", "READYISH", "succeeded"])
def test_only_the_terminal_words_of_the_shape_are_an_end(word: str) -> None:
    found = read_job(job(status=word), shape=FLUX)

    submission = under_way(found, shape=FLUX)
    assert found.status == "running"
    assert submission.status.value == "running"
    assert submission.stage == found.stage == word.lower()


@pytest.mark.parametrize("position", [-1, 1.5, True, "3", 10**9])
def test_an_odd_place_in_the_queue_is_left_out(position: Any) -> None:
    assert read_job(job(queue={"before": position}), shape=FLUX).position is None


def test_an_answer_without_a_status_is_under_way_where_the_shape_has_none() -> None:
    assert read_job({"id": "a"}, shape=JobShape(status="")).status == "running"
    with pytest.raises(BadResponse):
        read_job({"id": "a"})


@pytest.mark.parametrize(
    ("details", "expected"),
    [
        ({"code": "moderated"}, ContentBlocked),
        ("Request Moderated: violence", ContentBlocked),
        ({"message": "moderated"}, ContentBlocked),
        ({"code": "rate_limited"}, RateLimited),
        ("the GPU is on fire", BadResponse),
        (None, BadResponse),
        (7, BadResponse),
    ],
)
def test_a_failed_job_is_sorted_by_codes_and_words_of_its_shape(
    details: Any, expected: type[ProviderError]
) -> None:
    found = failure(read_job(job(status="Error", details=details), shape=FLUX), shape=FLUX)

    assert type(found) is expected
    assert found.is_call_outcome


@pytest.mark.parametrize(
    ("said", "shape", "is_free"),
    [
        ({}, JobShape(), False),
        ({"billed": False}, JobShape(), True),
        ({}, JobShape(cancelled_billed="no"), True),
        ({"billed": True}, JobShape(cancelled_billed="no"), False),
    ],
)
def test_a_shape_tells_whether_what_is_cancelled_costs_something(
    said: dict[str, Any], shape: JobShape, is_free: bool
) -> None:
    found = read_job({"id": "a", "status": "cancelled", **said}, shape=shape)

    assert found.is_free is is_free
    assert under_way(found, shape=shape).is_unbilled is is_free


@pytest.mark.parametrize(
    ("said", "shape", "billed"),
    [
        ({}, JobShape(), "no"),
        ({}, JobShape(blocked_billed="unknown"), "unknown"),
        ({"billed": False}, JobShape(blocked_billed="unknown"), "no"),
        ({"billed": True}, JobShape(blocked_billed="unknown"), "yes"),
    ],
)
def test_a_shape_tells_whether_blocked_content_costs_something(
    said: dict[str, Any], shape: JobShape, billed: str
) -> None:
    job = {"id": "a", "status": "failed", "error": {"code": "content_blocked"}, **said}

    found = failure(read_job(job, shape=shape), shape=shape)

    assert isinstance(found, ContentBlocked)
    assert found.billed == billed


def test_a_text_never_says_that_content_was_blocked_where_no_words_are_named() -> None:
    found = failure(read_job({"id": "a", "status": "failed", "error": "NSFW content"}))

    assert type(found) is BadResponse


@pytest.mark.parametrize(
    ("output", "items"),
    [
        (None, ()),
        ("https://a.example", ({"url": "https://a.example"},)),
        (
            ["https://a.example", {"b64_json": "AA"}],
            ({"url": "https://a.example"}, {"b64_json": "AA"}),
        ),
        ({"url": "https://a.example"}, ({"url": "https://a.example"},)),
        ([], ()),
    ],
)
def test_one_result_or_several_are_items(output: Any, items: tuple[Any, ...]) -> None:
    assert items_of(output) == items


@pytest.mark.parametrize(
    ("document", "value"), [({"a": {"b": 1}}, 1), ({"a": 1}, None), ([], None), (None, None)]
)
def test_a_path_that_leads_nowhere_is_none(document: Any, value: Any) -> None:
    assert value_at(document, "a.b") == value


@pytest.mark.parametrize(
    ("status", "document", "expected"),
    [
        (403, {"name": "content_moderation"}, ContentBlocked),
        (403, {"name": "forbidden"}, PermissionDenied),
        (429, {"name": "no_credit"}, QuotaExhausted),
        (429, {"name": "slow_down"}, RateLimited),
        (529, {}, ProviderUnavailable),
    ],
)
def test_refusals_are_sorted_by_an_adapters_own_codes_before_the_status(
    status: int, document: Any, expected: type[ProviderError]
) -> None:
    found = classify(
        Reply(status, {}, json.dumps(document).encode()),
        content_codes=frozenset({"content_moderation"}),
        quota_codes=frozenset({"no_credit"}),
        error_of=lambda one: {"code": value_at(one, "name")},
        usual_wait=60.0,
    )

    assert type(found) is expected
    assert found.retry_after == (60.0 if expected is RateLimited else None)
