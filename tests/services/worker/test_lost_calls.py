"""A lost call is recovered in every way that its adapter declares, whoever wrote the adapter."""

from __future__ import annotations

import json
import time
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from imagegen_app.models import Attempt, AuditEvent, Job, Provider
from imagegen_app.providers.credentials import Secret
from imagegen_app.providers.families import standard_webhooks
from imagegen_app.services.foundation import clock
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.job_requests import job_actions
from imagegen_app.services.jobs import leases, transitions, unknown_outcomes
from imagegen_app.services.jobs.rebuilding import attempt_token
from imagegen_app.services.worker import _decisions, _recovery, driver, sweep, webhook_inbox
from tests.services.conftest import Site, at_simulator, governed, take_first_step

if TYPE_CHECKING:
    from collections.abc import Callable

    from imagegen_app.testing.simulator.process import SimulatorProcess

PATH = "tests.services.worker.strangers:"


@use_case(audited=False)
def changed(row: Any, **fields: Any) -> None:
    type(row).objects.filter(pk=row.pk).update(**fields)


def lost(site: Site) -> tuple[Job, Attempt]:
    """Return a job whose worker was killed when its call was marked as sent."""
    site.request()
    (job,) = leases.claim(limit=1, owner="killed")
    attempt = transitions.start_attempt(job, digest=leases.digest_of(job))
    transitions.mark_sent(job, attempt)
    changed(job, lease_until=clock.now() - timedelta(seconds=1))
    return job, attempt


def uncertain(site: Site) -> tuple[Job, Attempt]:
    """Return a job whose outcome was given up as unknown, before its adapter could resend."""
    job, attempt = lost(site)
    (job,) = leases.claim(limit=1, owner="earlier", only=job.pk)
    unknown_outcomes.mark_uncertain(job, attempt, look_again=None)
    return job, attempt


@pytest.fixture
def stranger(
    db: None, small: Any, simulator: SimulatorProcess, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], Site]:
    """Make a site whose adapter is a stranger's, named in `IMAGEGEN["ADAPTERS"]`."""
    monkeypatch.setattr(_recovery, "LOOKUP_RETRY_SECONDS", 0.02)
    monkeypatch.setattr(_decisions, "retry_delay", lambda _tries, _error: 0.02)
    monkeypatch.setenv("SIMULATOR_WEBHOOK_SECRET", simulator.webhook_secret)

    def make(name: str) -> Site:
        model = at_simulator(simulator, small, monkeypatch, "generic_jobs")
        credentials = small.IMAGEGEN["CREDENTIALS"]["simulator"]
        small.IMAGEGEN = {
            **small.IMAGEGEN,
            "ADAPTERS": {"ours": PATH + name},
            "CREDENTIALS": {
                "simulator": {**credentials, "WEBHOOK_SOURCE": "env:SIMULATOR_WEBHOOK_SECRET"}
            },
        }
        changed(model.provider, adapter="ours")
        model.provider.refresh_from_db()
        return governed(model)

    return make


def driven(job: Job, *, seconds: float = 60) -> Job:
    driver.drive(seconds=seconds)
    job.refresh_from_db()
    return job


def test_a_lost_call_to_the_sandbox_is_made_again(site: Site) -> None:
    job, attempt = lost(site)

    driven(job)

    assert (job.state, job.actual_cost) == ("succeeded", Decimal("0.02"))
    assert list(job.attempts.values_list("pk", "state")) == [(attempt.pk, "settled")]


@pytest.mark.parametrize("way", ["Keyed", "Lookup", "ClientReference"])
@pytest.mark.parametrize("arrived", [True, False], ids=["arrived", "never_arrived"])
def test_a_lost_call_of_a_strangers_adapter_ends_once_and_is_billed_once(
    stranger: Callable[[str], Site], simulator: SimulatorProcess, way: str, arrived: bool
) -> None:
    site = stranger(way)
    simulator.fail("disconnect" if arrived else "disconnect_early", on="jobs")
    job = site.request()

    driven(job)

    assert (job.state, simulator.bill()["images"]) == ("succeeded", 1)


