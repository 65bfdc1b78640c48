"""An evidence pack of a log that was restored from a backup says so."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from imagegen_app.core import notes
from imagegen_app.core.actors import System
from imagegen_app.services.audit import log_export, log_key, restores, sealing
from tests.services.audit.log_tampering import put_copy
from tests.services.library.test_evidence import (
    asset,  # noqa: F401 - a fixture
    opened,
    packed,
    unpacked,
    verified,
)

if TYPE_CHECKING:
    from pathlib import Path

    from imagegen_app.models import Asset

pytestmark = pytest.mark.django_db


def test_a_pack_of_a_restored_log_says_so_and_takes_no_lost_checkpoint_for_valid(
    asset: Asset,  # noqa: F811 - the fixture
    settings: Any,
    tmp_path: Path,
) -> None:
    folder = tmp_path / "published"
    audit = {"PUBLISH_TO": {"auditor": {"KIND": "folder", "TARGET": folder}}}
    settings.IMAGEGEN = {**settings.IMAGEGEN, "AUDIT": audit}
    folder.mkdir()
    # As if the log had been longer before a backup was restored.
    lost = notes.sign_checkpoint(
        origin=sealing.vkey().partition("+")[0],
        size=9000,
        root=b"\1" * 32,
        private_key=log_key.private_key(),
    )
    published = put_copy(folder, lost, size=9000)
    with pytest.raises(log_export.CannotExport, match="imagegen_audit accept-restore"):
        packed(asset, by="ada")
    restores.accept(System("test"), size=9000, reason="the disk failed")

    files = opened(packed(asset))
    pack = unpacked(files, tmp_path / "pack")
    code, said = verified(pack, "--key", sealing.vkey())
    lost_code, of_lost = verified(pack, "--key", sealing.vkey(), "--checkpoint", str(published))
    between = notes.sign_checkpoint(
        origin=sealing.vkey().partition("+")[0],
        size=8000,
        root=b"\2" * 32,
        private_key=log_key.private_key(),
    )
    published.write_text(between)
    other_code, of_other = verified(pack, "--key", sealing.vkey(), "--checkpoint", str(published))

    assert code == 0, said
    assert "WARN The log was restored from a backup at 0 entries" in said
    assert lost_code == 3, of_lost
    assert "checkpoint of 9000 events that you gave is of a branch that was given up" in of_lost
    assert other_code == 3, of_other
    assert "It may also be of what was given up" in of_other
    assert "restored from a backup" in files["story.html"].decode()
    assert "restored from a backup" in json.loads(files["summary.json"])["log_restores"][0]
