"""Fixtures of a minimal site: one model, one grant, one budget, and no worker of its own."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from django.conf import settings as django_settings
from django.contrib.auth import get_user_model

from imagegen_app.core.actors import System
from imagegen_app.models import Budget, ImageModel
from imagegen_app.services.job_requests import composition, creation, values
from imagegen_app.services.policy import access, model_catalog
from imagegen_app.services.worker import driver
from imagegen_app.testing.factories import (
    make_grant,
    make_group,
    make_image_model,
    make_provider,
    make_user,
)
from imagegen_app.testing.simulator.process import SimulatorProcess
from tests.recorded_rows import arrange

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from imagegen_app.core.actors import Person
    from imagegen_app.models import Job

SMALL = {"WIDTHS": [32], "FORMATS": ["webp"]}


@dataclass
class Site:
    """An editor with the model that they may use and the budget that pays for it."""

    actor: Person
    model: ImageModel
    budget: Budget

    def job_request(self, **changes: Any) -> values.JobRequest:
        """Compose a job request for one small image."""
        values: dict[str, Any] = {"prompt": "A red mug", "model": self.model, "size": "64x64"}
        return composition.compose(actor=self.actor, **{**values, **changes})

    def request(self, **changes: Any) -> Job:
        """Request one small image."""
        return creation.request_images(actor=self.actor, job_request=self.job_request(**changes))


@pytest.fixture
def small(settings: Any) -> Any:
    """Make few renditions, ignore wake-ups and require a second reviewer."""
    settings.IMAGEGEN = {
        **django_settings.IMAGEGEN,
        "ENGINE": "tests.services.silent_engine.SilentEngine",
        "RENDITIONS": SMALL,
        "REQUIRE_SECOND_REVIEWER": True,
    }
    return settings


@pytest.fixture
def site(db: None, small: Any) -> Site:
    """Return a site that uses the sandbox, with a budget of 10 USD a month."""
    arrange("sandbox site", lambda: governed(make_image_model(provider_model_name="sandbox-1")))
    editor = get_user_model().objects.get(username="edda")
    return Site(
        actor=access.actor_for(editor),
        model=ImageModel.objects.get(provider_model_name="sandbox-1"),
        budget=Budget.objects.get(name="All"),
    )


def take_first_step() -> None:
    """Drive due jobs, and not those that are due again a moment later.

    On a busy machine so short a slice may be over before the driver has looked for jobs.
    """
    for tries in range(10):
        if driver.drive(seconds=0.1 * 2**tries):
            return
    raise AssertionError("nothing was due")


def governed(model: ImageModel) -> Site:
    """Give editors a grant for a model and the site a budget; return the site."""
    make_grant(group=make_group("Image editors"), image_model=model)
    budget = Budget(name="All", scope="site", period="month", limit=Decimal(10))
    model_catalog.save(actor=System("test"), record=budget)
    editor = make_user("edda", groups=["Image editors"])
    return Site(actor=access.actor_for(editor), model=model, budget=budget)


def sent_at(job: Job) -> datetime:
    """Return when the job's only call was sent."""
    sent = job.attempts.get().sent_at
    assert sent is not None
    return sent


@pytest.fixture(scope="session")
def simulator_process() -> Iterator[SimulatorProcess]:
    """Start one simulator for all tests of the session."""
    with SimulatorProcess(quick=True) as process:
        yield process


@pytest.fixture
def simulator(simulator_process: SimulatorProcess) -> SimulatorProcess:
    """Return the simulator with nothing billed and no scripted behaviour."""
    simulator_process.reset()
    return simulator_process


def at_simulator(
    simulator: SimulatorProcess,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
    adapter: str,
    *,
    key: str = "",
    name: str = "",
    **provider: Any,
) -> ImageModel:
    """Make a model whose provider is the simulator, under one of its protocols."""
    monkeypatch.setenv("SIMULATOR_KEY", key or simulator.key)
    url = simulator.openai_url if adapter == "openai" else simulator.base_url
    settings.IMAGEGEN = {
        **settings.IMAGEGEN,
        "CREDENTIALS": {"simulator": {"SOURCE": "env:SIMULATOR_KEY", "HOSTS": ["127.0.0.1"]}},
        "TRUSTED_ORIGINS": [simulator.base_url],
    }
    account = make_provider(adapter=adapter, base_url=url, credential="simulator", **provider)
    name = name or ("gpt-image-2.6-flare" if adapter == "openai" else "generic-1")
    return make_image_model(provider=account, provider_model_name=name)


@pytest.fixture
def jobs_site(
    db: None, small: Any, simulator: SimulatorProcess, monkeypatch: pytest.MonkeyPatch
) -> Site:
    """Return a site whose model supports idempotency keys and look-ups, at the simulator."""
    return governed(at_simulator(simulator, small, monkeypatch, "generic_jobs"))