def test_the_resent_call_has_the_same_key_and_is_told_to_the_log(
    stranger: Callable[[str], Site], simulator: SimulatorProcess
) -> None:
    job, attempt = lost(stranger("Keyed"))

    driven(job)

    (entry,) = simulator.bill()["entries"]
    assert (job.state, entry["key"]) == ("succeeded", str(attempt.pk))
    sent = AuditEvent.objects.filter(type="job.submitted", job_id=job.pk)
    assert sorted('"again":true' in event.body for event in sent) == [False, True]


@pytest.mark.parametrize("way", ["Unrecoverable", "WebhookOnly", "ForgetfulKeyed"])
def test_what_cannot_be_found_out_waits_for_a_person_and_is_not_sent_again(
    stranger: Callable[[str], Site], simulator: SimulatorProcess, way: str
) -> None:
    site = stranger(way)
    simulator.fail("disconnect", on="jobs")
    job = site.request()

    driven(job, seconds=3)

    assert (job.state, simulator.calls()["POST /v1/jobs"]) == ("uncertain", 1)


@pytest.mark.parametrize("way", ["WebhookOnly", "Unrecoverable"])
def test_a_webhook_that_brings_the_reference_of_a_lost_call_leads_to_a_poll(
    stranger: Callable[[str], Site], simulator: SimulatorProcess, way: str
) -> None:
    site = stranger(way)
    simulator.fail("disconnect", on="jobs")
    job = site.request()
    driven(job, seconds=3)
    (entry,) = simulator.bill()["entries"]
    body = json.dumps({"data": {"id": entry["id"], "status": "gestating"}}).encode()
    headers = standard_webhooks.sign(
        delivery_id="msg_1",
        timestamp=int(time.time()),
        body=body,
        secret=Secret(simulator.webhook_secret),
    )

    outcome = webhook_inbox.receive(
        token=attempt_token(job.attempts.get()), headers=headers, body=body
    )
    driven(job)

    assert (outcome, job.state) == ("applied", "succeeded")
    assert (simulator.bill()["images"], job.attempts.get().provider_ref) == (1, entry["id"])


def test_a_cancelled_call_is_not_made_again(
    stranger: Callable[[str], Site], simulator: SimulatorProcess
) -> None:
    site = stranger("Keyed")
    job, _attempt = lost(site)
    job_actions.cancel(actor=site.actor, job=job)

    driven(job, seconds=3)

    assert (job.state, simulator.bill()["images"]) == ("uncertain", 0)


def test_a_call_is_not_made_again_after_its_deadline(
    stranger: Callable[[str], Site], simulator: SimulatorProcess
) -> None:
    job, _attempt = lost(stranger("Keyed"))
    changed(job, deadline_at=clock.now() - timedelta(seconds=1))

    driven(job, seconds=3)

    assert (job.state, simulator.bill()["images"]) == ("uncertain", 0)


def other_prompt(job: Job) -> None:
    changed(job, prompt="A blue mug")


def other_account(job: Job) -> None:
    changed(job.image_model.provider, base_url=job.image_model.provider.base_url + "/")


def other_wire_name(job: Job) -> None:
    changed(job.image_model, provider_model_name="generic-2")


@pytest.mark.parametrize("change", [other_prompt, other_account, other_wire_name])
def test_only_the_identical_call_to_the_same_account_is_made_again(
    stranger: Callable[[str], Site], simulator: SimulatorProcess, change: Callable[[Job], None]
) -> None:
    job, _attempt = lost(stranger("Keyed"))
    change(job)

    driven(job, seconds=3)

    assert (job.state, simulator.bill()["images"]) == ("uncertain", 0)


def test_a_public_address_that_was_set_meanwhile_changes_the_call(
    stranger: Callable[[str], Site], simulator: SimulatorProcess, settings: Any
) -> None:
    job, _attempt = lost(stranger("Keyed"))
    settings.IMAGEGEN = {**settings.IMAGEGEN, "PUBLIC_URL": "https://shop.example"}

    driven(job, seconds=3)

    assert (job.state, simulator.bill()["images"]) == ("uncertain", 0)


@pytest.mark.parametrize("status", [404, 409, 422, 503])
def test_a_resent_call_that_is_refused_does_not_undo_the_first_one(
    stranger: Callable[[str], Site], simulator: SimulatorProcess, status: int
) -> None:
    site = stranger("Keyed")
    simulator.script(
        faults=[
            {"kind": "disconnect", "on": "jobs"},
            {"kind": "status", "on": "jobs", "status": status, "times": 2},
        ]
    )
    job = site.request()

    driven(job)

    assert (job.state, job.attempts.count()) == ("succeeded", 1)
    assert simulator.bill()["images"] == 1


