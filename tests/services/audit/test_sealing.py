from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from django.conf import settings as django_settings
from django.db import connection

from imagegen_app.core import notes, translog
from imagegen_app.models import AuditEvent, AuditLeaf, AuditPending, AuditTile, Checkpoint
from imagegen_app.services.audit import log_key, sealing, verification
from imagegen_app.services.foundation import clock
from tests.at_once import at_once
from tests.services.audit.log_tampering import SYSTEM, append, execute, put_copy

pytestmark = pytest.mark.django_db
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True)
def state_folder(settings: Any, tmp_path: Path) -> Path:
    """Give each test a key and a folder of its own."""
    configure(settings, tmp_path)
    return tmp_path


def configure(settings: Any, folder: Path, **audit: Any) -> None:
    settings.IMAGEGEN = {
        **django_settings.IMAGEGEN,
        "STATE_DIR": folder / "state",
        "AUDIT": {
            "ORIGIN": "test.example/log",
            "PUBLISH_TO": {"auditor": {"KIND": "folder", "TARGET": folder / "published"}},
            **audit,
        },
    }


def age_checkpoints(seconds: int) -> None:
    """Make all checkpoints look older."""
    made = clock.now() - timedelta(seconds=seconds)
    execute(
        "UPDATE imagegen_checkpoint SET created_at = %s",
        connection.ops.adapt_datetimefield_value(made),
    )


def pem(key: Ed25519PrivateKey | EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def test_events_get_consecutive_positions_in_the_order_of_their_ids() -> None:
    append(3)
    first = sealing.seal()
    append(2)

    second = sealing.seal()

    positions = list(AuditLeaf.objects.order_by("seq").values_list("seq", "event_id"))
    ids = list(AuditEvent.objects.order_by("pk").values_list("pk", flat=True))
    assert (first, second) == (3, 2)
    assert positions == list(enumerate(ids))
    assert not AuditPending.objects.exists()


def test_sealing_takes_no_more_events_than_its_limit() -> None:
    append(5)

    sealed = sealing.seal(limit=2)

    assert sealed == 2
    assert AuditPending.objects.count() == 3


def test_without_waiting_events_nothing_is_written() -> None:
    assert sealing.seal() == 0
    assert not AuditTile.objects.exists()


def test_leaves_hash_the_bodies_and_tiles_hold_the_leaves() -> None:
    append(300)
    sealing.seal(limit=100)
    sealing.seal_all()

    frontier = translog.Frontier()
    for body in AuditEvent.objects.order_by("pk").values_list("body", flat=True):
        frontier.add(translog.leaf_hash(body))

    assert translog.TileReader(sealing.fetch_tile).root(300) == frontier.root()
    assert set(AuditTile.objects.values_list("level", "index")) == {(0, 0), (0, 1), (1, 0)}


def test_an_event_committed_late_with_a_lower_id_is_not_lost() -> None:
    append(2)
    late = AuditPending.objects.order_by("event_id").first()
    assert late is not None
    execute("DELETE FROM imagegen_auditpending WHERE event_id = %s", late.pk)
    sealing.seal()
    execute(
        "INSERT INTO imagegen_auditpending (event_id, receipt) VALUES (%s, %s)",
        late.pk,
        late.receipt,
    )

    sealed = sealing.seal()

    assert sealed == 1
    assert AuditLeaf.objects.get(event_id=late.pk).seq == 1


@pytest.mark.django_db(transaction=True)
def test_a_sealer_killed_midway_leaves_nothing_half_sealed(tmp_path: Path) -> None:
    append(10)
    script = (
        "import django; django.setup()\n"
        "from django.db import connection\n"
        f"connection.settings_dict['NAME'] = {str(connection.settings_dict['NAME'])!r}\n"
        "from imagegen_app.services.audit import sealing; sealing.seal()"
    )
    killed = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "project.settings.test",
            "IMAGEGEN_TESTING": "1",
            "IMAGEGEN_FAILPOINTS": f"seal.mid@{tmp_path / 'token'}",
        },
        capture_output=True,
        check=False,
        timeout=60,
    )
    left = (AuditLeaf.objects.count(), AuditPending.objects.count())

    sealed = sealing.seal()

    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert left == (0, 10)
    assert sealed == 10
    assert verification.verify().ok


@pytest.mark.django_db(transaction=True)
def test_several_threads_append_and_seal_at_once() -> None:
    def work() -> None:
        for _round in range(8):
            append(5)
            sealing.seal()

    errors = at_once(*[work] * 4)
    sealing.seal_all()
    report = verification.verify()

    assert errors == []
    assert (report.ok, report.size, report.unsealed) == (True, 160, 0)


def test_a_checkpoint_states_size_and_root_and_is_signed() -> None:
    append(3)
    sealing.seal()

    checkpoint = sealing.make_checkpoint(SYSTEM)

    assert checkpoint is not None
    stated = notes.verify_checkpoint(checkpoint.note, sealing.vkey())
    root = translog.TileReader(sealing.fetch_tile).root(3)
    assert (stated.origin, stated.size, stated.root) == ("test.example/log", 3, root)
    assert (checkpoint.size, checkpoint.root) == (3, root.hex())


