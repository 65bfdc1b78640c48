"""No call is marked as sent before the key is in hand, however its source fails."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from imagegen_app.core.actors import System
from imagegen_app.core.states import WaitingReason
from imagegen_app.models import Attempt, AuditEvent
from imagegen_app.providers import credentials
from imagegen_app.services.foundation import clock
from imagegen_app.services.jobs import waiting
from imagegen_app.services.worker import _decisions, driver
from imagegen_app.testing.factories import make_grant, make_image_model
from tests.services.conftest import Site, at_simulator, governed, take_first_step
from tests.services.worker import vaults
from tests.services.worker.test_lost_calls import changed, lost

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from imagegen_app.models import Job
    from imagegen_app.testing.simulator.process import SimulatorProcess


@pytest.fixture
def with_source(
    db: None, small: Any, simulator: SimulatorProcess, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Site]]:
    """Make a site at the simulator whose key comes from functions of `vaults`."""
    vaults.values[:] = [simulator.key]
    vaults.calls.clear()
    vaults.is_down.clear()
    vaults.released.clear()

    def make(*names: str) -> Site:
        if "hangs" in names:
            monkeypatch.setattr(credentials, "SOURCE_SECONDS", 0.3)
        model = at_simulator(simulator, small, monkeypatch, "generic_jobs")
        sources = [f"tests.services.worker.vaults.{name}" for name in names]
        entry = {"SOURCE": sources, "HOSTS": ["127.0.0.1"]}
        small.IMAGEGEN = {**small.IMAGEGEN, "CREDENTIALS": {"simulator": entry}}
        return governed(model)

    yield make
    vaults.released.set()


def driven(job: Job, *, seconds: float = 60) -> Job:
    driver.drive(seconds=seconds)
    job.refresh_from_db()
    return job


def was_sent() -> bool:
    return (
        Attempt.objects.filter(sent_at__isnull=False).exists()
        or AuditEvent.objects.filter(type="job.submitted").exists()
    )


def told(job: Job) -> str:
    events = AuditEvent.objects.filter(job_id=job.pk).values_list("body", flat=True)
    return " ".join([job.error_message, job.error_remedy, *events])


@pytest.mark.parametrize("source", ["raises", "exits", "hangs"])
def test_a_source_that_fails_keeps_the_job_in_the_queue_and_says_so(
    with_source: Callable[..., Site],
    simulator: SimulatorProcess,
    caplog: pytest.LogCaptureFixture,
    source: str,
) -> None:
    job = driven(with_source(source).request(), seconds=1.5)

    assert (job.state, job.waiting_for) == ("queued", "credential")
    assert not was_sent()
    assert AuditEvent.objects.filter(type="job.postponed").count() == 1
    assert vaults.SECRET not in told(job) + caplog.text
    assert simulator.bill()["images"] == 0


@pytest.mark.parametrize(
    "source", ["needs_an_argument", "returns_nothing", "is_asynchronous", "not_callable", "gone"]
)
def test_a_source_that_can_never_work_fails_the_job_with_the_true_reason(
    with_source: Callable[..., Site], source: str
) -> None:
    job = driven(with_source(source).request(), seconds=3)

    assert (job.state, job.error_code) == ("failed", "authentication_failed")
    assert "nothing was sent" in job.error_message
    assert not was_sent()
    assert vaults.SECRET not in told(job)


def test_a_job_goes_on_when_the_vault_is_back(
    with_source: Callable[..., Site], simulator: SimulatorProcess
) -> None:
    vaults.is_down.set()
    job = driven(with_source("plain").request(), seconds=1)
    vaults.is_down.clear()

    waiting.try_now(WaitingReason.CREDENTIAL, actor=System("test"))
    driven(job)

    assert (job.state, job.waiting_for, simulator.bill()["images"]) == ("succeeded", "", 1)


def test_a_vault_that_hangs_delays_nobody_else(with_source: Callable[..., Site]) -> None:
    site = with_source("hangs")
    model = make_image_model(provider_model_name="sandbox-1")
    make_grant(group=site.actor.user.groups.get(), image_model=model)
    hanging = [site.request(prompt=f"A mug {n}") for n in range(5)]
    other = site.request(model=model)

    driven(other, seconds=2)

    assert other.state == "succeeded"
    assert {driven(job, seconds=0).waiting_for for job in hanging} == {"credential"}


def test_several_jobs_share_one_read(
    with_source: Callable[..., Site],
    simulator: SimulatorProcess,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from imagegen_app.services.worker import _keys  # noqa: PLC0415 - this test only

    # However long a busy machine takes for all of them, the answer is kept.
    monkeypatch.setattr(_keys, "KEPT_SECONDS", 600.0)
    site = with_source("plain")
    jobs = [site.request(prompt=f"A mug {n}") for n in range(5)]

    driven(jobs[0])

    assert simulator.bill()["images"] == 5
    assert len(vaults.calls) <= 3


def test_two_values_that_are_both_live_work(
    with_source: Callable[..., Site], monkeypatch: pytest.MonkeyPatch, simulator: SimulatorProcess
) -> None:
    monkeypatch.setattr(vaults, "returns_nothing", lambda: "an-old-key")

    job = driven(with_source("returns_nothing", "plain").request())

    assert job.state == "succeeded"


def test_one_source_of_two_that_fails_is_no_obstacle(with_source: Callable[..., Site]) -> None:
    assert driven(with_source("raises", "plain").request()).state == "succeeded"


def test_a_key_that_the_provider_refuses_is_read_anew(
    with_source: Callable[..., Site], simulator: SimulatorProcess
) -> None:
    vaults.values[:] = ["a-key-of-yesterday", simulator.key]
    site = with_source("plain")
    driven(site.request(), seconds=1)

    # The refusal paused the account: that is another matter than the key.
    from imagegen_app.models import CircuitBreaker  # noqa: PLC0415 - this test only

    for row in CircuitBreaker.objects.all():
        changed(row, open_until=clock.ago(1))
    job = driven(site.request(prompt="A blue mug"))

    assert job.state == "succeeded"


@pytest.mark.parametrize("state", ["submitting", "awaiting"])
def test_a_call_under_way_waits_for_the_vault_and_is_billed_once(
    with_source: Callable[..., Site],
    simulator: SimulatorProcess,
    monkeypatch: pytest.MonkeyPatch,
    state: str,
) -> None:
    from imagegen_app.services.worker import _keys  # noqa: PLC0415 - this test only

    monkeypatch.setattr(_keys, "KEPT_SECONDS", 0.05)
    monkeypatch.setattr(_decisions, "POLL_SECONDS", 0.2)
    site = with_source("plain")
    if state == "submitting":
        job, _attempt = lost(site)
    else:
        simulator.script(job_seconds=0.2)
        job = site.request()
        take_first_step()
    vaults.is_down.set()

    driven(job, seconds=2)
    assert (job.state, job.waiting_for) == (state, "credential")
    vaults.is_down.clear()
    monkeypatch.setattr(_keys, "KEPT_SECONDS", 5.0)
    waiting.try_now(WaitingReason.CREDENTIAL, actor=System("test"))
    driven(job)

    assert (job.state, job.attempts.count()) == ("succeeded", 1)
    assert simulator.bill()["images"] == 1


def test_a_look_up_that_outlasts_the_key_is_followed_by_the_resend(
    with_source: Callable[..., Site],
    simulator: SimulatorProcess,
    small: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from imagegen_app.services.worker import _keys  # noqa: PLC0415 - this test only

    monkeypatch.setattr(_keys, "KEPT_SECONDS", 0.1)
    site = with_source("plain")
    path = "tests.services.worker.strangers.SlowToLookUp"
    small.IMAGEGEN = {**small.IMAGEGEN, "ADAPTERS": {"generic_jobs": path}}
    job, _attempt = lost(site)

    driven(job)

    assert (job.state, job.attempts.count()) == ("succeeded", 1)
    assert simulator.calls()["GET /v1/jobs"] == 1
    assert simulator.bill()["images"] == 1
