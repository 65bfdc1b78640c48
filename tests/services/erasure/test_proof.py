from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.contenttypes.models import ContentType

from imagegen_app.core.ids import uuid7
from imagegen_app.models import (
    AuditEvent,
    AuditPersonalText,
    Job,
    Placement,
    Verdict,
    WebhookDelivery,
)
from imagegen_app.services.erasure import commands, preview, proof, scopes
from imagegen_app.services.foundation import event_log
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.gateways import spool
from imagegen_app.services.policy import access
from imagegen_app.testing.factories import make_asset, make_attempt, make_job, make_user

if TYPE_CHECKING:
    from pathlib import Path

    from imagegen_app.core.actors import Person

pytestmark = pytest.mark.django_db

PROMPT = "A portrait of Ada \N{EM DASH} “the countess”"
NAME = "Ada Byron of Ockham"


@pytest.fixture(autouse=True)
def own_state_folder(settings: Any, tmp_path: Path) -> None:
    settings.IMAGEGEN = {**settings.IMAGEGEN, "STATE_DIR": tmp_path / "state"}


@pytest.fixture
def officer() -> Person:
    return access.actor_for(make_user("officer", permissions=["imagegen.erase_personal_data"]))


def job_everywhere(**changes: Any) -> Job:
    """Make a job whose prompt stands in every place where this app leaves it."""
    ada = make_user("ada")
    job = make_job(
        requester=ada,
        prompt=PROMPT,
        negative_prompt="no other countess",
        variables={"person": {"name": NAME}, "lines": [NAME, "short"]},
        state="succeeded",
        **changes,
    )
    attempt = make_attempt(
        job=job,
        revised_prompt=f"A fine {PROMPT}",
        error_detail=f"no {PROMPT}",
        provider_message=f"We do not draw “{PROMPT}”.",
    )
    asset = make_asset(attempt=attempt, alt_suggestion="Ada", alt_text=f"See: {PROMPT}")
    body = json.dumps({"id": 1, "input": {"prompt": PROMPT}})
    folder = spool.folder() / str(attempt.pk)
    folder.mkdir()
    (folder / "body").write_text(body)

    @use_case()
    def write() -> None:
        Placement.objects.create(
            asset=asset,
            content_type=ContentType.objects.get_for_model(Job),
            object_id="1",
            field="image",
            object_label="A mug",
            previous_alt_text=f"Typed by hand: {PROMPT}",
        )
        WebhookDelivery.objects.create(
            provider=attempt.image_model.provider,
            delivery_id="d1",
            attempt=attempt,
            body=body,
            body_sha256="0" * 64,
        )
        event_log.record(
            access.actor_for(ada),
            "job.requested",
            subject=job,
            job=job,
            personal={"prompt": PROMPT, "variables": json.dumps({"name": NAME})},
        )

    write()
    return job


def data_of_last_event() -> tuple[str, dict[str, Any]]:
    event = AuditEvent.objects.latest("pk")
    return event.type, json.loads(event.body)["data"]


def test_every_place_that_holds_the_prompt_is_erased(
    officer: Person, django_capture_on_commit_callbacks: Any
) -> None:
    job = job_everywhere()
    attempt = job.attempts.get()

    with django_capture_on_commit_callbacks(execute=True):
        commands.erase_prompt(officer, job=job, reason="asked")
    found = commands.erase(officer, scopes.job_scope(job), reason="asked").proof

    job.refresh_from_db()
    assert (job.prompt, job.negative_prompt, job.variables) == ("", "", {})
    attempt.refresh_from_db()
    assert (attempt.revised_prompt, attempt.error_detail, attempt.provider_message) == ("", "", "")
    delivery = WebhookDelivery.objects.get()
    assert (delivery.body, delivery.body_sha256) == ("", "")
    asset = job.assets.get()
    assert (asset.alt_suggestion, asset.alt_text) == ("", "")
    assert (asset.search_text.public_text, asset.search_text.prompt_text) == ("A mug", "")
    assert Placement.objects.get().previous_alt_text == ""
    told = AuditPersonalText.objects.values_list("value", flat=True)
    assert not any(NAME in text or PROMPT in text for text in told)
    assert not (spool.folder() / str(attempt.pk)).exists()
    assert found.findings == ()


def test_the_search_names_each_place_before_the_erasure() -> None:
    job = job_everywhere()
    scope = scopes.job_scope(job)

    found = proof.search(scope, scopes.collect_texts(scope))

    places = {one.place for one in found.findings}
    assert {
        "imagegen.job.prompt",
        "imagegen.job.negative_prompt",
        "imagegen.job.variables",
        "imagegen.attempt.revised_prompt",
        "imagegen.attempt.error_detail",
        "imagegen.attempt.provider_message",
        "imagegen.asset.alt_text",
        "imagegen.placement.previous_alt_text",
        "imagegen.webhookdelivery.body",
        "imagegen.auditpersonaltext.value",
        str(job.attempts.get().pk),
    } <= places
    assert not found.is_clean


