"""A draft is judged as a whole: by its texts, its model, and the content check of the site."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from imagegen_app.core.states import VerdictOutcome
from imagegen_app.moderation.base import ScreenerDecision
from imagegen_app.services.job_requests import template_checks
from imagegen_app.services.job_requests.template_drafts import Draft, check
from imagegen_app.services.policy.model_catalog import InvalidRecord

if TYPE_CHECKING:
    from tests.services.conftest import Site

PRODUCT = [{"name": "product"}]


class Strict:
    """Blocks texts with one word, and fails at another."""

    def screen_text(self, text: str) -> ScreenerDecision:
        if "broken" in text:
            raise RuntimeError
        is_blocked = "weapon" in text
        return ScreenerDecision(
            VerdictOutcome.BLOCKED if is_blocked else VerdictOutcome.PASSED,
            categories=("weapons",) if is_blocked else (),
        )


class Asking(Strict):
    """A service, which is not asked while somebody types."""

    needs_connection = True


def told(draft: Draft) -> list[str]:
    report = template_checks.report_on(draft)
    return [
        f"{one.code} {one.severity} {one.part}: {one.placed_sentence}" for one in report.problems
    ]


def test_errors_and_warnings_are_told_apart_with_their_places(site: Site) -> None:
    report = template_checks.report_on(
        Draft(body="A {{ prodct }}\n{% if product %}x{% endif %}", variables=PRODUCT)
    )

    assert [one.placed_sentence for one in report.errors] == [
        "Line 1, column 6: The variable “prodct” is not defined; add it, or correct its name."
    ]
    assert report.warnings == ()
    assert report.undefined == ("prodct",)
    assert told(Draft(body="A {{ product|shout }}", variables=PRODUCT)) == [
        (
            "syntax error body: line 1: the filter “shout” is not allowed here; available: "
            "capitalize, lower, title, trim, upper, default('…') (column 14)"
        )
    ]
    assert told(Draft(body="A mug", variables=[{"name": "A b"}]))[0].startswith(
        "invalid_variable error variables: “A b” is not a valid variable name"
    )


def test_what_the_model_does_not_take_is_an_error(site: Site) -> None:
    draft = Draft(body="A mug", image_model=site.model, quality="superb")

    (found,) = template_checks.report_on(draft).errors

    assert (found.code, found.part, found.field) == ("unsupported", "settings", "quality")


def test_a_prompt_that_is_always_too_long_is_refused_when_it_is_published(site: Site) -> None:
    site.model.capabilities = {"max_prompt_chars": 20}
    draft = Draft(body="word " * 30, image_model=site.model)

    assert template_checks.report_on(draft).errors[0].code == "too_long"
    with pytest.raises(InvalidRecord, match="Shorten it") as refused:
        check(draft)
    assert refused.value.field == "body"


def test_words_that_the_content_check_would_block_are_told_with_their_line(
    site: Site, small: Any
) -> None:
    entries = [
        {"BACKEND": f"{__name__}.Strict", "NAME": "words", "STAGES": ["prompt"]},
        {"BACKEND": f"{__name__}.Asking", "NAME": "service", "STAGES": ["prompt"]},
    ]
    small.IMAGEGEN = {**small.IMAGEGEN, "SCREENERS": entries}
    choice = {"name": "thing", "kind": "choice", "choices": ["mug", "weapon"]}

    assert told(Draft(body="A mug\nand a weapon", negative="weapon")) == [
        (
            "same_words warning negative: Line 1, column 1: “weapon” stands in the prompt and in "
            "the negative prompt."
        ),
        "blocked_words warning body: Line 2, column 1: “words” would block these words.",
        "blocked_words warning negative: Line 1, column 1: “words” would block these words.",
    ]
    assert told(Draft(body="A {{ thing }}", variables=[choice])) == [
        "blocked_words warning variables: “words” would block a value of “thing”."
    ]
    assert told(Draft(body="A broken mug")) == []


def test_a_provider_that_is_not_configured_is_told_and_ends_nothing(site: Site) -> None:
    provider = site.model.provider
    provider.adapter = "nowhere"

    (found,) = template_checks.report_on(Draft(body="A mug", image_model=site.model)).errors

    assert (found.code, found.field) == ("unsupported", "image_model")
