from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from imagegen_app.providers import registry
from imagegen_app.providers.answers import SpooledAnswer
from imagegen_app.providers.credentials import Credential, Secret
from imagegen_app.providers.http import HttpClient, HttpLimits
from imagegen_app.testing.contract.bench import KEY_VARIABLE, Bench
from imagegen_app.testing.contract.our_samples import SAMPLES
from imagegen_app.testing.simulator.process import SimulatorProcess

KEY = "sk-canary-4f9a7c21d8e35b60"


@pytest.fixture(scope="session")
def running_simulator() -> Iterator[SimulatorProcess]:
    with SimulatorProcess(keys=(KEY, "sk-second-key-0123456789"), quick=True) as process:
        yield process


@pytest.fixture
def simulator(running_simulator: SimulatorProcess) -> SimulatorProcess:
    running_simulator.reset()
    return running_simulator


@pytest.fixture(scope="module")
def start_simulator() -> Iterator[Callable[[str], SimulatorProcess]]:
    """Start a simulator that speaks one protocol only, once a module, and have it forget all calls."""
    with ExitStack() as processes:

        @functools.cache
        def process(protocol: str) -> SimulatorProcess:
            return processes.enter_context(
                SimulatorProcess(keys=(KEY,), quick=True, protocols=(protocol,))
            )

        def start(protocol: str) -> SimulatorProcess:
            started = process(protocol)
            started.reset()
            return started

        yield start


@pytest.fixture
def answer(tmp_path: Path) -> SpooledAnswer:
    return SpooledAnswer(tmp_path / "answer")


@pytest.fixture
def new_answer(tmp_path: Path) -> Callable[[], SpooledAnswer]:
    numbers = iter(range(1000))
    return lambda: SpooledAnswer(tmp_path / f"answer-{next(numbers)}")


@pytest.fixture
def spooled(answer: SpooledAnswer) -> Callable[..., SpooledAnswer]:
    """Lay a body down as an answer that came; the note's entries by name."""

    def lay(body: bytes, **note: Any) -> SpooledAnswer:
        answer.folder.mkdir(parents=True, exist_ok=True)
        answer.body_path.write_bytes(body)
        answer.finish(note)
        return answer

    return lay


@pytest.fixture
def credential(monkeypatch: pytest.MonkeyPatch) -> Credential:
    monkeypatch.setenv("TEST_PROVIDER_KEY", KEY)
    return Credential("test", ("env:TEST_PROVIDER_KEY",), frozenset({"127.0.0.1"}))


@pytest.fixture
def client(simulator: SimulatorProcess) -> Callable[..., HttpClient]:
    """Make a client that may talk to the simulator."""
    return functools.partial(
        HttpClient,
        trusted_origins=frozenset({simulator.base_url}),
        limits=HttpLimits(connect=60, read=60, total=120),
    )


@pytest.fixture
def build(simulator: SimulatorProcess, credential: Credential) -> Callable[..., Any]:
    """Build an adapter that talks to the simulator."""

    def make(name: str, http: HttpClient, **account: Any) -> Any:
        base = simulator.openai_url if name == "openai" else simulator.base_url
        account.setdefault("webhook_secrets", (Secret(simulator.webhook_secret),))
        return registry.build(name, base_url=base, credential=credential, http=http, **account)

    return make


@pytest.fixture
def bench_of(
    simulator: SimulatorProcess, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[[str], Bench]:
    """Return the contract's bench of an adapter, at the simulator that speaks all protocols."""
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    return lambda name: Bench(SAMPLES[name], simulator=simulator, folder=tmp_path / "bench")
