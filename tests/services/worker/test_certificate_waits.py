"""Jobs wait for the signing certificate: visibly, once, without a call, and nothing is lost."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from imagegen_app.imaging.certificates import make_development_chain
from imagegen_app.models import AuditEvent, BudgetPeriod, Job, LedgerEntry
from imagegen_app.providers.sandbox import Sandbox
from imagegen_app.services.foundation import clock
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.gateways import spool
from imagegen_app.services.monitoring import progress
from imagegen_app.services.worker import driver
from imagegen_app.testing.factories import make_image_model, make_provider
from tests.services.conftest import governed

if TYPE_CHECKING:
    from collections.abc import Callable

    from imagegen_app.core.types import GenerationRequest, Submission
    from imagegen_app.providers.answers import SpooledAnswer
    from imagegen_app.testing.simulator.process import SimulatorProcess
    from tests.services.conftest import Site


class Certificate:
    """The certificate files of a site, exchanged in the middle of its work."""

    def __init__(self, folder: Path) -> None:
        self.chain, self.key = folder / "chain.pem", folder / "key.pem"
        self.renew()

    def renew(self) -> None:
        chain, key = make_development_chain("Shop")
        self.chain.write_text(chain, "ascii")
        self.key.write_text(key, "ascii")
        self.key.chmod(0o600)

    def spoil(self) -> None:
        """Put another chain in place of the one that belongs to the key."""
        self.chain.write_text(make_development_chain("Shop")[0], "ascii")


@pytest.fixture
def certificate(tmp_path: Path, small: Any) -> Certificate:
    found = Certificate(tmp_path)
    small.IMAGEGEN = {
        **small.IMAGEGEN,
        "C2PA": {"CERTIFICATE": str(found.chain), "PRIVATE_KEY": str(found.key)},
    }
    return found


def make_due() -> None:
    use_case(audited=False)(lambda: Job.objects.unfinished().update(due_at=clock.now()))()


def test_queued_jobs_wait_before_anything_is_sent(
    jobs_site: Site, certificate: Certificate, simulator: SimulatorProcess
) -> None:
    certificate.spoil()
    jobs = [jobs_site.request(seed=n) for n in range(3)]

    driver.drive(seconds=1)
    make_due()
    driver.drive(seconds=1)

    for job in jobs:
        job.refresh_from_db()
        assert (job.state, job.waiting_for, job.tries) == ("queued", "certificate", 0)
        assert not job.attempts.exists()
    assert simulator.bill()["images"] == 0
    assert AuditEvent.objects.filter(type="certificate.refused").count() == 1
    assert not AuditEvent.objects.filter(type="job.postponed").exists()
    event = AuditEvent.objects.get(type="certificate.refused")
    assert "does not belong to the first certificate" in event.body
    assert "the signing certificate cannot be used" in progress.job_progress(jobs[0]).message


def test_held_jobs_continue_as_soon_as_the_certificate_is_renewed(
    jobs_site: Site, certificate: Certificate, simulator: SimulatorProcess
) -> None:
    certificate.spoil()
    jobs = [jobs_site.request(seed=n) for n in range(3)]
    driver.drive(seconds=1)

    certificate.renew()
    driver.drive(seconds=15)

    assert {Job.objects.get(pk=job.pk).state for job in jobs} == {"succeeded"}
    assert simulator.bill()["images"] == 3
    assert AuditEvent.objects.filter(type="job.tried_now").count() == 1


class Meanwhile(Sandbox):
    """An adapter during whose calls something happens at the site."""

    is_remote: ClassVar[bool] = False
    happens: ClassVar[Callable[[], None]]

    async def submit(self, request: GenerationRequest, *, answer: SpooledAnswer) -> Submission:
        submission = await super().submit(request, answer=answer)
        type(self).happens()
        return submission


@pytest.fixture
def in_flight(
    db: None, certificate: Certificate, small: Any, monkeypatch: pytest.MonkeyPatch
) -> Site:
    """Return a site whose certificate is spoiled while a call is under way."""
    small.IMAGEGEN = {**small.IMAGEGEN, "ADAPTERS": {"meanwhile": f"{__name__}.Meanwhile"}}
    monkeypatch.setattr(Meanwhile, "happens", certificate.spoil, raising=False)
    provider = make_provider(adapter="meanwhile")
    return governed(make_image_model(provider=provider, provider_model_name="sandbox-1"))


def test_an_answer_that_is_paid_for_waits_beyond_its_deadline(
    in_flight: Site, certificate: Certificate
) -> None:
    job = in_flight.request()

    driver.drive(seconds=2)
    use_case(audited=False)(lambda: Job.objects.update(deadline_at=clock.ago(60)))()
    for _ in range(5):
        make_due()
        driver.drive(seconds=0.5)

    job.refresh_from_db()
    attempt = job.attempts.get()
    assert (job.state, job.waiting_for, job.tries) == ("ingesting", "certificate", 1)
    assert spool.answer_of(attempt).is_complete
    assert AuditEvent.objects.filter(type="job.postponed").count() == 1

    certificate.renew()
    driver.drive(seconds=15)

    job.refresh_from_db()
    assert (job.state, job.attempts.count()) == ("succeeded", 1)
    kinds = sorted(LedgerEntry.objects.values_list("kind", flat=True))
    assert kinds.count("charge") == 1
    assert BudgetPeriod.objects.get().reserved == 0
