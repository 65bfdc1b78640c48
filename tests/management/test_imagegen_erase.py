from __future__ import annotations

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from imagegen_app.models import AuditEvent, Job, Verdict
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.testing.factories import make_job, make_user

pytestmark = pytest.mark.django_db(transaction=True)
PROMPT = "A portrait of Ada Byron"


def run(*arguments: str) -> dict[str, Any]:
    """Return what the command prints as JSON."""
    out = StringIO()
    call_command("imagegen_erase", *arguments, "--json", stdout=out)
    found: dict[str, Any] = json.loads(out.getvalue())
    return found


def test_without_yes_it_only_shows_what_would_be_erased() -> None:
    make_job(requester=make_user("ada"), prompt=PROMPT)

    seen = run("ada")

    assert (seen["jobs"], seen["tables"]) == (1, {"jobs": 1})
    assert Job.objects.get().prompt == PROMPT


def test_with_yes_it_erases_and_proves_it() -> None:
    job = make_job(prompt=PROMPT)

    told = run(str(job.pk), "--yes", "--reason", "asked")

    assert Job.objects.get().prompt == ""
    assert (told["clean"], told["texts"], told["found"]) == (True, 1, {})
    assert told["columns"] > 100


def test_it_fails_if_something_is_found_again() -> None:
    job = make_job(prompt=PROMPT)
    use_case(audited=False)(
        lambda: Verdict.objects.create(
            job=job, stage="prompt", screener="s", outcome="held", remedy=f"Not {PROMPT}"
        )
    )()

    with pytest.raises(CommandError, match="found again") as failure:
        call_command("imagegen_erase", str(job.pk), "--yes", "--reason", "asked", stdout=StringIO())
    assert failure.value.returncode == 1


def test_it_says_why_nothing_is_erased() -> None:
    job = make_job(prompt=PROMPT)

    with pytest.raises(CommandError, match="Give a reason"):
        call_command("imagegen_erase", str(job.pk), "--yes")
    with pytest.raises(CommandError, match="neither a person nor a job"):
        call_command("imagegen_erase", "nobody")


@pytest.mark.parametrize(
    "subject", ["person:424242", "person:abc", "person:" + "9" * 30, "person:0"]
)
def test_a_mistyped_person_is_refused_and_not_proved_clean(subject: str) -> None:
    make_job(requester=make_user("ada"), prompt=PROMPT)

    for options in ((), ("--yes", "--reason", "asked")):
        with pytest.raises(CommandError, match="Neither an account nor the log knows"):
            call_command("imagegen_erase", subject, *options, stdout=StringIO())

    assert not AuditEvent.objects.filter(type__startswith="privacy.").exists()


def test_a_person_is_erased_and_may_be_erased_again() -> None:
    ada = make_user("ada")
    make_job(requester=ada, prompt=PROMPT)
    subject = f"person:{ada.pk}"

    assert run(subject, "--yes", "--reason", "asked")["clean"]
    assert run(subject, "--yes", "--reason", "asked again")["clean"]
