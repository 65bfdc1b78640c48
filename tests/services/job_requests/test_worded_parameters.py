"""Words of a requester in a parameter are treated as those of the prompt: screened, hidden, erased."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from imagegen_app.core.states import VerdictOutcome
from imagegen_app.models import Job
from imagegen_app.moderation.base import PASSED, ScreenerDecision
from imagegen_app.services.erasure import commands as erasure
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.job_requests.creation import PromptBlocked
from imagegen_app.services.job_requests.values import described_parameters
from imagegen_app.services.policy import access
from imagegen_app.testing.factories import make_job, make_user

if TYPE_CHECKING:
    from tests.services.conftest import Site

WORDED = {"style": "like Ada's garden", "steps": 3, "graph": {"text": ["Ada's house"]}}


class Listening:
    """A screener that blocks one name, and keeps what it was asked."""

    asked: ClassVar[list[str]] = []

    def screen_text(self, text: str) -> ScreenerDecision:
        self.asked.append(text)
        return ScreenerDecision(outcome=VerdictOutcome.BLOCKED) if "Ada" in text else PASSED

    def screen_image(self, data: bytes, *, media_type: str) -> ScreenerDecision:
        return PASSED


@pytest.fixture
def screened(site: Site, small: Any, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.setattr(Listening, "asked", [])
    entry = {"BACKEND": f"{__name__}.Listening", "NAME": "texts", "STAGES": ["prompt"]}
    small.IMAGEGEN = {**small.IMAGEGEN, "SCREENERS": [entry]}
    return site


def test_the_words_of_parameters_are_screened_with_the_prompt(screened: Site) -> None:
    with pytest.raises(PromptBlocked):
        screened.request(parameters={"style": "Ada"})

    assert Listening.asked == ["A red mug\nAda"]


def test_numbers_and_choices_change_nothing_of_what_is_screened(screened: Site) -> None:
    screened.request(parameters={"strength": "0.5"})

    assert Listening.asked == ["A red mug"]


def test_only_who_may_read_prompts_is_shown_the_words_of_parameters() -> None:
    assert described_parameters(WORDED, worded=False) == [("steps", "3")]
    assert [label for label, _ in described_parameters(WORDED, worded=True)] == ["style", "graph"]


def test_with_a_prompt_go_the_words_of_its_parameters(db: None) -> None:
    officer = access.actor_for(make_user("officer", permissions=["imagegen.erase_personal_data"]))
    ada = make_user("ada")
    job = make_job(requester=ada, prompt="A mug", state="succeeded")
    plain = make_job(requester=ada, prompt="A jar", state="succeeded")
    set_parameters(job, WORDED)
    set_parameters(plain, {"steps": 3, "anchor": "left"})

    erasure.erase_prompt(officer, job=job, reason="names a neighbour")
    erasure.erase_prompt(officer, job=plain, reason="tidy")

    job.refresh_from_db()
    plain.refresh_from_db()
    assert (job.parameters, plain.parameters) == ({}, {"steps": 3, "anchor": "left"})


@use_case(audited=False)
def set_parameters(job: Job, parameters: dict[str, Any]) -> None:
    Job.objects.filter(pk=job.pk).update(parameters=parameters)
