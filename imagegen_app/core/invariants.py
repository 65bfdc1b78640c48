"""Define what must hold after any failure, each as an SQL query that finds violations.

Plain SQL over our tables that runs on every supported database: the fault injection tests run the
same queries as `imagegen_doctor --invariants`. Money is stored as whole hundredths of a cent.
"""

from __future__ import annotations

from typing import Final

_FINAL_STATES = "('succeeded','failed','blocked','cancelled','expired')"
_RESERVED = "sum(case kind when 'reservation' then amount when 'release' then -amount else 0 end)"
_SPENT = "sum(case kind when 'charge' then amount else 0 end)"
_OVERAGE = "sum(case kind when 'overage' then amount else 0 end)"
#: Jobs whose cost of `{0}` (`screening` or `captioning`) differs from its ledger entries.
_DIFFERS = (
    "select j.id from imagegen_job j join imagegen_ledgerentry l on l.job_id = j.id "
    "where l.purpose = '{0}' and l.kind in ('charge','overage') "
    "group by j.id, j.{0}_cost, l.period_id having sum(l.amount) <> j.{0}_cost"
)
#: Jobs with a cost of `{0}` that the ledger does not contain, although it reserved for them.
_NEVER_CHARGED = (
    "select j.id from imagegen_job j where j.{0}_cost > 0 and exists "
    "(select 1 from imagegen_ledgerentry r where r.job_id = j.id) and not exists "
    "(select 1 from imagegen_ledgerentry l where l.job_id = j.id "
    "and l.purpose = '{0}' and l.kind in ('charge','overage'))"
)

#: The queries by the name of the violation; each returns the ids of the rows that violate.
VIOLATION_QUERIES: Final[dict[str, str]] = {
    "an unfinished job that is never due": (
        f"select id from imagegen_job where state not in {_FINAL_STATES} and due_at is null"
    ),
    "a job of unknown outcome without a deadline": (
        "select id from imagegen_job where state = 'uncertain' and deadline_at is null"
    ),
    "two live attempts of one job": (
        "select job_id from imagegen_attempt where state in "
        "('created','sent','accepted','answered','unknown') group by job_id having count(*) > 1"
    ),
    "an ended job with a live attempt": (
        "select j.id from imagegen_job j join imagegen_attempt a on a.live_job_id = j.id "
        f"where j.state in {_FINAL_STATES}"
    ),
    "money still reserved for an ended job": (
        "select l.job_id from imagegen_ledgerentry l join imagegen_job j on j.id = l.job_id "
        f"where j.state in {_FINAL_STATES} group by l.job_id having {_RESERVED} <> 0"
    ),
    "money still reserved for an ended call for a text": (
        "select l.text_call_id from imagegen_ledgerentry l join imagegen_textcall c "
        "on c.id = l.text_call_id where c.state <> 'waiting' "
        f"group by l.text_call_id having {_RESERVED} <> 0"
    ),
    "a call for a text whose charges differ from its cost": (
        "select c.id from imagegen_textcall c join imagegen_ledgerentry l on l.text_call_id = c.id "
        "where l.kind in ('charge','overage') group by c.id, c.cost, l.period_id "
        "having sum(l.amount) <> c.cost"
    ),
    "a budget whose counters differ from its ledger": (
        # Counters without any entry differ, too: of such a period, `kind` is null.
        "select p.id from imagegen_budgetperiod p "
        "left join imagegen_ledgerentry l on l.period_id = p.id "
        f"group by p.id, p.spent, p.reserved, p.overage having p.spent <> {_SPENT} "
        f"or p.reserved <> {_RESERVED} or p.overage <> {_OVERAGE}"
    ),
    "a budget over its limit": (
        "select id from imagegen_budgetperiod where reserved < 0 or spent < 0 "
        'or reserved + spent > "limit"'
    ),
    "an attempt whose charges differ from its cost": (
        "select a.id from imagegen_attempt a join imagegen_ledgerentry l on l.attempt_id = a.id "
        "where l.kind in ('charge','overage') group by a.id, a.actual_cost, l.period_id "
        "having sum(l.amount) <> a.actual_cost"
    ),
    "a job whose screening cost differs from its charges": _DIFFERS.format("screening"),
    "a job whose screening cost differs from its verdicts": (
        "select j.id from imagegen_job j where j.screening_cost <> "
        "(select coalesce(sum(v.cost), 0) from imagegen_verdict v where v.job_id = j.id)"
    ),
    "a screening cost that was never charged": _NEVER_CHARGED.format("screening"),
    "a job whose captioning cost differs from its charges": _DIFFERS.format("captioning"),
    "a captioning cost that was never charged": _NEVER_CHARGED.format("captioning"),
    "a settled attempt that was never charged": (
        "select a.id from imagegen_attempt a where a.state = 'settled' and a.actual_cost > 0 and "
        "exists (select 1 from imagegen_ledgerentry r where r.job_id = a.job_id) and not exists "
        "(select 1 from imagegen_ledgerentry l where l.attempt_id = a.id "
        "and l.kind in ('charge','overage'))"
    ),
    "a succeeded job without its images": (
        "select j.id from imagegen_job j where state = 'succeeded' and error_code = '' "
        "and cached_from_id is null "
        "and (select count(*) from imagegen_asset a where a.job_id = j.id) <> j.count"
    ),
    "an end without its event": (
        f"select j.id from imagegen_job j where j.state in {_FINAL_STATES} "
        "and j.cached_from_id is null and "
        "(select count(*) from imagegen_auditevent e where e.job_id = j.id and e.type in "
        "('job.succeeded','job.failed','job.blocked','job.cancelled','job.expired')) <> 1"
    ),
    "a call without its event": (
        "select a.id from imagegen_attempt a where a.sent_at is not null and not exists "
        "(select 1 from imagegen_auditevent e where e.job_id = a.job_id "
        "and e.type = 'job.submitted')"
    ),
    "a webhook delivery applied twice": (
        "select provider_id from imagegen_webhookdelivery where outcome = 'applied' "
        "group by provider_id, delivery_id having count(*) > 1"
    ),
}
