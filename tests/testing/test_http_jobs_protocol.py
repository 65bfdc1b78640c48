"""The render service that the simulator speaks as for `http_jobs`: what it refuses."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from imagegen_app.testing.simulator.process import SimulatorProcess
from tests.testing.conftest import KEY, Caller

SPEC: dict[str, Any] = {"text": "a mug", "dims": {"w": 128, "h": 96}}


@pytest.fixture
def service(simulator: SimulatorProcess) -> Iterator[Caller]:
    headers = {"x-api-key": KEY}
    with httpx.Client(base_url=simulator.base_url, headers=headers, trust_env=False) as http:
        yield Caller(http, simulator)


def url_of(data: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(data).decode()


@pytest.mark.parametrize(
    "changes",
    [
        {"text": ""},
        {"text": 7},
        {"text": "x" * 8001},
        {"dims": {"w": "128", "h": 96}},
        {"dims": {"w": 32, "h": 96}},
        {"dims": {}},
        {"variants": 9},
        {"variants": True},
        {"seed": "7"},
        {"file": "tiff"},
        {"look": {"colour": "red"}},
        {"steps": 20},
        {"pictures": ["AAAA"]},
        {"pictures": ["data:image/png;base64,!"]},
    ],
)
def test_an_order_that_is_not_right_is_refused(service: Caller, changes: dict[str, Any]) -> None:
    answer = service.post("/render/in-house-1", json={"spec": {**SPEC, **changes}, "ticket": "t"})

    assert answer.status_code == 400
    assert service.simulator.bill()["images"] == 0


def test_a_stencil_needs_a_picture_of_its_size(
    service: Caller, picture: Callable[..., bytes]
) -> None:
    large, small = url_of(picture(96, 96)), url_of(picture(48, 96, mode="L"))

    for spec in ({"stencil": small}, {"stencil": small, "pictures": [large]}):
        answer = service.post("/render/in-house-1", json={"spec": SPEC | spec, "ticket": "t"})
        assert answer.status_code == 400


def test_keys_models_and_tickets_are_looked_at(service: Caller, caller: Caller) -> None:
    order = {"spec": SPEC, "ticket": "t-1"}

    assert caller.post("/render/in-house-1", json=order).status_code == 401
    assert service.post("/render/other", json=order).status_code == 404
    assert service.post("/render/in-house-1", json={"spec": SPEC}).status_code == 400
    assert service.get("/tasks/none").status_code == 404
    first, again = (service.post("/render/in-house-1", json=order).json() for _ in range(2))
    other = service.post("/render/in-house-1", json={**order, "spec": {**SPEC, "text": "a cup"}})
    found = service.get("/tasks", params={"ticket": "t-1"}).json()["found"]

    assert first["task"]["uuid"] == again["task"]["uuid"] == found[0]["uuid"]
    assert other.status_code == 409
    assert service.get("/tasks", params={"ticket": "t-2"}).json() == {"found": []}
    assert service.simulator.bill()["images"] == 1
