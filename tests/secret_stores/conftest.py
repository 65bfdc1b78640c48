"""The servers that play the stores of the clouds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from imagegen_app.providers import credentials
from tests.secret_stores.tunnel import Tunnel, running_tunnel

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def no_values_of_other_tests() -> None:
    """Let no value be used that an earlier test read from a store."""
    credentials.kept_values.forget_all()


@pytest.fixture(scope="session")
def moto_url() -> Iterator[str]:
    from moto.server import ThreadedMotoServer  # noqa: PLC0415 - slow to import

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    _host, port = server.get_host_and_port()
    yield f"http://127.0.0.1:{port}"
    server.stop()


@pytest.fixture(scope="session")
def tunnel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tunnel]:
    with running_tunnel(tmp_path_factory.mktemp("tunnel")) as tunnel:
        yield tunnel
