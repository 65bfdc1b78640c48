"""People read words and amounts of their language in the log, not codes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

import pytest
from django.utils.translation import override

from imagegen_app.core.actors import System
from imagegen_app.models import AuditEvent
from imagegen_app.services.audit import _log_findings, descriptions, event_labels, sealing
from imagegen_app.services.foundation import event_log
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.policy import model_catalog
from imagegen_app.testing.factories import (
    make_grant,
    make_group,
    make_image_model,
    make_job,
    make_user,
)

if TYPE_CHECKING:
    from imagegen_app.models import Job

pytestmark = pytest.mark.django_db
ACTOR = System("test")

#: Codes that events hold, by data key.
CODES = {
    "because": ["step"],
    "error": [
        *("fewer_images", "forged", "images_not_stored", "input_missing", "inputs_unreadable"),
        *("internal_error", "never_accepted", "not_granted", "request_gone"),
        *("worker_lost_repeatedly", "rate_limited", "content_blocked"),
    ],
    "finding": ["tree_not_continued", *get_args(_log_findings.Kind)],
    "kind": ["audit events", "evidence pack", "images", "original"],
    "outcome": ["applied", "closed", "ignored", "sent_again"],
    "reason_code": [
        *("blocks", "budget", "failures", "internal_error", "person", "pilot", "refused"),
        "spending_limit",
    ],
    "rule": [
        *("currency_mismatch", "invalid_job_request", "invalid_pass", "no_price", "not_granted"),
        *("not_permitted", "over_budget"),
    ],
    "stage": ["input", "output", "prompt", "unknown"],
    "waiting_for": ["certificate", "storage"],
    "purpose": ["screening", "captioning"],
    "scope": ["site", "provider", "group", "user"],
    "lifecycle": ["active", "deprecated", "retired"],
    "operation": ["generate", "edit"],
    "operations": ["generate", "edit"],
}


@pytest.mark.parametrize("fact", CODES)
def test_every_code_has_a_label_in_each_language(fact: str) -> None:
    for language in ("de", "fr"):
        with override(language):
            labels = {code: event_labels.value_label(fact, code) for code in CODES[fact]}

        # Some words are the same in several languages.
        unlabelled = {code for code, label in labels.items() if label == code}
        assert unlabelled <= {"images", "original", "prompt"}, language
        assert not any("_" in label or label.endswith(".") for label in labels.values())


@pytest.mark.parametrize(
    "ground", ["older than allowed", "all of one person", "the prompt of one job"]
)
def test_the_ground_of_a_removal_has_words(ground: str) -> None:
    with override("de"):
        told = event_labels.value_label("ground", ground)

    assert told != ground


def test_what_has_no_label_is_shown_as_it_is() -> None:
    assert event_labels.value_label("error", "of_a_site") == "of_a_site"
    assert event_labels.value_label("model", "failed") == "failed"


def test_objects_are_named_by_their_kind_and_the_end_of_their_key() -> None:
    assert event_labels.object_label("user", "17") == "person 17"
    assert event_labels.object_label("job", "0123456789ab") == "job 456789ab"
    assert event_labels.object_label("stranger", "5") == "stranger 5"
    assert event_labels.object_label("job", "") == ""


@use_case()
def record(kind: str, *, job: Job | None = None, **data: Any) -> None:
    event_log.record(ACTOR, kind, subject=job, job=job, data=data)


@use_case()
def record_with_texts(job: Job) -> None:
    event_log.record(
        ACTOR,
        "job.denied",
        data={"rule": "over_budget"},
        personal={"prompt": "A red mug", "reason": "Too dear"},
    )


def described(kind: str) -> descriptions.EventDescription:
    (found,) = descriptions.describe_events(AuditEvent.objects.filter(type=kind))
    return found


def facts(kind: str) -> list[str]:
    return [value for _label, value in described(kind).facts]


def test_amounts_are_written_as_the_reader_writes_them() -> None:
    record("money.reserved", amount="1234.5", currency="EUR")
    record("budget.changed", before="1.5", after="2.5", limit="2.5")

    with override("de"):
        assert "1234,50" in facts("money.reserved")[0].replace(".", "")
        changed = facts("budget.changed")
        assert [text.count(",") for text in changed] == [1, 1, 1]
        assert described("budget.changed").sentence.count("1,5") == 1


def test_lists_and_changes_are_told_in_words() -> None:
    record(
        "grant.changed",
        operations=["generate", "edit"],
        changes={"max_count": {"before": None, "after": 2}, "is_enabled": True},
    )

    told = facts("grant.changed")

    assert "Generate, Edit" in told
    (changes,) = [text for text in told if "→" in text]
    assert "\N{EN DASH} → 2" in changes
    assert "enabled: yes" in changes


def test_states_of_a_model_are_told_in_words() -> None:
    record("model.promoted", model="brush", before="deprecated", after="active")

    told = facts("model.promoted")

    assert set(told) == {"brush", "Active", "Deprecated"}


def test_a_screened_row_names_parts_and_outcomes() -> None:
    screened = [
        {"screener": "eyes", "part": "prompt", "outcome": "blocked"},
        {"screener": "ears", "part": "input_image:2", "outcome": "passed"},
    ]
    record("job.requested", job=make_job(), model="brush", count=1, screened=screened)

    with override("de"):
        (told,) = [text for text in facts("job.requested") if "eyes" in text]

    assert told.startswith("eyes, ")
    assert ", ears, " in told
    assert "blocked" not in told
    assert "input_image" not in told


def test_prompts_are_never_told_and_other_texts_are() -> None:
    record_with_texts(make_job())

    found = described("job.denied")

    values = [value for _label, value in found.facts]
    assert "Too dear" in values
    assert "A red mug" not in values
    assert found.erased == ()


def test_texts_belong_to_the_event_that_they_are_of() -> None:
    record_with_texts(make_job())
    record("money.reserved", amount="1", currency="EUR")

    assert "Too dear" not in facts("money.reserved")


def test_a_sealed_event_has_its_position() -> None:
    record("money.reserved", amount="1", currency="EUR")
    assert described("money.reserved").seq is None
    sealing.seal_all()

    assert described("money.reserved").seq == 0


def test_the_history_of_a_job_is_its_own() -> None:
    job, other = make_job(), make_job(requester=make_user())
    record("job.cancel_requested", job=job)
    record("job.cancel_requested", job=other)
    record("job.cancelled", job=job, was_billed=False)

    told = descriptions.describe_job_history(job)

    assert [one.event.type for one in told] == ["job.cancel_requested", "job.cancelled"]
    assert descriptions.describe_job_history(job, most=1)[0].event.type == "job.cancel_requested"
    assert told[0].sentence[0].isupper() or told[0].sentence.startswith("system test")


def test_grants_and_their_sentences_name_the_group_while_it_is_there() -> None:
    grant = make_grant(group=make_group("Editors"), image_model=make_image_model(name="Flux"))
    grant.reason = "New"
    model_catalog.save(actor=ACTOR, record=grant)

    found = described("grant.changed")

    assert "the grant of group “Editors” for" in found.sentence
    assert ("group", "Editors") in found.facts


def test_objects_are_named_as_people_know_them_while_they_are_there() -> None:
    job = make_job()
    record("job.answered", job=job)

    found = described("job.answered")

    assert found.object.startswith("job “Generate, ")
    assert found.object in found.sentence
    assert found.actor == "system test"
