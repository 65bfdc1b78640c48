"""Check by plain SQL what must hold after any fault; imports none of our services."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

#: What must never be found, by name.
NEVER = {
    "a job in limbo": (
        "select id from imagegen_job where state not in "
        "('succeeded','failed','blocked','cancelled','expired') and due_at is null"
    ),
    "two live attempts of one job": (
        "select job_id from imagegen_attempt where state in ('created','sent','accepted','answered','unknown') "
        "group by job_id having count(*) > 1"
    ),
    "money still reserved for an ended job": (
        "select job_id from imagegen_ledgerentry l join imagegen_job j on j.id = l.job_id "
        "where j.state in ('succeeded','failed','blocked','cancelled','expired') group by job_id "
        "having sum(case kind when 'reservation' then amount when 'release' then -amount else 0 end) <> 0"
    ),
    "a budget whose counters differ from its ledger": (
        "select p.id from imagegen_budgetperiod p join imagegen_ledgerentry l on l.period_id = p.id "
        "group by p.id having p.spent <> sum(case kind when 'charge' then amount else 0 end) or p.reserved <> "
        "sum(case kind when 'reservation' then amount when 'release' then -amount else 0 end)"
    ),
    "a succeeded job without its images": (
        "select j.id from imagegen_job j where state = 'succeeded' and error_code = '' and cached_from_id is null "
        "and (select count(*) from imagegen_asset a where a.job_id = j.id) <> j.count"
    ),
    "an end without its event": (
        "select id from imagegen_job j where state = 'succeeded' and cached_from_id is null and "
        "(select count(*) from imagegen_auditevent e where e.job_id = j.id and e.type = 'job.succeeded') <> 1"
    ),
}


def broken(database: sqlite3.Connection, files: Path) -> list[str]:
    """Return the names of the invariants that do not hold."""
    found = [name for name, query in NEVER.items() if database.execute(query).fetchall()]
    for key, sha256 in database.execute("select key, sha256 from imagegen_asset").fetchall():
        path = files / key
        if not path.exists() or hashlib.sha256(path.read_bytes()).hexdigest() != sha256:
            found.append("an asset without its file")
            break
    return found
