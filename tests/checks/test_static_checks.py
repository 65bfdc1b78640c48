"""Our scripts find each other under every storage of static files."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.staticfiles.storage import ManifestStaticFilesStorage
from django.core.management import call_command

from imagegen_app import static_checks
from imagegen_app.staticfiles import HashedModules
from tests.architecture.tree import PACKAGE

if TYPE_CHECKING:
    from pathlib import Path

_IMPORTED = re.compile(r"""(?:from\s+|import\s*\(?\s*)["'](\.{1,2}/[^"']+)["']""")


class Hashing(HashedModules, ManifestStaticFilesStorage):  # type: ignore[misc]  # as the stubs of both
    """What the how-to tells sites to write."""


class Aggregating(ManifestStaticFilesStorage):
    """Django's own switch, which is off as it comes."""

    support_js_module_import_aggregation = True


class KeepingHashedOnly(ManifestStaticFilesStorage):
    """As WhiteNoise's storage with its setting of that name."""

    keep_only_hashed_files = True


class KeepingHashedModulesOnly(HashedModules, KeepingHashedOnly):  # type: ignore[misc]  # as above
    """The same with ours."""


def _use(settings: Any, storage: str, folder: Path) -> None:
    settings.STATIC_ROOT = str(folder)
    settings.STORAGES = {**settings.STORAGES, "staticfiles": {"BACKEND": storage}}


@pytest.mark.parametrize(
    ("storage", "problems"),
    [
        ("django.contrib.staticfiles.storage.StaticFilesStorage", []),
        ("django.contrib.staticfiles.storage.ManifestStaticFilesStorage", ["imagegen.W091"]),
        (f"{__name__}.Hashing", []),
        (f"{__name__}.Aggregating", []),
        (f"{__name__}.KeepingHashedOnly", ["imagegen.E092"]),
        (f"{__name__}.KeepingHashedModulesOnly", []),
        ("shop.no_such_storage.Storage", []),
    ],
)
def test_a_storage_that_does_not_hash_our_imports_is_told(
    settings: Any, tmp_path: Path, storage: str, problems: list[str]
) -> None:
    _use(settings, storage, tmp_path)

    assert [each.id for each in static_checks.import_problems()] == problems


def test_every_import_of_our_scripts_is_hashed_and_leads_to_a_file(
    settings: Any, tmp_path: Path
) -> None:
    _use(settings, f"{__name__}.Hashing", tmp_path)

    call_command("collectstatic", interactive=False, verbosity=0)

    scripts = [
        path
        for path in (tmp_path / "imagegen_app" / "js").rglob("*.js")
        if re.search(r"\.[0-9a-f]{12}\.js$", path.name)
    ]
    plain = {path.relative_to(PACKAGE / "static") for path in PACKAGE.glob("static/**/*.js")}
    imports = {path: _IMPORTED.findall(path.read_text(encoding="utf-8")) for path in scripts}
    assert len({path.name.split(".")[0] for path in scripts}) >= len({p.stem for p in plain})
    assert any(imports.values())
    for path, found in imports.items():
        for one in found:
            assert re.search(r"\.[0-9a-f]{12}\.js$", one), (path, one)
            assert (path.parent / one).resolve().exists(), (path, one)
