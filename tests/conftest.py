"""Find the services that marked tests need: skip with a reason where one is missing.

With `IMAGEGEN_REQUIRE_SERVICES=1` (CI sets it) a missing service is a failure instead.
Where a service is somewhere else, say so: `IMAGEGEN_TEST_POSTGRESQL_ADDRESS=db.example:5433`.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import shutil
import socket
from typing import TYPE_CHECKING

import pytest
from django.utils import translation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytest_plugins = ["imagegen_app.testing.plugin"]

ADDRESSES = {
    "postgresql": "127.0.0.1:5432",
    "mysql": "127.0.0.1:3306",
    "redis": "127.0.0.1:6379",
    "rabbitmq": "127.0.0.1:5672",
}
#: Python drivers that are no dependency of the tests, and the extra that brings them.
DRIVERS = {"mysql": ("MySQLdb", "mysql")}
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
MARKERS = (*ADDRESSES, "browser")


def services_required() -> bool:
    """Say whether a missing service is a failure."""
    return os.environ.get("IMAGEGEN_REQUIRE_SERVICES") == "1"


@functools.cache
def why_missing(service: str) -> str:
    """Return why the service cannot be used; empty where it can."""
    if service == "browser":
        found = any(shutil.which(name) for name in BROWSERS)
        return "" if found else f"no browser found ({', '.join(BROWSERS)})"
    variable = f"IMAGEGEN_TEST_{service.upper()}_ADDRESS"
    address = os.environ.get(variable, ADDRESSES[service])
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=2).close()
    except OSError as error:
        return (
            f"{service} does not answer at {address} ({error}); set {variable} if it is elsewhere"
        )
    driver, extra = DRIVERS.get(service, ("", ""))
    if driver and importlib.util.find_spec(driver) is None:
        return f"{service} answers, but its driver is not installed: pip install '.[{extra}]'"
    return ""


def require(service: str) -> None:
    """Skip the running test, or fail it in CI, if the service is missing."""
    if reason := why_missing(service):
        if services_required():
            pytest.fail(f"required, but {reason}", pytrace=False)
        pytest.skip(reason)


@pytest.fixture
def require_service() -> Callable[[str], None]:
    """Give tests that choose their service at run time the same rule as the markers."""
    return require


@pytest.fixture(autouse=True)
def language_of_the_site() -> Iterator[None]:
    """Begin each test in the site's language: a page read at `/de/` stays the thread's language."""
    translation.deactivate()
    yield
    translation.deactivate()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Look for what the test's markers name before any fixture is built."""
    for marker in MARKERS:
        if item.get_closest_marker(marker):
            require(marker)
