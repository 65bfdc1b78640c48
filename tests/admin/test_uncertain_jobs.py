"""A job of unknown outcome on its page: what is known, and the buttons that settle it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.urls import reverse

from imagegen_app.models import AuditEvent, BudgetPeriod, Job
from imagegen_app.services.worker import driver
from imagegen_app.testing.factories import make_user
from tests.services.conftest import (  # noqa: F401 - fixtures
    Site,
    at_simulator,
    governed,
    simulator,
    simulator_process,
    small,
)

if TYPE_CHECKING:
    from django.test import Client

    from imagegen_app.testing.simulator.process import SimulatorProcess


@pytest.fixture
def lost(
    db: None,
    simulator: SimulatorProcess,  # noqa: F811 - the fixture
    small: Any,  # noqa: F811 - the fixture
    monkeypatch: pytest.MonkeyPatch,
) -> Job:
    """Return a job whose call was taken on and never answered, at a provider that cannot be asked."""
    site = governed(at_simulator(simulator, small, monkeypatch, "openai"))
    simulator.fail("disconnect")
    job = site.request(size="1024x1024")
    driver.drive(seconds=10)
    job.refresh_from_db()
    assert job.state == "uncertain"
    return job


@pytest.fixture
def decider(db: None) -> Any:
    return make_user("ada", groups=["Image administrators"], is_staff=True)


def page_of(job: Job) -> str:
    return reverse("admin:imagegen_job_change", args=[job.pk])


def press(client: Client, job: Job, resolution: str) -> Any:
    return client.post(
        reverse("admin:imagegen_job_settle", args=[job.pk]), {"resolution": resolution}, follow=True
    )


def test_the_page_shows_what_is_known_and_the_amount_at_risk(
    client: Client, lost: Job, decider: Any
) -> None:
    client.force_login(decider)

    shown = client.get(page_of(lost)).content.decode()

    for part in (
        "The outcome of this call is unknown",
        "0.02 USD remain reserved",
        str(lost.attempts.get().pk),
        "not possible with this provider",
        "0.02 USD may be billed twice",
        "counted as billed",
    ):
        assert part in shown, part


def test_without_permission_the_page_shows_the_facts_but_no_buttons(
    client: Client, lost: Job
) -> None:
    owner = lost.requester
    assert owner is not None
    owner.is_staff = True
    owner.save()
    client.force_login(owner)

    shown = client.get(page_of(lost)).content.decode()
    answer = press(client, lost, "close")

    lost.refresh_from_db()
    assert "An image administrator decides" in shown
    assert "Ask the image administrators" in shown
    assert "settle/" not in shown
    assert lost.state == "uncertain"
    assert answer.redirect_chain


@pytest.mark.parametrize(
    "case",
    [
        ("close", "failed", "0.02"),
        ("send_again", "queued", "0.02"),
        ("never_accepted", "queued", "0"),
    ],
)
def test_each_button_resolves_the_job(
    client: Client, lost: Job, decider: Any, case: tuple[str, str, str]
) -> None:
    resolution, state, spent = case
    client.force_login(decider)

    shown = press(client, lost, resolution).content.decode()

    lost.refresh_from_db()
    assert "The job was resolved." in shown
    assert lost.state == state
    assert str(BudgetPeriod.objects.get().spent.normalize()) == spent
    assert "The outcome of this call is unknown" not in shown
    kind = "job.retried" if resolution == "never_accepted" else "job.resolved"
    assert AuditEvent.objects.filter(type=kind, actor_id=str(decider.pk)).count() == 1


@pytest.mark.parametrize("resolution", ["", "burn it", "CLOSE"])
def test_an_invalid_resolution_changes_nothing(
    client: Client, lost: Job, decider: Any, resolution: str
) -> None:
    client.force_login(decider)

    shown = press(client, lost, resolution).content.decode()

    lost.refresh_from_db()
    assert "This is not a valid decision" in shown
    assert lost.state == "uncertain"


def test_a_job_is_resolved_only_once(client: Client, lost: Job, decider: Any) -> None:
    client.force_login(decider)
    press(client, lost, "close")

    shown = press(client, lost, "send_again").content.decode()

    assert "Its outcome is already known" in shown
    assert client.get(reverse("admin:imagegen_job_settle", args=[lost.pk])).status_code == 405


@pytest.mark.parametrize("may_decide", [True, False])
def test_the_studio_says_who_decides_and_never_that_the_job_continues(
    client: Client, lost: Job, may_decide: bool
) -> None:
    owner = lost.requester
    assert owner is not None
    owner.is_staff, owner.is_superuser = True, may_decide
    owner.save()
    client.force_login(owner)

    shown = client.get(reverse("admin:imagegen_studio_job", args=[lost.pk])).content.decode()

    settle = reverse("admin:imagegen_job_settle", args=[lost.pk])
    assert shown.count(f'formaction="{settle}"') == (3 if may_decide else 0)
    assert ("Ask the image administrators" in shown) is not may_decide
    assert "The job continues" not in shown
    # Nor places for images that nobody can promise.
    assert "imagegen-blank" not in shown
