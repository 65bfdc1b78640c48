"""A job from its request to its image with a moderation service, over real sockets."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from imagegen_app.core.actors import System
from imagegen_app.models import RevokedCredential, Verdict
from imagegen_app.services.gateways import usable_credentials
from imagegen_app.services.job_requests import creation
from imagegen_app.services.policy import revocations
from imagegen_app.services.worker import driver
from imagegen_app.testing.simulator.process import SimulatorProcess
from tests.services.conftest import Site

OPENAI = "imagegen_app.moderation.openai_moderation.OpenAIModeration"


@pytest.fixture(autouse=True)
def moderated(small: Any, simulator: SimulatorProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_MODERATION_KEY", simulator.key)
    usable_credentials.forget_revoked_names()
    monkeypatch.setattr(usable_credentials, "CACHE_SECONDS", -1.0)
    small.IMAGEGEN = {
        **small.IMAGEGEN,
        "TRUSTED_ORIGINS": [simulator.base_url],
        "CREDENTIALS": {
            "moderation": {"SOURCE": "env:TEST_MODERATION_KEY", "HOSTS": ["127.0.0.1"]},
        },
        "SCREENERS": [
            {
                "NAME": "openai moderation",
                "BACKEND": OPENAI,
                "STAGES": ["prompt", "output"],
                "OPTIONS": {"base_url": f"{simulator.base_url}/v1", "credential": "moderation"},
            }
        ],
    }


def test_a_prompt_and_its_image_are_screened_by_the_service(
    site: Site, simulator: SimulatorProcess
) -> None:
    job = site.request()
    driver.drive(seconds=20)
    job.refresh_from_db()

    assert job.state == "succeeded", job.error_message
    verdicts = Verdict.objects.order_by("pk")
    assert [(v.stage, v.outcome, v.model) for v in verdicts] == [
        ("prompt", "passed", "omni-moderation-2024-09-26"),
        ("output", "passed", "omni-moderation-2024-09-26"),
    ]
    assert simulator.calls() == {"POST /v1/moderations": 2}


def test_a_prompt_in_a_hard_category_is_closed_by_the_service(
    site: Site, simulator: SimulatorProcess
) -> None:
    with pytest.raises(creation.PromptBlocked, match="nobody can release it"):
        site.request(prompt="simulate-minors")

    assert Verdict.objects.get().hard_category == "sexual_minors"


def test_a_revoked_key_is_sent_to_no_service(site: Site, simulator: SimulatorProcess) -> None:
    revocations.revoke(actor=System("test"), name="moderation", reason="Lost")

    with pytest.raises(creation.PromptBlocked):
        site.request()

    assert simulator.calls() == {}


def test_a_thread_that_handles_images_asks_no_database(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked_in: set[str] = set()
    read = RevokedCredential.objects.filter

    def rows(**conditions: Any) -> Any:
        asked_in.add(threading.current_thread().name.partition("-bytes")[0])
        return read(**conditions)

    monkeypatch.setattr(RevokedCredential.objects, "filter", rows)
    job = site.request()
    driver.drive(seconds=20)
    job.refresh_from_db()

    assert job.state == "succeeded"
    assert asked_in == {"MainThread"}
