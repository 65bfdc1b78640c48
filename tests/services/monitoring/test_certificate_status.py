"""People are told in time of a certificate that cannot be used, or soon will not be."""

from __future__ import annotations

import datetime as dt
import json
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from django.core.checks import ERROR, INFO, WARNING
from django.core.management import call_command
from django.urls import reverse
from django.utils import timezone

from imagegen_app import checks
from imagegen_app.core.actors import System
from imagegen_app.core.states import WaitingReason
from imagegen_app.imaging.certificates import make_development_chain, validity
from imagegen_app.models import AuditEvent, Job
from imagegen_app.services.foundation import clock
from imagegen_app.services.gateways import signing
from imagegen_app.services.job_requests import waiting_jobs
from imagegen_app.services.jobs import leases, waiting
from imagegen_app.services.monitoring import dashboard, doctor
from imagegen_app.services.policy import access
from imagegen_app.services.policy.access import NotPermitted
from imagegen_app.testing.factories import make_user

if TYPE_CHECKING:
    from django.test import Client

    from tests.services.conftest import Site

pytestmark = pytest.mark.django_db


@pytest.fixture
def files(tmp_path: Path, settings: Any) -> tuple[Path, Path]:
    """Configure a certificate and its key, and return their files."""
    chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    for path, text in zip((chain, key), make_development_chain("Shop"), strict=True):
        path.write_text(text, "ascii")
        path.chmod(0o600)
    settings.IMAGEGEN = {
        **settings.IMAGEGEN,
        "C2PA": {"CERTIFICATE": str(chain), "PRIVATE_KEY": str(key)},
    }
    return chain, key


def move_time(
    monkeypatch: pytest.MonkeyPatch, files: tuple[Path, Path], *, days_left: float
) -> None:
    """Let this host's clock show a time so many days before the certificate expires."""
    period = validity(files[0].read_text("ascii"))
    assert period is not None
    # An hour more, so that whole days are left.
    now = period[1] - dt.timedelta(days=days_left) + dt.timedelta(hours=-1)
    monkeypatch.setattr(timezone, "now", lambda: now)


def findings() -> list[tuple[str, int]]:
    return [(m.id or "", m.level) for m in checks.check_settings()]


def deploy_findings() -> set[str]:
    return {str(m.id) for m in checks.check_deployment()}


@pytest.mark.parametrize(
    ("days_left", "level", "of_doctor"),
    [(61, None, "ok"), (59, INFO, "warning"), (29, WARNING, "warning"), (6, WARNING, "error")],
)
def test_the_expiry_is_told_of_more_severely_as_it_comes_near(
    files: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
    days_left: int,
    level: int | None,
    of_doctor: str,
) -> None:
    move_time(monkeypatch, files, days_left=days_left)

    (found,) = [r for r in doctor.run_all_checks() if r.part == "signing"]

    assert findings() == ([] if level is None else [("imagegen.W061", level)])
    assert found.level == of_doctor
    assert (f"{days_left} days" in found.message) is (level is not None)
    assert ("imagegen.E063" in deploy_findings()) is (of_doctor == "error")


