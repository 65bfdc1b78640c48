"""A verifier in another language, which shares no line with the project, accepts what is exported."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings as django_settings

from imagegen_app.core import log_keys, notes
from imagegen_app.services.audit import log_export, log_key, restores, sealing
from imagegen_app.services.audit.key_rotation import rotate
from tests.services.audit.log_tampering import SYSTEM, append, put_copy, sealed_log

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed"),
]
SCRIPT = Path(__file__).parent / "verify_log.mjs"
ORIGIN = "test.example/log"


class Export(NamedTuple):
    """The files of an export, and the keys of the log from the first to the last."""

    events: Path
    proofs: Path
    vkeys: tuple[str, ...]


@pytest.fixture
def export(settings: Any, tmp_path: Path) -> Export:
    """Export a log of 300 entries that was signed at several sizes, and by three keys."""
    settings.IMAGEGEN = {
        **django_settings.IMAGEGEN,
        "STATE_DIR": tmp_path / "state",
        "AUDIT": {"ORIGIN": ORIGIN},
    }
    earlier = []
    for count in (1, 1, 5, 57):
        sealed_log(count)
        earlier.append(sealing.log_size())
    first = rotate(SYSTEM)
    sealed_log(200)
    earlier.append(sealing.log_size())
    second = rotate(SYSTEM)
    append(34)
    out = tmp_path / "events.jsonl"
    log_export.export(SYSTEM, out=out, selection=log_export.ExportFilter(), earlier=earlier)
    vkeys = (first.old, first.new, second.new)
    return Export(out, tmp_path / "events.proofs.jsonl", vkeys)


def verify(export: Export, vkey: str) -> dict[str, Any]:
    """Return what the verifier says."""
    done = subprocess.run(
        ["node", str(SCRIPT), str(export.events), str(export.proofs), vkey],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert not done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    assert (done.returncode == 1) == ("refused" in said)
    return said


@pytest.mark.parametrize("index", [0, 1, 2])
def test_an_export_verifies_with_any_key_that_the_log_ever_had(export: Export, index: int) -> None:
    assert verify(export, export.vkeys[index]) == {
        "events": 300,
        "size": 300,
        "earlier": 5,
        "keys": 3,
    }


def forged_checkpoint(header: dict[str, Any]) -> None:
    note = notes.parse_checkpoint(notes.parse_note(header["checkpoint"]).text)
    header["checkpoint"] = notes.sign_checkpoint(
        origin=ORIGIN, size=note.size, root=note.root, private_key=Ed25519PrivateKey.generate()
    )


def forged_handover(header: dict[str, Any]) -> None:
    old = log_keys.read_handover(header["handovers"][0])
    text, _empty, signatures = old.note.partition("\n\n")
    header["handovers"][0] = f"{text}\n\n{signatures.splitlines(keepends=True)[0]}"


def other_earlier_proof(header: dict[str, Any]) -> None:
    header["earlier"][2]["proof"][0] = "0" * 64


def shorter_earlier_proof(header: dict[str, Any]) -> None:
    header["earlier"][3]["proof"].pop()


def dropped_handover(header: dict[str, Any]) -> None:
    header["handovers"].pop()


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        (forged_checkpoint, "checkpoint of 300 entries is not signed by a key of this log"),
        (forged_handover, "a handover is not signed by both keys"),
        (other_earlier_proof, "does not continue its checkpoint of"),
        (shorter_earlier_proof, "consistency proof"),
        (dropped_handover, "is not signed by a key of this log"),
    ],
)
def test_a_forged_header_is_refused(
    export: Export, change: Callable[[dict[str, Any]], None], refusal: str
) -> None:
    header, *proofs = export.proofs.read_text().splitlines()
    changed = json.loads(header)
    change(changed)
    export.proofs.write_text("\n".join([json.dumps(changed), *proofs, ""]))

    assert refusal in verify(export, export.vkeys[0])["refused"]


def test_a_changed_event_is_refused(export: Export) -> None:
    data = export.events.read_bytes()
    export.events.write_bytes(data.replace(b'"size":1', b'"size":2', 1))

    assert "is not the one that was sealed" in verify(export, export.vkeys[0])["refused"]


def test_a_changed_inclusion_proof_is_refused(export: Export) -> None:
    lines = export.proofs.read_text().splitlines()
    proof = json.loads(lines[8])
    proof["proof"][0] = "0" * 64
    lines[8] = json.dumps(proof)
    export.proofs.write_text("\n".join([*lines, ""]))

    assert verify(export, export.vkeys[0])["refused"] == "entry 7 is not in the log"


def test_a_key_of_another_log_is_refused(export: Export) -> None:
    other = Ed25519PrivateKey.generate().public_key().public_bytes_raw()

    assert "not signed by a key" in verify(export, notes.vkey(ORIGIN, other))["refused"]


@pytest.fixture
def restored(settings: Any, tmp_path: Path) -> tuple[Export, str]:
    """Export a log that was restored behind a published checkpoint; also give that one's root."""
    settings.IMAGEGEN = {
        **django_settings.IMAGEGEN,
        "STATE_DIR": tmp_path / "state",
        "AUDIT": {
            "ORIGIN": ORIGIN,
            "PUBLISH_TO": {"auditor": {"KIND": "folder", "TARGET": tmp_path / "published"}},
        },
    }
    sealed_log(5)
    lost = notes.sign_checkpoint(
        origin=ORIGIN, size=90, root=b"r" * 32, private_key=log_key.private_key()
    )
    put_copy(tmp_path / "published", lost, size=90)
    accepted = restores.accept(SYSTEM, size=90, reason="the disk failed")
    out = tmp_path / "events.jsonl"
    log_export.export(SYSTEM, out=out, selection=log_export.ExportFilter())
    return Export(out, tmp_path / "events.proofs.jsonl", (sealing.vkey(),)), accepted.root


def test_what_a_restored_log_lost_is_proved_by_the_export(restored: tuple[Export, str]) -> None:
    export, root = restored

    said = verify(export, export.vkeys[0])

    assert said["lost"] == [{"kept": 5, "published": 90, "root": root}]


def test_a_restore_that_was_made_smaller_in_the_export_is_refused(
    restored: tuple[Export, str],
) -> None:
    export, _root = restored
    first, *others = export.proofs.read_text().splitlines(keepends=True)
    header = json.loads(first)
    header["restores"][0]["body"] = header["restores"][0]["body"].replace('"size":90', '"size":9')
    export.proofs.write_text(json.dumps(header) + "\n" + "".join(others))

    assert "is not in the log" in verify(export, export.vkeys[0])["refused"]
