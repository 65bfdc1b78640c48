from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from imagegen_app.core.errors import all_errors
from imagegen_app.core.states import FINAL_STATES
from imagegen_app.imaging.errors import MESSAGES
from imagegen_app.models import (
    Asset,
    Attempt,
    AuditEvent,
    BudgetPeriod,
    Grant,
    LedgerEntry,
    Rendition,
)
from imagegen_app.providers.http import HttpClient, HttpLimits
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.gateways import adapters, storage
from imagegen_app.services.job_requests import job_actions
from imagegen_app.services.jobs import leases, transitions
from imagegen_app.services.library import inspection
from imagegen_app.services.worker import driver
from tests.services.conftest import Site, at_simulator, governed

if TYPE_CHECKING:
    from imagegen_app.models import Job
    from imagegen_app.testing.simulator.process import SimulatorProcess


def drive(job: Job, *, seconds: float = 60) -> Job:
    driver.drive(seconds=seconds)
    job.refresh_from_db()
    return job


@pytest.fixture
def openai(
    db: None, small: Any, simulator: SimulatorProcess, monkeypatch: pytest.MonkeyPatch
) -> Site:
    """Return a site whose only model uses the OpenAI protocol, at the simulator."""
    return governed(at_simulator(simulator, small, monkeypatch, "openai"))


def quick_client(**_options: Any) -> HttpClient:
    """Return a client that waits at most 1.5 seconds for a silent server."""
    from imagegen_app import conf  # noqa: PLC0415 - reads the settings of the test

    limits = HttpLimits(read=1.5, total=20)
    return HttpClient(limits=limits, trusted_origins=frozenset(conf.get().trusted_origins))


def request_large(site: Site, **changes: Any) -> Job:
    return site.request(size="1024x1024", **changes)


def test_the_sandbox_produces_a_marked_and_signed_asset_with_renditions(site: Site) -> None:
    job = drive(site.request(count=2))

    assert (job.state, job.actual_cost) == ("succeeded", Decimal("0.04"))
    asset = job.assets.get(position=0)
    inspected = inspection.inspect_stored(asset)
    assert inspected.is_intact
    assert inspected.marks.digital_source_type.endswith("/trainedAlgorithmicMedia")
    assert asset.review_state == "pending"
    assert storage.get(asset.original_storage_key) != storage.get(asset.storage_key)
    assert Rendition.objects.filter(asset=asset).count() == 1
    assert (BudgetPeriod.objects.get().reserved, BudgetPeriod.objects.get().spent) == (
        0,
        Decimal("0.04"),
    )


def test_an_openai_job_succeeds_and_its_call_is_settled(
    openai: Site, simulator: SimulatorProcess
) -> None:
    job = drive(request_large(openai))

    assert job.state == "succeeded"
    assert job.attempts.get().state == "settled"
    assert simulator.bill()["images"] == 1


#: What the simulator does, the job's state and error code, and whether money stays spent or
#: reserved.
BAD_ANSWERS = [
    ("html", "failed", "bad_response", True),
    ("truncated_base64", "failed", "bad_response", True),
    ("huge_png", "failed", "bad_image", True),
    ("svg", "failed", "bad_image", True),
    ("animated_gif", "failed", "bad_image", True),
    ("error_in_200", "failed", "bad_response", True),
    ("missing_data", "failed", "bad_response", True),
    ("not_json", "failed", "bad_response", True),
    ("moderation_block", "blocked", "content_blocked", False),
    ("quota", "failed", "quota_exhausted", False),
    ("silence", "uncertain", "outcome_unknown", True),
    ("disconnect", "uncertain", "outcome_unknown", True),
]
#: In words of the provider.
EXPLAINED = {"error_in_200", "moderation_block", "quota"}


@pytest.mark.parametrize(
    ("kind", "state", "code", "costs_money"), BAD_ANSWERS, ids=[b[0] for b in BAD_ANSWERS]
)
def test_a_bad_answer_gives_one_clear_error_and_stores_no_asset(  # noqa: PLR0917 - columns of the table
    openai: Site,
    simulator: SimulatorProcess,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    state: str,
    code: str,
    costs_money: bool,
) -> None:
    if kind == "silence":
        monkeypatch.setattr(adapters, "http_client", quick_client)
    simulator.fail(kind)

    job = drive(request_large(openai))

    assert (job.state, job.error_code) == (state, code)
    assert job.error_message
    assert job.error_remedy
    assert not Asset.objects.exists()
    period = BudgetPeriod.objects.get()
    assert (period.spent + period.reserved > 0) is costs_money
    event_type = {
        "failed": "job.failed",
        "blocked": "job.blocked",
        "uncertain": "job.became_uncertain",
    }[state]
    assert AuditEvent.objects.filter(job_id=job.pk, type=event_type).count() == 1
    (attempt,) = job.attempts.all()
    # The simulator repeats the prompt in its words.
    assert bool(attempt.provider_message) is (kind in EXPLAINED)
    assert job.prompt not in attempt.provider_message
    told = [*AuditEvent.objects.values_list("body", flat=True), job.error_message]
    assert not any(attempt.provider_message in text for text in told if attempt.provider_message)