def test_uncertain_jobs_that_can_be_resent_are_due_at_the_next_clearing(site: Site) -> None:
    job, _attempt = uncertain(site)

    assert sweep.make_resendable_due() == 1
    driven(job)

    assert (job.state, job.attempts.count()) == ("succeeded", 1)
    assert sweep.make_resendable_due() == 0


def test_uncertain_jobs_that_cannot_be_resent_keep_waiting_for_a_person(
    stranger: Callable[[str], Site],
) -> None:
    job, _attempt = uncertain(stranger("Unrecoverable"))

    assert sweep.make_resendable_due() == 0
    driven(job, seconds=1)

    assert job.state == "uncertain"


@pytest.mark.parametrize("state", ["sent", "awaiting", "ingesting"])
def test_a_provider_without_its_adapter_for_a_while_costs_no_second_call(
    jobs_site: Site, simulator: SimulatorProcess, state: str
) -> None:
    if state == "sent":
        job, _attempt = lost(jobs_site)
    else:
        simulator.script(job_seconds=0 if state == "ingesting" else 0.3)
        job = jobs_site.request()
        (job,) = leases.claim(limit=1, owner="killed")
        leases.release([job])
        driven(job, seconds=0)
        take_first_step()
    provider = Provider.objects.get()
    changed(provider, adapter="not.installed:Adapter")

    driven(job, seconds=1)
    assert job.state not in {"failed", "queued"}
    changed(provider, adapter="generic_jobs")
    changed(job, due_at=clock.now())
    driven(job)

    assert (job.state, simulator.bill()["images"]) == ("succeeded", 1)
    assert job.attempts.count() == 1


def seconds_until_due(job: Job) -> float:
    job.refresh_from_db()
    assert job.due_at is not None
    return (job.due_at - clock.now()).total_seconds()


@pytest.mark.parametrize("status", [409, 425, 429, 503])
def test_a_submit_that_is_told_to_wait_is_not_made_again_before(
    jobs_site: Site, simulator: SimulatorProcess, status: int
) -> None:
    simulator.fail("status", status=status, retry_after=120, on="jobs", times=None)
    job = jobs_site.request()

    driven(job, seconds=1.5)

    assert simulator.calls()["POST /v1/jobs"] == 1
    assert seconds_until_due(job) > 90


def test_a_service_that_asks_for_a_pause_gets_no_calls_of_other_jobs_either(
    jobs_site: Site, simulator: SimulatorProcess
) -> None:
    simulator.fail("status", status=503, retry_after=120, on="jobs", times=None)
    driven(jobs_site.request())

    driven(jobs_site.request(prompt="A blue mug"), seconds=1)

    assert simulator.calls()["POST /v1/jobs"] == 1


@pytest.mark.parametrize("status", [429, 500, 503])
def test_polls_and_look_ups_wait_as_long_as_they_are_told_to(
    jobs_site: Site, simulator: SimulatorProcess, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    monkeypatch.setattr(_decisions, "POLL_SECONDS", 0.05)
    simulator.script(
        job_seconds=30,
        faults=[
            {"kind": "status", "on": aim, "status": status, "retry_after": 120}
            for aim in ("poll", "lookup")
        ],
    )
    looked_up, _attempt = lost(jobs_site)
    driven(looked_up)
    polled = jobs_site.request(prompt="A blue mug")
    driven(polled)

    assert (polled.state, looked_up.state) == ("awaiting", "submitting")
    assert seconds_until_due(polled) > 90
    assert seconds_until_due(looked_up) > 90
    assert simulator.calls()["GET /v1/jobs/{id}"] == 1


def test_an_answer_that_breaks_off_is_not_said_never_to_have_come(
    stranger: Callable[[str], Site],
    small: Any,
    simulator: SimulatorProcess,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    site = governed(at_simulator(simulator, small, monkeypatch, "openai"))
    simulator.fail("half_answer")
    job = site.request(size="1024x1024")

    driven(job)

    assert (job.state, job.error_code) == ("uncertain", "answer_cut_off")
    assert "no answer" not in job.error_message
    assert job.attempts.get().error_detail == "the connection broke while receiving"
