"""A reader of Content Credentials that is not ours accepts our files, and refuses changed ones.

It runs where `IMAGEGEN_C2PA_TS` names a folder in which npm has installed `@trustnxt/c2pa-ts`. It
reads no WebP.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from imagegen_app.services.erasure import commands, scopes
from imagegen_app.services.gateways import storage
from imagegen_app.services.job_requests.values import InputSource
from imagegen_app.services.policy import access
from imagegen_app.testing.factories import make_user
from tests.services.conftest import site, small
from tests.services.worker.test_foreign_manifests import made

if TYPE_CHECKING:
    from imagegen_app.models import Asset
    from tests.services.conftest import Site

__all__ = ["site", "small"]
FOLDER = os.environ.get("IMAGEGEN_C2PA_TS", "")
pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(
        not FOLDER or shutil.which("node") is None, reason="c2pa-ts or node is not installed"
    ),
]
EXTENSIONS = {"png": "png", "jpeg": "jpg", "avif": "avif"}


def readable_files(asset: Asset) -> dict[str, bytes]:
    """Return the public files in formats that the reader takes, by a name with an extension."""
    files = {"master.png": storage.get(asset.storage_key)}
    for rendition in asset.renditions.exclude(format="webp"):
        name = f"{rendition.width}.{EXTENSIONS[rendition.format]}"
        files[name] = storage.get(rendition.storage_key)
    return files


def read(folder: Path, files: dict[str, bytes]) -> list[dict[str, Any]]:
    """Return what the other reader says of each file."""
    # Modules are looked for beside the script.
    script = Path(FOLDER) / "read_credentials.mjs"
    shutil.copyfile(Path(__file__).parent / script.name, script)
    paths = []
    for name, data in files.items():
        (folder / name).write_bytes(data)
        paths.append(str(folder / name))
    run = subprocess.run(["node", str(script), *paths], capture_output=True, check=True, timeout=60)
    found: list[dict[str, Any]] = json.loads(run.stdout)
    return found


def test_another_reader_accepts_all_generations_and_what_an_erasure_signs_again(
    site: Site, settings: Any, tmp_path: Path
) -> None:
    settings.IMAGEGEN = {
        **settings.IMAGEGEN,
        "MARKS": {"INCLUDE_PROMPT": True},
        "RENDITIONS": {"WIDTHS": [32], "FORMATS": ["avif", "webp", "jpeg"]},
    }
    first = made(site)
    second = made(site, operation="edit", inputs=[InputSource(asset=first)])
    third = made(site, operation="upscale", inputs=[InputSource(asset=second)])
    officer = access.actor_for(make_user("eve", permissions=["imagegen.erase_personal_data"]))
    files = {
        f"{number}-{name}": data
        for number, asset in enumerate((first, second, third))
        for name, data in readable_files(asset).items()
    }

    commands.erase(officer, scopes.job_scope(second.job), reason="asked")
    second.refresh_from_db()
    files |= {f"again-{name}": data for name, data in readable_files(second).items()}

    assert len(files) == 12
    for name, found in zip(files, read(tmp_path, files), strict=True):
        assert found == {"isValid": True, "failures": []}, name


def test_another_reader_refuses_a_changed_file(site: Site, tmp_path: Path) -> None:
    data = bytearray(storage.get(made(site).storage_key))
    # A byte of the pixels: the last chunk before the end.
    data[-30] ^= 1

    (found,) = read(tmp_path, {"changed.png": bytes(data)})

    assert not found["isValid"]
    assert found["failures"]
