"""What the options of a site's own service may say, and what of a body is a place for a value."""

from __future__ import annotations

from typing import Any

import pytest

from imagegen_app.core import json_templates
from imagegen_app.core.types import RecoveryMethod
from imagegen_app.providers import registry
from imagegen_app.providers.http import HttpClient
from imagegen_app.testing.simulator.protocols import http_jobs
from tests.providers.test_http_jobs import LOOKED_UP


def nested(depth: int) -> Any:
    """Return lists inside of each other."""
    found: Any = "x"
    for _ in range(depth):
        found = [found]
    return found


@pytest.mark.parametrize(
    ("options", "name", "reason"),
    [
        ({"body": []}, "body", "must be a JSON object"),
        ({"body": {"p": "$prompt", "x": "$colour"}}, "body", "$colour is not known"),
        ({"body": {"p": "a mug"}}, "body", "has no place for the prompt"),
        ({"operations": ["generate", "upscale"]}, "body", "has no place for the operation"),
        ({"submit_path": "https://elsewhere.example/jobs"}, "submit_path", "must begin with one /"),
        ({"submit_path": "//elsewhere.example/jobs"}, "submit_path", "must begin with one /"),
        ({"job_path": ""}, "job_path", "must begin with one /"),
        ({"job_path": "/jobs"}, "job_path", "must contain {ref}"),
        ({"cancel_path": "/stop"}, "cancel_path", "must contain {ref}"),
        ({"lookup_path": "/jobs?key={key}"}, "lookup_path", "needs a key_header"),
        ({"answers": {"identifier": "x"}}, "answers", "identifier is not known"),
        ({"answers": {"id": 7}}, "answers", "must be a JSON object of paths"),
        ({"words": {"done": "finished"}}, "words", "must be a JSON object of succeeded"),
        ({"words": {"gone": "failed"}}, "words", "must be a JSON object of succeeded"),
        ({"words": {"done": "succeeded"}}, "words", "must be a JSON object of succeeded"),
        ({"blocked_codes": [{"x": 1}]}, "blocked_codes", "must be a list of texts"),
        ({"auth_header": ""}, "auth_header", "is no header that can be set"),
        ({"auth_header": "Schlüssel"}, "auth_header", "is no header that can be set"),
        ({"auth_header": "X-Key\r\nHost"}, "auth_header", "is no header that can be set"),
        ({"auth_header": "Host"}, "auth_header", "is no header that can be set"),
        ({"key_header": "content-length"}, "key_header", "is no header that can be set"),
        ({"key_header": "authorization"}, "key_header", "already carries the credential"),
        ({"auth_scheme": "Bearer x"}, "auth_scheme", "must be one word"),
        ({"body": {"p": "$prompt", "x": "$prompt, 8k"}}, "body", "“$prompt, 8k” is no place"),
        ({"body": {"p": "$prompt", "x": "$Seed"}}, "body", "“$Seed” is no place"),
        ({"body": {"p": "$prompt", "x": nested(33)}}, "body", "has more than 32 objects"),
        (
            {"lookup_path": "/jobs?key={key}", "key_header": "X-Call"},
            "lookup_path",
            "needs “key” in answers",
        ),
        ({"image_form": "hex"}, "image_form", ""),
        ({"no_such": 1}, "no_such", ""),
    ],
)
def test_options_that_do_not_fit_together_are_named(
    options: dict[str, Any], name: str, reason: str
) -> None:
    errors = registry.option_errors("http_jobs", options)

    assert reason in str(errors[name])
    with pytest.raises(ValueError, match=name):
        registry.build(
            "http_jobs", base_url="https://render.example", http=HttpClient(), options=options
        )


def test_the_options_of_the_simulated_service_fit_together() -> None:
    assert registry.option_errors("http_jobs", http_jobs.OPTIONS) == {}
    assert registry.option_errors("http_jobs", {}) == {}


def test_a_call_can_be_found_out_about_as_far_as_the_account_says_how() -> None:
    assert registry.recovery_of("http_jobs", {}) == frozenset()
    assert registry.recovery_of("http_jobs", LOOKED_UP) == {RecoveryMethod.LOOKUP}
    assert registry.recovery_of("http_jobs", http_jobs.OPTIONS) == {
        RecoveryMethod.LOOKUP,
        RecoveryMethod.WEBHOOK,
    }
    declared = registry.describe("generic_jobs").recovery
    assert registry.recovery_of("generic_jobs", {}) == declared


def test_a_template_keeps_types_and_leaves_out_what_is_missing() -> None:
    template = {
        "n": "$count",
        "price": "$$5",
        "text": "a $count of it",
        "inner": {"seed": "$seed"},
        "list": ["$prompt", "$mask"],
        "empty": {},
        "fixed": [1, None, True],
    }

    assert json_templates.filled(template, {"count": 2, "prompt": "a mug"}) == {
        "n": 2,
        "price": "$5",
        "text": "a $count of it",
        "list": ["a mug"],
        "empty": {},
        "fixed": [1, None, True],
    }
    assert json_templates.placeholders(template) == {"count", "seed", "prompt", "mask"}
