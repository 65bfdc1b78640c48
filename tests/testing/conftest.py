"""A simulator for the tests of its protocols: one for all modules of a process."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from PIL import Image

from imagegen_app.testing.simulator.process import SimulatorProcess

KEY = "sk-protocols-5c0b7a61"


@dataclass(frozen=True)
class Caller:
    """A caller with a key; its calls are plain HTTP."""

    http: httpx.Client
    simulator: SimulatorProcess

    def post(self, path: str, **options: Any) -> httpx.Response:
        return self.http.post(path, **options)

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.http.get(path, **options)


@pytest.fixture(scope="session")
def running() -> Iterator[SimulatorProcess]:
    with SimulatorProcess(keys=(KEY,), quick=True) as process:
        yield process


@pytest.fixture
def simulator(running: SimulatorProcess) -> SimulatorProcess:
    running.reset()
    return running


@pytest.fixture
def caller(simulator: SimulatorProcess) -> Iterator[Caller]:
    headers = {"authorization": f"Bearer {KEY}"}
    with httpx.Client(base_url=simulator.base_url, headers=headers, trust_env=False) as http:
        yield Caller(http, simulator)


@pytest.fixture(scope="session")
def picture() -> Callable[..., bytes]:
    """Return a file of one colour."""

    def make(
        width: int = 96, height: int = 96, *, mode: str = "RGB", colour: Any = 0, kind: str = "PNG"
    ) -> bytes:
        buffer = io.BytesIO()
        Image.new(mode, (width, height), colour).save(buffer, kind)
        return buffer.getvalue()

    return make