def test_an_empty_log_is_not_signed_without_force() -> None:
    assert sealing.make_checkpoint(SYSTEM) is None


@pytest.mark.usefixtures("unguarded_log")
def test_a_log_that_grew_is_signed_again_after_a_minute_and_not_before() -> None:
    append(1)
    sealing.seal()
    sealing.make_checkpoint(SYSTEM)
    append(1)
    sealing.seal()

    too_soon = sealing.make_checkpoint(SYSTEM)
    age_checkpoints(sealing.CHECKPOINT_INTERVAL_SECONDS + 1)
    in_time = sealing.make_checkpoint(SYSTEM)

    assert too_soon is None
    assert in_time is not None
    assert in_time.size == 2


@pytest.mark.usefixtures("unguarded_log")
def test_an_idle_log_is_signed_hourly_and_does_not_grow_by_it() -> None:
    append(1)
    sealing.seal()
    sealing.make_checkpoint(SYSTEM)
    age_checkpoints(sealing.CHECKPOINT_INTERVAL_SECONDS + 1)

    too_soon = sealing.make_checkpoint(SYSTEM)
    age_checkpoints(sealing.IDLE_CHECKPOINT_INTERVAL_SECONDS + 1)
    in_time = sealing.make_checkpoint(SYSTEM)

    assert too_soon is None
    assert in_time is not None
    assert AuditEvent.objects.count() == 1


@pytest.mark.usefixtures("unguarded_log")
def test_a_log_that_does_not_continue_the_signed_one_is_not_signed_and_alarms_once() -> None:
    append(3)
    sealing.seal()
    sealing.make_checkpoint(SYSTEM)
    data = bytearray(AuditTile.objects.get().data)
    data[0] ^= 1
    execute("UPDATE imagegen_audittile SET data = %s", bytes(data))

    refused = [sealing.make_checkpoint(SYSTEM, force=True) for _ in range(2)]

    assert refused == [None, None]
    assert Checkpoint.objects.count() == 1
    assert AuditEvent.objects.filter(type="log.verification_failed").count() == 1


@pytest.mark.usefixtures("unguarded_log")
def test_a_missing_tile_is_an_alarm() -> None:
    append(3)
    sealing.seal()
    execute("DELETE FROM imagegen_audittile")

    assert sealing.make_checkpoint(SYSTEM, force=True) is None
    assert AuditEvent.objects.filter(type="log.verification_failed").count() == 1


def test_a_log_shorter_than_its_published_checkpoint_is_not_signed(state_folder: Path) -> None:
    append(2)
    sealing.seal()
    longer = notes.sign_checkpoint(
        origin="test.example/log",
        size=9,
        root=b"r" * 32,
        private_key=log_key.private_key(),
    )
    put_copy(state_folder / "published", longer)

    checkpoint = sealing.make_checkpoint(SYSTEM, force=True)

    assert checkpoint is None
    alarm = AuditEvent.objects.get(type="log.rollback_detected")
    assert json.loads(alarm.body)["data"] == {"size": 9}


def test_an_invalid_published_file_does_not_prevent_signing(state_folder: Path) -> None:
    append(1)
    sealing.seal()
    put_copy(state_folder / "published", "nonsense")

    assert sealing.make_checkpoint(SYSTEM) is not None


def test_the_key_is_created_once_and_readable_by_its_owner_only(state_folder: Path) -> None:
    lines = {sealing.vkey() for _ in range(2)}

    file = state_folder / "state" / log_key.FILE_NAME
    assert len(lines) == 1
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in file.parent.iterdir()] == [log_key.FILE_NAME]


def test_threads_that_create_the_key_at_once_get_the_same_one() -> None:
    lines: list[str] = []

    errors = at_once(*[lambda: lines.append(sealing.vkey())] * 6)

    assert errors == []
    assert len(lines) == 6
    assert len(set(lines)) == 1


def test_the_site_may_bring_its_own_key(settings: Any, state_folder: Path) -> None:
    key = Ed25519PrivateKey.generate()
    (state_folder / "own.pem").write_bytes(pem(key))
    configure(settings, state_folder, SIGNING_KEY=state_folder / "own.pem")

    line = sealing.vkey()

    assert line == notes.vkey("test.example/log", key.public_key().public_bytes_raw())
    assert not (state_folder / "state").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read"),
        (b"no key", "is not a private key"),
        (pem(generate_private_key(SECP256R1())), "not of the kind Ed25519"),
    ],
)
def test_an_unusable_key_is_refused_with_a_message(
    settings: Any, state_folder: Path, content: bytes | None, message: str
) -> None:
    if content is not None:
        (state_folder / "own.pem").write_bytes(content)
    configure(settings, state_folder, SIGNING_KEY=state_folder / "own.pem")

    with pytest.raises(log_key.KeyUnreadable, match=message):
        sealing.vkey()


def test_a_state_folder_that_cannot_be_created_is_reported(
    settings: Any, state_folder: Path
) -> None:
    (state_folder / "file").write_text("")
    settings.IMAGEGEN = {**settings.IMAGEGEN, "STATE_DIR": state_folder / "file" / "state"}

    with pytest.raises(log_key.KeyUnreadable, match="cannot be created"):
        sealing.vkey()