def test_every_message_about_a_bad_image_is_a_sentence() -> None:
    assert all(sentence.endswith(".") for sentence in MESSAGES.values())
    assert "bad_image" in all_errors()


def test_a_rate_limited_job_waits_as_long_as_the_provider_asks(
    openai: Site, simulator: SimulatorProcess
) -> None:
    simulator.fail("status", status=429, retry_after=1, times=1)

    job = drive(request_large(openai))

    assert job.state == "succeeded"
    assert sorted(job.attempts.values_list("state", flat=True)) == ["refused", "settled"]
    assert simulator.bill()["images"] == 1


def test_fewer_images_than_requested_are_stored_and_reported(
    openai: Site, simulator: SimulatorProcess
) -> None:
    simulator.fail("fewer_images")

    job = drive(request_large(openai, count=3))

    assert (job.state, job.error_code, job.assets.count()) == ("succeeded", "fewer_images", 1)


def test_a_job_at_an_asynchronous_provider_is_polled_until_it_ends(
    db: None, small: Any, simulator: SimulatorProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = governed(at_simulator(simulator, small, monkeypatch, "generic_jobs"))
    simulator.script(latency=0.5)

    job = drive(request_large(site))

    assert job.state == "succeeded"
    assert simulator.bill()["images"] == 1
    types = list(AuditEvent.objects.filter(job_id=job.pk).values_list("type", flat=True))
    assert "job.accepted" in types


def test_a_deleted_grant_stops_a_waiting_job(site: Site) -> None:
    job = site.request()
    use_case(audited=False)(Grant.objects.all().delete)()

    drive(job)

    assert (job.state, job.error_code) == ("failed", "not_granted")
    assert not Attempt.objects.exists()
    assert BudgetPeriod.objects.get().reserved == 0


def test_cancelling_a_waiting_job_costs_nothing(site: Site) -> None:
    job = site.request()

    is_cancelled = job_actions.cancel(actor=site.actor, job=job)

    job.refresh_from_db()
    assert (is_cancelled, job.state, job.actual_cost) == (True, "cancelled", 0)
    assert BudgetPeriod.objects.get().reserved == 0


@pytest.mark.parametrize(
    ("resolution", "state", "spent"),
    [
        ("close", "failed", "0.02"),
        ("never_accepted", "queued", "0"),
        ("send_again", "queued", "0.02"),
    ],
)
def test_a_person_resolves_an_unknown_outcome(
    openai: Site, simulator: SimulatorProcess, resolution: Any, state: str, spent: str
) -> None:
    simulator.fail("disconnect", times=1)
    job = drive(request_large(openai))
    from imagegen_app.core.actors import System  # noqa: PLC0415 - acts in place of a person

    job_actions.resolve(actor=System("test"), job=job, resolution=resolution)

    job.refresh_from_db()
    assert job.state == state
    assert BudgetPeriod.objects.get().spent == Decimal(spent)
    assert AuditEvent.objects.filter(job_id=job.pk, actor_id="test").exists()


def test_an_expired_lease_changes_no_job(site: Site) -> None:
    site.request()
    stale = leases.claim(limit=1, owner="a")[0]
    use_case(audited=False)(
        lambda: type(stale).objects.filter(pk=stale.pk).update(lease_until=None)
    )()
    fresh = leases.claim(limit=1, owner="b")[0]

    with pytest.raises(leases.LeaseLost):
        leases.postpone(stale, seconds=5)
    with pytest.raises(leases.LeaseLost):
        transitions.start_attempt(stale, digest="0" * 64)
    with pytest.raises(leases.LeaseLost):
        transitions.cancel(stale, None, charge=None)

    assert fresh.lease_token == stale.lease_token + 1
    fresh.refresh_from_db()
    assert (fresh.state, fresh.lease_owner, fresh.attempts.count()) == ("queued", "b", 0)


def test_two_workers_never_claim_the_same_job(site: Site) -> None:
    site.request()

    first = leases.claim(limit=5, owner="a")
    second = leases.claim(limit=5, owner="b")

    assert (len(first), len(second)) == (1, 0)


def test_the_ledger_entries_add_up_to_the_budget_period(
    openai: Site, simulator: SimulatorProcess
) -> None:
    simulator.fail("html", times=1)
    jobs = [request_large(openai, prompt=f"mug {n}") for n in range(3)]
    driver.drive(seconds=15)

    period = BudgetPeriod.objects.get()
    sums = {
        "reservation": Decimal(0),
        "release": Decimal(0),
        "charge": Decimal(0),
        "overage": Decimal(0),
    }
    for entry in LedgerEntry.objects.all():
        sums[entry.kind] += entry.amount
    assert sums["reservation"] - sums["release"] == period.reserved == 0
    assert sums["charge"] == period.spent
    for job in jobs:
        job.refresh_from_db()
        assert job.state in FINAL_STATES
