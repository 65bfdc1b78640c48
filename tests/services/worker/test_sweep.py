"""A sweep costs one transaction where there is nothing to do, and else does all of its work."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from django.db import connection
from django.test.utils import CaptureQueriesContext

from imagegen_app.core.actors import System
from imagegen_app.models import AuditPending, Checkpoint, PeriodicRun
from imagegen_app.services.audit import key_rotation, publication
from imagegen_app.services.foundation import clock, db_session
from imagegen_app.services.worker.sweep import sweep
from tests.services.audit.log_tampering import execute
from tests.services.silent_engine import SilentEngine

if TYPE_CHECKING:
    from pathlib import Path

    from tests.services.conftest import Site


def transactions(statements: list[str]) -> int:
    """Count transactions; a statement outside of them is one too."""
    count, is_inside = 0, False
    for statement in statements:
        if statement.startswith("BEGIN"):
            is_inside = True
        elif statement.startswith(("COMMIT", "ROLLBACK")):
            is_inside = False
            count += 1
        elif not is_inside:
            count += 1
    return count


@pytest.mark.django_db(transaction=True)
def test_a_sweep_that_finds_nothing_is_one_transaction() -> None:
    sweep()
    PeriodicRun.objects.get(pk="clearing")
    swept_at = PeriodicRun.objects.get(pk="sweep").last_run_at

    with CaptureQueriesContext(connection) as asked:
        found = sweep()

    statements = [query["sql"] for query in asked.captured_queries]
    assert (found, transactions(statements)) == (0, 1), statements
    assert PeriodicRun.objects.get(pk="sweep").last_run_at > swept_at


def test_a_sweep_wakes_a_worker_for_due_work_and_seals_the_log(site: Site) -> None:
    site.request()
    SilentEngine.rung.clear()

    due = sweep()

    assert (due, SilentEngine.rung) == (1, ["drive"])
    assert not AuditPending.objects.exists()
    assert PeriodicRun.objects.filter(pk="sweep").exists()


def publish_to(settings: Any, folder: Path, **audit: Any) -> None:
    places = {"auditor": {"KIND": "folder", "TARGET": folder / "published"}}
    settings.IMAGEGEN = {
        **settings.IMAGEGEN,
        "STATE_DIR": folder / "state",
        "AUDIT": {"PUBLISH_TO": places, **audit},
    }


def test_a_sweep_publishes_the_log_once_in_its_time(
    site: Site, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish_to(settings, tmp_path)
    published: list[object] = []
    publish = publication.publish

    def note(actor: Any) -> None:
        published.append(publish(actor))

    monkeypatch.setattr(publication, "publish", note)
    site.request()

    sweep()
    sweep()

    assert published == [{"auditor": ""}]
    assert len(list((tmp_path / "published").iterdir())) == 1


@pytest.mark.usefixtures("unguarded_log")
def test_a_key_that_was_replaced_stops_the_signing_and_nothing_else(
    site: Site, settings: Any, tmp_path: Path
) -> None:
    for name in ("old.pem", "new.pem"):
        pem = Ed25519PrivateKey.generate().private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        )
        (tmp_path / name).write_bytes(pem)
    publish_to(settings, tmp_path, SIGNING_KEY=str(tmp_path / "old.pem"))
    key_rotation.rotate(System("test"), new_key=tmp_path / "new.pem")
    aged = clock.now() - timedelta(hours=2)
    execute(
        "UPDATE imagegen_checkpoint SET created_at = %s",
        connection.ops.adapt_datetimefield_value(aged),
    )
    site.request()

    sweep()

    assert not AuditPending.objects.exists()
    assert Checkpoint.objects.filter(created_at__gt=aged).count() == 0
    assert PeriodicRun.objects.filter(pk="sweep").exists()


@pytest.mark.django_db(transaction=True)
def test_the_limit_of_idle_transactions_is_set_once_in_a_session() -> None:
    db_session.limit_idle_transactions()

    with CaptureQueriesContext(connection) as asked:
        db_session.limit_idle_transactions()

    assert len(asked) == 0