def test_the_preview_counts_what_is_then_erased(officer: Person) -> None:
    job = job_everywhere()

    seen = preview.preview(officer, scopes.job_scope(job))

    tables = {line.label: line.count for line in seen.tables}
    assert tables == {
        "jobs": 1,
        "attempts": 1,
        "webhook deliveries": 1,
        "assets": 1,
        "placements": 1,
        "personal texts beside the log": 2,
    }
    assert {line.label: line.count for line in seen.files} == {"folders of answers in the spool": 1}
    assert Job.objects.get().prompt == PROMPT


def test_the_proof_is_recorded_without_the_texts(
    officer: Person, django_capture_on_commit_callbacks: Any
) -> None:
    job = job_everywhere()

    with django_capture_on_commit_callbacks(execute=True):
        commands.erase_prompt(officer, job=job, reason="asked")
    report = commands.erase(
        officer, scopes.job_scope(job), reason="again", also_search=["Countess of Lovelace"]
    )

    kind, data = data_of_last_event()
    assert kind == "privacy.erasure_proved"
    assert (data["texts"], data["found"]) == (1, [])
    assert data["columns"] == report.proof.columns > 100
    assert data["files"] == report.proof.files >= 2
    assert "Countess" not in AuditEvent.objects.latest("pk").body


def test_a_leftover_makes_the_proof_fail(officer: Person) -> None:
    job = job_everywhere()
    use_case(audited=False)(
        lambda: Verdict.objects.create(
            job=job, stage="prompt", screener="s", outcome="held", remedy=f"Not {PROMPT}"
        )
    )()

    found = commands.erase(officer, scopes.job_scope(job), reason="asked").proof

    assert [(one.place, one.count) for one in found.findings if "verdict" in one.place] == [
        ("imagegen.verdict.remedy", 1)
    ]
    kind, data = data_of_last_event()
    assert kind == "privacy.erasure_incomplete"
    assert "imagegen.verdict.remedy: 1" in data["found"]


def test_the_same_words_of_others_are_told_and_stay(
    officer: Person, django_capture_on_commit_callbacks: Any
) -> None:
    job = job_everywhere()
    other = make_job(requester=make_user("bob"), prompt=PROMPT, state="succeeded")

    found = commands.erase(officer, scopes.job_scope(job), reason="asked").proof

    assert [(one.place, one.count) for one in found.elsewhere][:1] == [("imagegen.job.prompt", 1)]
    other.refresh_from_db()
    assert other.prompt == PROMPT


def test_an_officer_can_erase_what_is_about_themselves(
    officer: Person, django_capture_on_commit_callbacks: Any
) -> None:
    make_job(requester=officer.user, prompt=PROMPT, state="succeeded")
    scope = scopes.person_scope(f"person:{officer.id}")

    with django_capture_on_commit_callbacks(execute=True):
        commands.erase_person(officer, subject=scope.subject, reason="asked")
    found = commands.erase(officer, scope, reason="asked").proof

    assert found.findings == ()
    reasons = AuditPersonalText.objects.filter(field="reason", value="asked")
    assert reasons.exists()


def test_all_prompts_of_a_person_with_very_many_are_erased_and_looked_for(
    officer: Person, django_capture_on_commit_callbacks: Any
) -> None:
    ada = make_user("ada")
    first = make_job(requester=ada, prompt=f"{PROMPT} 0", state="succeeded")
    fields = {f.attname: getattr(first, f.attname) for f in Job._meta.concrete_fields}
    use_case(audited=False)(
        lambda: Job.objects.bulk_create(
            Job(**{**fields, "id": uuid7(), "prompt": f"{PROMPT} {number}"})
            for number in range(1, 700)
        )
    )()
    # In a row of somebody else, which only the last of so many texts finds.
    make_job(requester=make_user("bob"), prompt=f"as {PROMPT} 699", state="succeeded")
    scope = scopes.find_scope("ada")

    assert preview.preview(officer, scope).jobs == 700
    with django_capture_on_commit_callbacks(execute=True):
        report = commands.erase(officer, scope, reason="asked")

    assert not Job.objects.filter(actor_id=str(ada.pk)).exclude(prompt="").exists()
    assert report.proof.texts == 700
    assert ("imagegen.job.prompt", 1) in [(f.place, f.count) for f in report.proof.elsewhere]
    assert [f for f in report.proof.findings if "imagegen.job" in f.place] == []
