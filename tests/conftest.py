"""Find the services that marked tests need: skip with a reason where one is missing.

With `IMAGEGEN_REQUIRE_SERVICES=1` (CI sets it) a missing service is a failure instead.
Where a service is somewhere else, say so: `IMAGEGEN_TEST_POSTGRESQL_ADDRESS=db.example:5433`.
"""

from __future__ import annotations

import functools
import gc
import importlib
import importlib.util
import os
import shutil
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest
from django.utils import translation

from imagegen_app.core import live_secrets
from imagegen_app.providers import refused_keys
from tests import migrated, scheduling, spread_keys

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Hundreds of interpreters are started: each would compile our sources anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# Thousands of modules and tests are made that live as long as the run. Python's own threshold of 700
# new objects has them all searched for garbage again and again.
gc.set_threshold(50_000)

# An example may take as long as it does: a busy machine is no fault of ours.
hypothesis.settings.register_profile("patient", hypothesis.settings(), deadline=None)
hypothesis.settings.load_profile("patient")

pytest_plugins = ["imagegen_app.testing.plugin"]

ADDRESSES = {
    "postgresql": "127.0.0.1:5432",
    "mysql": "127.0.0.1:3306",
    "redis": "127.0.0.1:6379",
    "rabbitmq": "127.0.0.1:5672",
}
#: Python drivers that are no dependency of the tests, and the extra that brings them.
DRIVERS = {"mysql": ("MySQLdb", "mysql")}
#: The first is Chromium without what a window needs, for less of the processor.
BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
MARKERS = (*ADDRESSES, "browser")


def services_required() -> bool:
    """Return whether a missing service is a failure."""
    return os.environ.get("IMAGEGEN_REQUIRE_SERVICES") == "1"


def browser_path() -> str:
    """Return the path of the first browser that is installed; empty where there is none."""
    return next((path for name in BROWSERS if (path := shutil.which(name))), "")


@functools.cache
def why_missing(service: str) -> str:
    """Return why the service cannot be used; empty where it can."""
    if service == "browser":
        return "" if browser_path() else f"no browser found ({', '.join(BROWSERS)})"
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


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    django_db_modify_db_settings: None, django_db_blocker: Any
) -> Iterator[None]:
    """Have the database of this test process begin as a copy, too."""
    from django.db import connection  # noqa: PLC0415 - after the settings are chosen

    with pytest.MonkeyPatch.context() as patch:
        if connection.vendor == "sqlite":
            creation: Any = connection.creation
            create = creation._create_test_db

            def create_as_copy(*arguments: Any, **options: Any) -> Any:
                name = create(*arguments, **options)
                if not Path(name).exists():  # unless it is reused
                    shutil.copyfile(migrated.sqlite_template(), name)
                return name

            patch.setattr(creation, "_create_test_db", create_as_copy)
        elif connection.vendor == "postgresql":
            with django_db_blocker.unblock():
                template = migrated.postgresql_template()
            patch.setitem(connection.settings_dict["TEST"], "TEMPLATE", template)
        yield


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """Have no two tables begin with the same key, and the rows of the migrations again after a flush."""
    flush: Any = importlib.import_module("django.core.management.commands.flush")
    from django.db import connection  # noqa: PLC0415 - after the settings are chosen

    from tests import recorded_rows  # noqa: PLC0415 - as above

    with django_db_blocker.unblock():
        spread_keys.spread(connection)
        # A flush has content types and permissions made anew, by two thousand statements.
        restore = recorded_rows.restoring(flush.emit_post_migrate_signal)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(flush, "emit_post_migrate_signal", restore)
        yield


