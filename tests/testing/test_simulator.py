"""The simulator itself: which protocols it speaks, its other host, and its faults."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from imagegen_app.testing.simulator.process import SimulatorFailed, SimulatorProcess
from tests.testing.conftest import KEY, Caller

PAINTER = "tests.testing.painter_protocol:PainterProtocol"


@pytest.fixture(scope="module")
def painter() -> Iterator[httpx.Client]:
    with SimulatorProcess(keys=(KEY,), quick=True, protocols=(PAINTER, "openai")) as process:
        headers = {"authorization": f"Bearer {KEY}"}
        with httpx.Client(base_url=process.base_url, headers=headers, trust_env=False) as http:
            yield http


def test_it_speaks_the_protocols_that_it_is_given_and_no_others(painter: httpx.Client) -> None:
    assert painter.get("/paint").json() == {"painted": True}
    assert painter.get("/v1/models").status_code == 200
    assert painter.post("/v1/jobs", json={}).status_code == 404


def test_complaints_that_nobody_reads_do_not_stop_it(painter: httpx.Client) -> None:
    assert painter.get("/complain").json() == {"painted": True}


def test_an_unknown_protocol_is_named() -> None:
    simulator = SimulatorProcess(protocols=("canvas",))

    with pytest.raises(SimulatorFailed, match="no protocol 'canvas'; it has"):
        simulator.start()


def test_the_other_host_serves_results_and_remembers_what_came(caller: Caller) -> None:
    simulator = caller.simulator
    simulator.script(results_host=simulator.other_url)
    body = {"model": "gpt-image-2.6-flare", "prompt": "a mug"}
    url = caller.post("/v1/images/generations", json=body).json()["data"][0]["url"]

    assert url.startswith(simulator.other_url)
    assert caller.get(url, headers={"x-mine": "1"}).content[:4] == b"\x89PNG"
    call = simulator.elsewhere()[-1]
    assert (call.method, call.headers["x-mine"]) == ("GET", "1")
    simulator.reset()
    assert simulator.elsewhere() == []


def test_a_redirect_leads_to_the_other_host_and_bills_nothing(caller: Caller) -> None:
    caller.simulator.fail("redirect")

    answer = caller.post("/v1/images/generations", json={})

    assert answer.status_code == 307
    assert answer.headers["location"] == f"{caller.simulator.other_url}/redirected"
    assert caller.simulator.bill()["images"] == 0


@pytest.mark.parametrize(
    "wrong", [{"kind": "nothing"}, {"kind": "status", "on": "nowhere"}, {"knid": "status"}]
)
def test_a_fault_that_it_does_not_know_is_refused(
    simulator: SimulatorProcess, wrong: dict[str, str]
) -> None:
    with pytest.raises(SimulatorFailed):
        simulator.script(fault=wrong)
    with pytest.raises(SimulatorFailed):
        simulator.script(spelling="morse")