def test_an_expired_certificate_is_an_error_everywhere_but_lets_workers_start(
    files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    move_time(monkeypatch, files, days_left=-1)

    (found,) = [r for r in doctor.critical_problems() if r.part == "signing"]

    assert "expired on" in found.message
    assert findings() == [("imagegen.W060", WARNING)]
    assert all(m.level < ERROR for m in checks.check_settings())
    assert "imagegen.E063" in deploy_findings()


@pytest.mark.parametrize("fault", ["missing", "not text", "of another certificate", "no key"])
def test_files_that_cannot_be_used_are_named_with_a_remedy(
    files: tuple[Path, Path], fault: str
) -> None:
    chain, key = files
    if fault == "missing":
        key.unlink()
    elif fault == "not text":
        chain.write_bytes(b"\xff\xfe\x00")
    elif fault == "of another certificate":
        chain.write_text(make_development_chain("Other")[0], "ascii")
    else:
        key.write_text("-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n", "ascii")

    (found,) = [r for r in doctor.run_all_checks() if r.part == "signing"]

    assert found.level == "error"
    assert "No image can be signed." in found.message
    assert ":" in found.message
    assert found.remedy


def test_the_algorithm_has_to_suit_the_key(files: tuple[Path, Path], settings: Any) -> None:
    settings.IMAGEGEN["C2PA"]["ALGORITHM"] = "ps256"

    assert "set IMAGEGEN['C2PA']['ALGORITHM'] to 'es256'" in signing.unusable_reason()


def test_key_files_that_others_can_read_are_reported(
    files: tuple[Path, Path], settings: Any, tmp_path: Path
) -> None:
    log_key = tmp_path / "log.pem"
    log_key.write_text("x")
    settings.IMAGEGEN = {**settings.IMAGEGEN, "AUDIT": {"SIGNING_KEY": str(log_key)}}
    log_key.chmod(0o604)
    files[1].chmod(0o640)

    assert findings() == [("imagegen.W062", WARNING), ("imagegen.W062", WARNING)]

    log_key.chmod(0o600)
    files[1].chmod(0o400)

    assert findings() == []


def test_a_development_certificate_is_renewed_before_it_expires(
    settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.IMAGEGEN = {**settings.IMAGEGEN, "STATE_DIR": tmp_path}
    first = signing.signing_identity()
    real = timezone.now()
    monkeypatch.setattr(timezone, "now", lambda: real + dt.timedelta(days=340))

    second = signing.signing_identity()

    assert second.chain_pem != first.chain_pem
    assert not list(tmp_path.glob("*.partial"))


def waiting_job(site: Site) -> Job:
    site.request()
    (job,) = leases.claim(limit=1, owner="a")
    waiting.wait_for(job, WaitingReason.CERTIFICATE)
    return job


def test_waiting_jobs_are_tried_by_hand_only_with_the_permission(site: Site) -> None:
    job = waiting_job(site)

    with pytest.raises(NotPermitted):
        waiting_jobs.try_again_now(actor=site.actor, reason=WaitingReason.CERTIFICATE)

    assert waiting_jobs.try_again_now(actor=System("t"), reason=WaitingReason.CERTIFICATE) == 1
    job.refresh_from_db()
    assert job.due_at is not None
    assert job.due_at <= clock.now()


def test_the_command_tries_waiting_jobs_now(site: Site) -> None:
    waiting_job(site)
    out = StringIO()

    call_command("imagegen_try_now", "certificate", "--json", stdout=out)
    call_command("imagegen_try_now", "certificate", stdout=out)

    first, second = out.getvalue().splitlines()
    assert json.loads(first) == {"tried": 1}
    assert second == "No jobs wait for this."


def test_the_panel_has_a_button_for_those_who_may_resolve_jobs(site: Site, client: Client) -> None:
    waiting_job(site)
    client.force_login(make_user("olga", is_staff=True, permissions=["imagegen.resolve_job"]))
    address = reverse("admin:imagegen_jobs_try_now")

    page = client.get(reverse("admin:index")).content.decode()
    answers = [client.post(address, {"reason": "certificate"}) for _ in range(2)]

    assert "1 job has waited since " in page
    assert ": the signing certificate cannot be used." in page
    assert 'aria-describedby="imagegen-waiting-certificate"' in page
    assert address in page
    assert "csrfmiddlewaretoken" in page.partition(address)[2].partition("</form>")[0]
    assert "?waiting_for__exact=certificate" in page
    assert {a.status_code for a in answers} == {302}
    said = client.get(reverse("admin:index")).content.decode()
    assert "1 waiting job is tried again now." in said
    assert "No job waits for its next try" in said
    assert AuditEvent.objects.filter(type="job.tried_now").count() == 1
    assert client.get(address).status_code == 405
    assert client.post(address, {"reason": "nothing"}).status_code == 404
    assert dashboard.build_dashboard(site.actor).waiting == ()  # type: ignore[union-attr]


def test_the_button_is_refused_without_the_permission(site: Site, client: Client) -> None:
    job = waiting_job(site)
    client.force_login(make_user("nora", is_staff=True))

    answer = client.post(reverse("admin:imagegen_jobs_try_now"), {"reason": "certificate"})

    assert answer.status_code == 403
    due = job.due_at
    job.refresh_from_db()
    assert job.due_at == due
    assert access.has_permission(System("t"), "resolve_job")