@pytest.fixture(scope="session", autouse=True)
def times_for_tests() -> Iterator[None]:
    """Have the worker not linger where nobody else requests anything, poll soon, and the clock ask once.

    The clock asks the database for the time once a second: whether a test that counts statements
    met that second would be chance. What is due later is still awaited.
    """
    from imagegen_app.imaging import decoder_process  # noqa: PLC0415 - after the settings are chosen
    from imagegen_app.services.foundation import clock  # noqa: PLC0415 - as above
    from imagegen_app.services.gateways import decoding, usable_credentials  # noqa: PLC0415 - as above
    from imagegen_app.services.worker import _decisions, driver  # noqa: PLC0415 - as above

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(driver, "IDLE_SECONDS", 0.0)
        # Where neither the provider nor the test says when to ask again.
        patch.setattr(_decisions, "POLL_SECONDS", 0.2)
        patch.setattr(_decisions, "MAX_RETRY_SECONDS", 0.5)
        # On a busy machine decoders begin late: no reason to refuse an image.
        patch.setattr(decoding, "UPLOAD_PATIENCE_SECONDS", 240.0)
        patch.setattr(decoder_process, "_START_SECONDS", 240.0)
        patch.setattr(clock, "CACHE_SECONDS", 3600.0)
        patch.setattr(usable_credentials, "CACHE_SECONDS", 3600.0)
        yield


@pytest.fixture(scope="session", autouse=True)
def no_decoders_left() -> Iterator[None]:
    """End the decoder processes with the tests: left behind, they and their sockets are warned of."""
    yield
    from imagegen_app.services.gateways import decoding  # noqa: PLC0415 - after the settings are chosen

    while decoding._pools:
        decoding._pools.popitem()[1].close()


@pytest.fixture(scope="session", autouse=True)
def revision_of_the_addresses() -> Iterator[None]:
    """Have the CMS find the same revision of its addresses in each database that is empty.

    A test's end undoes the row. With another one at random in the next test, the first request had
    all addresses of the site imported and compiled anew. A revision that is changed still does.
    """
    from cms.models import UrlconfRevision  # noqa: PLC0415 - after the settings are chosen
    from cms.utils import apphook_reload  # noqa: PLC0415 - as above

    def revision() -> Any:
        return UrlconfRevision.get_or_create_revision(revision="tests")[0]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(apphook_reload, "get_global_revision", revision)
        yield


@pytest.fixture(autouse=True)
def language_of_the_site() -> Iterator[None]:
    """Begin each test in the site's language: a page read at `/de/` stays the thread's language."""
    translation.deactivate()
    yield
    translation.deactivate()


@pytest.fixture(autouse=True)
def no_revocations_of_other_tests() -> None:
    """Let no credential that an earlier test revoked, or its provider refused, be so in this one."""
    from imagegen_app.services.gateways import usable_credentials  # noqa: PLC0415 - after the settings are chosen

    usable_credentials.forget_revoked_names()
    refused_keys.forget_all()


@pytest.fixture(autouse=True)
def no_secrets_of_other_tests() -> None:
    """Let no key of an earlier test be hidden in the texts of this one."""
    live_secrets.forget_all()


@pytest.fixture
def failing_storage(settings: Any, tmp_path: Path) -> Iterator[Any]:
    """Give the site storages that can be told to fail."""
    from tests import failing_storage as module  # noqa: PLC0415 - after the settings are chosen

    yield from module.use_failing_storage(settings, folder=tmp_path)


def pytest_configure(config: pytest.Config) -> None:
    """Leave the slow tests out of a run that names neither tests nor markers; `.ci/run` names them."""
    if config.args_source is pytest.Config.ArgsSource.TESTPATHS and not config.option.markexpr:
        config.option.markexpr = "not slow"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int | None:
    """Start two processes for each core: many tests wait for other processes. Three are no quicker."""
    if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ:
        return None  # pytest-xdist reads it
    return 2 * (os.cpu_count() or 1)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Keep tests in one process that share a costly start."""
    return scheduling.scheduler(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the slow tests, so that no process ends with one while the others have nothing to do."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """Leave what lives as long as the run out of later searches for garbage."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Look for what the test's markers name before any fixture is built."""
    for marker in MARKERS:
        if item.get_closest_marker(marker):
            require(marker)
