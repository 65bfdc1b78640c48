"""The log's key can be replaced, and what the old one signed verifies for ever."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from django.conf import settings as django_settings
from django.db import connection

from imagegen_app.core import notes
from imagegen_app.models import AuditEvent, Checkpoint, LogKeyHandover
from imagegen_app.services.audit import log_key, publication, sealing, verification
from imagegen_app.services.audit.key_rotation import CannotRotate, rotate
from imagegen_app.services.foundation import clock
from tests.services.audit.log_tampering import SYSTEM, append, execute, kinds, put_copy, sealed_log

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.django_db(transaction=True)


def configure(settings: Any, tmp_path: Path, **audit: Any) -> None:
    settings.IMAGEGEN = {
        **django_settings.IMAGEGEN,
        "STATE_DIR": tmp_path / "state",
        "AUDIT": {
            "ORIGIN": "test.example/log",
            "PUBLISH_TO": {"auditor": {"KIND": "folder", "TARGET": tmp_path / "published"}},
            **audit,
        },
    }


@pytest.fixture(autouse=True)
def site(settings: Any, tmp_path: Path) -> None:
    """Give each test keys and a folder of its own."""
    configure(settings, tmp_path)


def key_file(path: Path) -> Path:
    key = Ed25519PrivateKey.generate()
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return path


def test_checkpoints_and_copies_of_retired_keys_verify() -> None:
    sealed_log(2)
    first = rotate(SYSTEM)
    sealed_log(3)
    second = rotate(SYSTEM)
    sealed_log(1)

    report = verification.verify()

    assert (report.ok, report.copies) == (True, 3)
    assert [(key.vkey, key.first, key.last) for key in log_key.ring().keys] == [
        (first.old, 0, 2),
        (first.new, 2, second.size),
        (second.new, second.size, None),
    ]
    assert AuditEvent.objects.filter(type="log.key_replaced").count() == 2


@pytest.mark.usefixtures("unguarded_log")
def test_the_time_of_a_replacement_is_part_of_what_was_signed() -> None:
    sealed_log(2)
    rotate(SYSTEM)
    assert verification.verify().ok
    earlier = connection.ops.adapt_datetimefield_value(clock.now() - timedelta(days=3))

    execute("UPDATE imagegen_logkeyhandover SET retired_at = %s", earlier)
    replaced = verification.verify()
    execute("UPDATE imagegen_checkpoint SET created_at = %s", earlier)
    both = verification.verify()

    (finding,) = replaced.findings
    assert "The record of the log's retired key" in finding.message
    assert kinds(both) == ["checkpoint"] * (1 + Checkpoint.objects.count())


def test_the_old_key_is_deleted_and_signs_no_more(tmp_path: Path) -> None:
    append(1)
    old = log_key.private_key()

    done = rotate(SYSTEM)
    forged = notes.sign_checkpoint(
        origin="test.example/log", size=9, root=b"r" * 32, private_key=old
    )
    put_copy(tmp_path / "published", forged)

    assert sealing.vkey() == done.new != done.old
    assert [path.name for path in (tmp_path / "state").glob("*.pem")] == [log_key.FILE_NAME]
    assert kinds(verification.verify()) == ["published"]


def test_a_replacement_that_was_cut_short_is_finished(monkeypatch: pytest.MonkeyPatch) -> None:
    append(1)
    with monkeypatch.context() as patched:
        patched.setattr(log_key, "use_next_key", lambda: None)
        done = rotate(SYSTEM)
    between = sealing.vkey()
    verified = verification.verify()

    sealing.make_checkpoint(SYSTEM, force=True)

    assert between == done.old
    assert verified.ok
    assert sealing.vkey() == done.new
    assert verification.verify().ok


def test_a_key_of_the_settings_is_replaced_by_one_of_the_settings(
    settings: Any, tmp_path: Path
) -> None:
    old, new = key_file(tmp_path / "old.pem"), key_file(tmp_path / "new.pem")
    configure(settings, tmp_path, SIGNING_KEY=old)
    sealed_log(2)

    done = rotate(SYSTEM, new_key=new)

    assert done.must_change_setting
    assert verification.verify().ok
    with pytest.raises(log_key.KeyRetired, match="Name the new one"):
        sealing.make_checkpoint(SYSTEM, force=True)
    configure(settings, tmp_path, SIGNING_KEY=new)
    assert sealing.make_checkpoint(SYSTEM, force=True) is not None
    assert verification.verify().ok
    assert old.exists()


def test_a_key_is_not_used_again(settings: Any, tmp_path: Path) -> None:
    old, new = key_file(tmp_path / "old.pem"), key_file(tmp_path / "new.pem")
    configure(settings, tmp_path, SIGNING_KEY=old)
    append(1)
    rotate(SYSTEM, new_key=new)
    configure(settings, tmp_path, SIGNING_KEY=new)

    with pytest.raises(CannotRotate, match="signed this log before"):
        rotate(SYSTEM, new_key=old)


def test_a_key_of_the_state_folder_is_not_replaced_by_a_file(tmp_path: Path) -> None:
    with pytest.raises(CannotRotate, match=r"^The key is in the state folder, where .* too\.$"):
        rotate(SYSTEM, new_key=tmp_path / "new.pem")


def test_a_damaged_log_keeps_its_key(unguarded_log: None) -> None:
    sealed_log(2)
    key = sealing.vkey()
    execute("UPDATE imagegen_checkpoint SET root = %s", "0" * 64)

    with pytest.raises(CannotRotate, match="damaged"):
        rotate(SYSTEM)

    assert sealing.vkey() == key


@pytest.mark.parametrize("change", ["size = 1", "note = 'x'"])
def test_a_changed_record_of_a_retired_key_is_found(change: str, unguarded_log: None) -> None:
    sealed_log(2)
    rotate(SYSTEM)
    execute(f"UPDATE imagegen_logkeyhandover SET {change}")  # noqa: S608 - our own text

    findings = [f for f in verification.verify().findings if "retired key" in f.message]
    assert {finding.kind for finding in findings} == {"checkpoint"}


def test_a_deleted_record_of_a_retired_key_is_found(unguarded_log: None) -> None:
    sealed_log(2)
    rotate(SYSTEM)
    execute("DELETE FROM imagegen_logkeyhandover")

    assert not verification.verify().ok


def test_the_replacement_is_published_at_once() -> None:
    sealed_log(2)
    rotate(SYSTEM)

    assert publication.publish(SYSTEM, force=True) == {"auditor": ""}
    assert verification.verify().copies == 2
    assert LogKeyHandover.objects.count() == 1
