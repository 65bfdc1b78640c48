"""Be many requesters at once: on one budget, and with one key.

Usage: python -m tests.engines.site.many_requesters REQUESTERS REQUESTS LIMIT, in a site's environment; prints JSON.
"""

from __future__ import annotations

import json
import os
import random
import statistics
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from decimal import Decimal
from typing import Any

import django

os.environ["DJANGO_SETTINGS_MODULE"] = "tests.engines.site.settings"
django.setup()

from django.contrib.auth import get_user_model  # noqa: E402 - the apps come first
from django.db import connection  # noqa: E402

from imagegen_app import generate  # noqa: E402
from imagegen_app.core.actors import System  # noqa: E402
from imagegen_app.models import Budget, BudgetPeriod, Job  # noqa: E402
from imagegen_app.services.job_requests import job_actions  # noqa: E402
from imagegen_app.services.job_requests.creation import IdempotencyConflict  # noqa: E402
from imagegen_app.services.monitoring import doctor  # noqa: E402
from imagegen_app.services.policy import access, model_catalog  # noqa: E402
from imagegen_app.services.policy.budget_refusals import OverBudget  # noqa: E402

EDITOR = get_user_model().objects.get(username="editor")
ACTOR = access.actor_for(EDITOR)


def ask(number: int, *, count: int = 1, key: str = "", words: str = "") -> Job:
    """Request images as the editor."""
    return generate(
        user=EDITOR,
        template="plain",
        variables={"product": words or f"mug {number}"},
        model="generic-1",
        size="256x256",
        count=count,
        idempotency_key=key,
    )


def spend(numbers: list[int]) -> tuple[Counter[str], list[float]]:
    """Request one after the other, images in several numbers, and cancel every fourth."""
    counts: Counter[str] = Counter()
    times = []
    for number in numbers:
        began = time.perf_counter()
        try:
            job = ask(number, count=1 + number % 3)
        except OverBudget:
            counts["refused"] += 1
        else:
            counts["created"] += 1
            if number % 4 == 0:
                counts["cancelled"] += job_actions.cancel(actor=ACTOR, job=job)
        times.append((time.perf_counter() - began) * 1000)
    connection.close()
    return counts, times


class Auditor(threading.Thread):
    """Check the invariants again and again while requests are made."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.over, self.checks, self.violations = threading.Event(), 0, set[str]()
        self.most = Decimal(0)

    def run(self) -> None:
        """Check until the requests are over."""
        while not self.over.is_set():
            self.violations |= set(doctor.violated_invariants())
            for period in BudgetPeriod.objects.all():
                self.most = max(self.most, period.reserved + period.spent)
            self.checks += 1
        connection.close()


def same(number: int) -> str:
    """Request with one key, every tenth time with other words; return what came of it."""
    try:
        return str(ask(0, key="one", words="blue mug" if number % 10 == 9 else "red mug").pk)
    except IdempotencyConflict:
        return "conflict"
    finally:
        connection.close()


def added(requests: int) -> float:
    """Return the milliseconds that a budget adds to a request, alternately with and without one."""
    budget = Budget.objects.get()
    times: dict[bool, list[float]] = {True: [], False: []}
    for number in range(2 * requests):
        budget.is_enabled = number % 2 == 0
        model_catalog.save(actor=System("test"), record=budget)
        began = time.perf_counter()
        ask(1_000_000 + number)
        times[budget.is_enabled].append((time.perf_counter() - began) * 1000)
    return round(statistics.median(times[True]) - statistics.median(times[False]), 2)


def main(requesters: int, requests: int, limit: str) -> dict[str, Any]:
    """Run all requesters at once, and return what became of their requests."""
    budget = Budget.objects.get()
    budget.limit = Decimal(limit)
    model_catalog.save(actor=System("test"), record=budget)
    numbers = list(range(requests))
    random.Random(1).shuffle(numbers)  # noqa: S311 - can be repeated
    auditor = Auditor()
    auditor.start()
    with ThreadPoolExecutor(requesters) as pool:
        found = list(pool.map(spend, [numbers[n::requesters] for n in range(requesters)]))
    # What a late cancellation gave back is spent, too: then the rest is known.
    with suppress(OverBudget):
        for number in range(requests, 2 * requests):
            ask(number)
    auditor.over.set()
    auditor.join()
    counts = sum((one for one, _times in found), Counter[str]())
    period = BudgetPeriod.objects.get()
    used = period.reserved + period.spent
    budget.limit = Decimal(1_000_000)
    model_catalog.save(actor=System("test"), record=budget)
    with ThreadPoolExecutor(16) as pool:
        answers = Counter(pool.map(same, range(100)))
    return {
        **counts,
        "limit": limit,
        "used": str(used),
        "most at any moment": str(auditor.most),
        "checks": auditor.checks,
        "violations": sorted(auditor.violations | set(doctor.violated_invariants())),
        "median ms": round(statistics.median([t for _told, times in found for t in times]), 1),
        "one key": sorted(answers.values()),
        "jobs of one key": Job.objects.filter(idempotency_key="one").count(),
        "added ms": added(min(200, requests // 10)),
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])))
