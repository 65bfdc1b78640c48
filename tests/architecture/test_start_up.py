"""A site starts about as quickly with the app as without: what is heavy is imported when it is used."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from tests.architecture.tree import ROOT, modules, name_of

#: What takes long to import, and is of no use to a process that only starts.
HEAVY = {
    "PIL",
    "azure",
    "boto3",
    "botocore",
    "c2pa",
    "celery",
    "cms",
    "cryptography",
    "django_rq",
    "google",
    "h11",
    "httpcore",
    "httpx",
    "hvac",
    "jinja2",
    "openai",
    "openpyxl",
    "pillow_heif",
    "psycopg",
    "pybase64",
    "redis",
    "rq",
    "storages",
    "uvicorn",
    "websockets",
}
#: Modules of ours that Django itself asks for, with what they stand on; all of them are over 600.
MAX_OWN_MODULES = 92
#: Packages of which nothing may be loaded: they speak to providers, decode images, serve pages.
NOT_STARTED = (
    "imagegen_app.checks",
    "imagegen_app.conf",
    "imagegen_app.core.types",
    "imagegen_app.imaging.",
    "imagegen_app.moderation.",
    "imagegen_app.providers.http.",
    "imagegen_app.services.batches.",
    "imagegen_app.services.erasure.",
    "imagegen_app.services.monitoring.",
    "imagegen_app.services.worker.",
    "imagegen_app.testing.",
)


def loaded_by_setup(folder: Path) -> set[str]:
    """Return the names of all modules that a bare site with the app has loaded after `django.setup()`."""
    script = ROOT / "tests" / "architecture" / "start_up.py"
    command = [sys.executable, str(script), str(ROOT / "README.md"), str(folder), "with"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    environment.pop("DJANGO_SETTINGS_MODULE", None)
    result = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
    assert result.returncode == 0, result.stderr
    return set(json.loads(result.stdout)["modules"])


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Set up a bare site once for this module."""
    return loaded_by_setup(tmp_path_factory.mktemp("site"))


def test_a_starting_site_loads_no_heavy_package(loaded: set[str]) -> None:
    assert {name.partition(".")[0] for name in loaded} & HEAVY == set()


def test_a_starting_site_loads_no_module_of_ours_that_only_pages_and_workers_use(
    loaded: set[str],
) -> None:
    assert [name for name in sorted(loaded) if name.startswith(NOT_STARTED)] == []


def test_a_starting_site_loads_few_modules_of_ours(loaded: set[str]) -> None:
    ours = {name for name in loaded if name.partition(".")[0] == "imagegen_app"}

    assert "imagegen_app.admin.jobs" in ours
    assert len(ours) <= MAX_OWN_MODULES


def test_the_packages_that_are_named_exist() -> None:
    names = [name_of(path).replace("/", ".") for path in modules()]

    for package in NOT_STARTED:
        assert any(f"{name}.".startswith(package) for name in names), package


def test_every_module_can_be_imported() -> None:
    optional = ("imagegen_app/contrib/", "imagegen_app/testing/plugin.py")
    names = [
        name_of(path).removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        for path in modules()
        if not name_of(path).startswith(optional)
    ]

    assert [name for name in names if import_module(name).__name__ != name] == []
