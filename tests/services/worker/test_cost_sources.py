"""An attempt keeps where its charge comes from: the provider, a price list of a day, or the estimate."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from django.urls import reverse
from django.utils.translation import override

from imagegen_app.core.types import Cost, Usage
from imagegen_app.providers.sandbox import Sandbox
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.job_requests import job_actions
from imagegen_app.services.policy import access
from imagegen_app.services.worker import driver
from imagegen_app.testing.factories import make_image_model, make_provider, make_user
from tests.services.conftest import at_simulator, governed

if TYPE_CHECKING:
    from django.test import Client

    from imagegen_app.core.types import ProviderResult
    from imagegen_app.models import Attempt
    from imagegen_app.providers.answers import SpooledAnswer
    from imagegen_app.testing.simulator.process import SimulatorProcess
    from tests.services.conftest import Site

PRICES: dict[str, Any] = {
    "currency": "USD",
    "per_image": [{"amount": "0.02"}],
    "per_unit": {"second": "0.001"},
    "checked_on": "2026-11-26",
}
CHECKED = date(2026, 11, 26)


class Telling(Sandbox):
    """An adapter whose answers say what they cost, as each test sets it."""

    usage: ClassVar[Usage | None] = None
    cost: ClassVar[Cost | None] = None
    breaks: ClassVar[bool] = False

    def read_answer(self, answer: SpooledAnswer) -> ProviderResult:
        result = super().read_answer(answer)
        images = result.images
        if self.breaks:
            images = tuple(replace(image, data=b"no image") for image in images)
        usage = result.usage if self.usage is None else self.usage
        return replace(result, images=images, usage=usage, reported_cost=self.cost)


@pytest.fixture
def telling(db: None, small: Any, monkeypatch: pytest.MonkeyPatch) -> Site:
    small.IMAGEGEN = {
        **small.IMAGEGEN,
        "ADAPTERS": {"telling": "tests.services.worker.test_cost_sources.Telling"},
    }
    for name, value in (("usage", None), ("cost", None), ("breaks", False)):
        monkeypatch.setattr(Telling, name, value)
    model = make_image_model(
        provider=make_provider(adapter="telling"),
        provider_model_name="sandbox-1",
        price_list=PRICES,
    )
    return governed(model)


def charged(site: Site) -> Attempt:
    job = site.request()
    driver.drive(seconds=10)
    return job.attempts.get()


@pytest.mark.parametrize(
    ("usage", "cost", "breaks", "expected"),
    [
        (None, None, False, ("0.02", "computed", CHECKED)),
        (None, Cost(Decimal("0.015")), False, ("0.015", "reported", None)),
        (None, Cost(Decimal("0.015"), "EUR"), False, ("0.02", "computed", CHECKED)),
        (Usage(images=1, seconds=Decimal(3)), None, False, ("0.003", "computed", CHECKED)),
        (Usage(images=1, seconds=Decimal(3)), None, True, ("0.003", "computed", CHECKED)),
        (Usage(), None, True, ("0.02", "estimated", None)),
        (None, Cost(Decimal("0.015")), True, ("0.015", "reported", None)),
    ],
    ids=["images", "reported", "other currency", "seconds", "broken", "silent", "broken, reported"],
)
def test_the_source_of_a_charge_is_kept(  # noqa: PLR0917 - columns of the table
    telling: Site,
    monkeypatch: pytest.MonkeyPatch,
    usage: Usage | None,
    cost: Cost | None,
    breaks: bool,
    expected: tuple[str, str, date | None],
) -> None:
    for name, value in (("usage", usage), ("cost", cost), ("breaks", breaks)):
        monkeypatch.setattr(Telling, name, value)

    attempt = charged(telling)

    amount, source, day = expected
    assert (attempt.actual_cost, attempt.cost_source, attempt.priced_on) == (
        Decimal(amount),
        source,
        day,
    )


def test_a_call_is_reserved_and_charged_at_the_price_of_its_operation(telling: Site) -> None:
    rows = [{"amount": "0.02"}, {"operation": "generate", "amount": "0.07"}]
    telling.model.price_list = {"currency": "USD", "per_image": rows}
    use_case(audited=False)(telling.model.save)()

    attempt = charged(telling)

    assert attempt.reserved_cost == Decimal("0.07")
    assert (attempt.actual_cost, attempt.cost_source) == (Decimal("0.07"), "computed")


def test_a_call_without_an_answer_is_charged_as_estimated(
    db: None, small: Any, simulator: SimulatorProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = governed(at_simulator(simulator, small, monkeypatch, "openai"))
    simulator.fail("disconnect")
    job = site.request(size="1024x1024")
    driver.drive(seconds=10)
    job.refresh_from_db()
    assert job.state == "uncertain"
    assert job.attempts.get().cost_source == ""

    decider = make_user("ada", groups=["Image administrators"])
    job_actions.resolve(actor=access.actor_for(decider), job=job, resolution="close")

    attempt = job.attempts.get()
    assert (attempt.actual_cost, attempt.cost_source) == (attempt.reserved_cost, "estimated")


def test_a_refused_call_has_no_cost_and_no_source(
    db: None, small: Any, simulator: SimulatorProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = governed(at_simulator(simulator, small, monkeypatch, "openai"))
    simulator.fail("quota")
    job = site.request(size="1024x1024")
    driver.drive(seconds=10)

    attempt = job.attempts.get()
    assert (attempt.actual_cost, attempt.cost_source, attempt.priced_on) == (None, "", None)


def test_the_page_of_an_attempt_says_where_its_charge_comes_from(
    client: Client, telling: Site
) -> None:
    attempt = charged(telling)
    client.force_login(make_user("ada", groups=["Image administrators"], is_staff=True))

    with override("de"):
        url = reverse("admin:imagegen_attempt_change", args=[attempt.pk])
        page = client.get(url).content.decode()

    assert "aus der Preisliste berechnet, Stand 2026-11-26" in page
