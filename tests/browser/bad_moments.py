"""What goes wrong on a site, as its tables tell it: a failed job, and an outage of a model."""

from __future__ import annotations

import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.browser.site import Site

_SHOWN_KEY = "seen by a test"


def failed_job(site: Site, like: str) -> tuple[str, str]:
    """Add a copy of a job, in a session of its own, that its provider failed; return both keys."""
    session, job = uuid.uuid4().hex, uuid.uuid4().hex
    (former,) = site.ask("select session_id from imagegen_job where id = ?", like)[0]
    _copy(site, "imagegen_studiosession", str(former), {"id": session, "name": "A bad day"})
    changes = {
        "id": job,
        "session_id": session,
        "state": "failed",
        "error_code": "provider_unavailable",
        "error_message": "The provider's service is unavailable.",
        "error_remedy": "Request it again later, or choose another model.",
        "actual_cost": None,
        "idempotency_key": None,
        "live_attempt_id": None,
    }
    _copy(site, "imagegen_job", like, changes)
    return str(uuid.UUID(job)), str(uuid.UUID(session))


@contextmanager
def outage(site: Site) -> Iterator[None]:
    """Let the shop's model fail since an hour."""
    site.change(
        "insert into imagegen_incident (open_key, operation, opened_at, error_code, affected_count, "
        "failed_over_count, image_model_id, provider_id) select ?, 'generate', "
        "datetime('now', '-1 hour'), 'provider_unavailable', 3, 0, id, provider_id "
        "from imagegen_imagemodel where slug = 'sandbox-1'",
        _SHOWN_KEY,
    )
    try:
        yield
    finally:
        site.change("delete from imagegen_incident where open_key = ?", _SHOWN_KEY)


def _copy(site: Site, table: str, key: str, changes: dict[str, str | None]) -> None:
    columns = [str(row[1]) for row in site.ask(f"pragma table_info({table})")]
    values = [changes.get(name) for name in columns if name in changes]
    taken = ", ".join("?" if name in changes else name for name in columns)
    site.change(
        f"insert into {table} ({', '.join(columns)}) select {taken} from {table} where id = ?",  # noqa: S608 - names of columns
        *values,
        key,
    )
