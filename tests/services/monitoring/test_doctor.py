"""The doctor reports what keeps images from being generated, each problem with its remedy."""

from __future__ import annotations

import json
import shutil
import sys
import uuid
from datetime import date, timedelta
from decimal import Decimal
from io import StringIO
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from django.core.checks import run_checks
from django.core.management import CommandError, call_command
from django.db import connection
from django.urls import reverse

from imagegen_app.core.invariants import VIOLATION_QUERIES
from imagegen_app.models import BudgetPeriod, LedgerEntry, PeriodicRun, Worker
from imagegen_app.services.foundation import clock, wakeups, worker_registry
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.monitoring import doctor
from imagegen_app.services.worker import driver
from imagegen_app.testing.factories import make_provider
from tests.services.conftest import Site
from tests.services.worker import vaults

if TYPE_CHECKING:
    from django.test import Client


class Usage(NamedTuple):
    total: int
    used: int
    free: int


def parts(level: str) -> dict[str, str]:
    return {f.part: f.message for f in doctor.run_all_checks() if f.level == level}


@pytest.fixture
def working(site: Site, monkeypatch: pytest.MonkeyPatch) -> Site:
    """Return a site whose worker and sweep have just run."""
    monkeypatch.setattr(doctor, "_settings", lambda: iter(()))
    worker_registry.record_heartbeat(name="w")
    wakeups.record_run("sweep")
    return site


def test_a_working_site_has_no_errors_and_every_part_is_reported(working: Site) -> None:
    assert parts("error") == {}
    assert {f.part for f in doctor.run_all_checks()} >= {
        "engine",
        "worker",
        "disk",
        "storage",
        "clock",
    }


def test_a_log_that_is_published_nowhere_is_a_warning(working: Site) -> None:
    assert "Nothing outside this database binds the log yet" in parts("warning")["log"]


@use_case(audited=False)
def update_rows(table: Any, **changes: Any) -> None:
    table.objects.update(**changes)


def test_a_worker_without_recent_heartbeat_is_reported(working: Site, settings: Any) -> None:
    settings.IMAGEGEN = {
        **settings.IMAGEGEN,
        "ENGINE": "imagegen_app.engines.django_tasks.DjangoTasksEngine",
    }
    update_rows(Worker, last_seen_at=clock.now() - timedelta(seconds=130))

    assert "2 minutes" in parts("error")["worker"]


def test_a_sweep_that_has_not_run_is_reported(working: Site, settings: Any) -> None:
    settings.IMAGEGEN = {
        **settings.IMAGEGEN,
        "ENGINE": "imagegen_app.engines.django_tasks.DjangoTasksEngine",
    }
    update_rows(PeriodicRun, last_run_at=clock.now() - timedelta(seconds=130))

    assert "sweep" in parts("error")["worker"]


def test_an_unknown_engine_is_reported(working: Site, settings: Any) -> None:
    settings.IMAGEGEN = {**settings.IMAGEGEN, "ENGINE": "nowhere.Engine"}

    assert "nowhere.Engine" in parts("error")["engine"]


def test_an_unreachable_broker_is_reported(working: Site, settings: Any) -> None:
    settings.IMAGEGEN = {
        **settings.IMAGEGEN,
        "ENGINE": "imagegen_app.engines.rq.RqEngine",
        "QUEUE": "doctor",
    }
    settings.RQ_QUEUES = {"doctor": {"URL": "redis://127.0.0.1:1/0"}}

    assert "does not answer" in parts("error")["engine"]


def test_a_full_disk_is_reported(working: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: Usage(10**12, 10**12, 5 * 1024**2))

    assert "5 MB" in parts("error")["disk"]


def test_a_credential_without_a_value_is_reported(
    working: Site, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NOBODYS_KEY", raising=False)
    settings.IMAGEGEN = {
        **settings.IMAGEGEN,
        "CREDENTIALS": {"away": {"SOURCE": "env:NOBODYS_KEY", "HOSTS": ["api.example.com"]}},
    }
    provider = working.model.provider
    provider.credential = "away"
    from imagegen_app.core.actors import System  # noqa: PLC0415 - this test only
    from imagegen_app.services.policy import model_catalog  # noqa: PLC0415 - this test only

    model_catalog.save(actor=System("test"), record=provider)

    assert "no value" in parts("error")["credentials"]


@pytest.mark.parametrize(
    ("key", "options", "said"),
    [
        ("AKIADOCTOR0000000001:", {"region": "us-west-2"}, "ACCESS_KEY_ID:SECRET"),
        ("AKIADOCTOR0000000001:secret", {}, "“region” is missing"),
        ("AKIADOCTOR0000000001:secret", {"place": "us-west-2"}, "the option 'place'"),
        ("AKIADOCTOR0000000001:secret", {"region": "us-west-2"}, ""),
        ("an-api-key", {}, ""),
    ],
)
def test_a_key_that_no_call_can_carry_is_reported(  # noqa: PLR0917 - a table
    working: Site,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
    key: str,
    options: dict[str, str],
    said: str,
) -> None:
    monkeypatch.setenv("AWS_KEYS", key)
    settings.IMAGEGEN = {
        **settings.IMAGEGEN,
        "CREDENTIALS": {"aws": {"SOURCE": "env:AWS_KEYS", "HOSTS": ["proxy.example.com"]}},
        "PROVIDER_ORIGINS": ["https://proxy.example.com"],
    }
    make_provider(
        adapter="bedrock",
        base_url="https://proxy.example.com",
        credential="aws",
        options=options,
    )

    found = parts("error").get("credentials", "")

    assert (said in found) if said else found == ""
    assert key not in found


def test_a_package_that_a_provider_needs_is_named_with_its_installation(
    working: Site, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_KEYS", "AKIADOCTOR0000000001:secret")
    monkeypatch.setitem(sys.modules, "botocore.auth", None)
    host = "bedrock-runtime.us-west-2.amazonaws.com"
    settings.IMAGEGEN = {
        **settings.IMAGEGEN,
        "CREDENTIALS": {"aws": {"SOURCE": "env:AWS_KEYS", "HOSTS": [host]}},
    }
    make_provider(adapter="bedrock", base_url=f"https://{host}", credential="aws")

    assert "pip install 'imagegen-app[bedrock]'" in parts("error")["credentials"]


@pytest.mark.parametrize("source", ["raises", "exits", "needs_an_argument", "returns_nothing"])
def test_the_source_of_a_key_is_called_and_its_words_are_not_repeated(
    working: Site, settings: Any, source: str
) -> None:
    settings.IMAGEGEN = {
        **settings.IMAGEGEN,
        "CREDENTIALS": {
            "away": {
                "SOURCE": f"tests.services.worker.vaults.{source}",
                "HOSTS": ["api.example.com"],
            }
        },
    }
    from imagegen_app.core.actors import System  # noqa: PLC0415 - this test only
    from imagegen_app.services.policy import model_catalog  # noqa: PLC0415 - this test only

    provider = working.model.provider
    provider.credential = "away"
    model_catalog.save(actor=System("test"), record=provider)

    found = parts("error")["credentials"]
    warned = [m for m in run_checks(include_deployment_checks=True) if m.id == "imagegen.W047"]

    assert f"vaults.{source}" in found
    assert [f"vaults.{source}" in str(message.msg) for message in warned] == [True]
    assert vaults.SECRET not in found + str(warned)


def test_the_command_prints_json_and_fails_on_errors(working: Site, settings: Any) -> None:
    out = StringIO()
    call_command("imagegen_doctor", "--json", "--invariants", stdout=out)
    printed = json.loads(out.getvalue())
    assert printed["invariants"] == {"looked_at": len(VIOLATION_QUERIES), "broken": {}}

    settings.IMAGEGEN = {**settings.IMAGEGEN, "ENGINE": "nowhere.Engine"}
    with pytest.raises(CommandError):
        call_command("imagegen_doctor", "--json", stdout=StringIO())


def test_ledger_and_counters_agree_and_a_planted_difference_is_found(site: Site) -> None:
    jobs = [site.request(count=2), site.request()]
    driver.drive(seconds=10)
    assert doctor.violated_invariants() == {}

    with connection.cursor() as cursor:
        cursor.execute("update imagegen_ledgerentry set amount = amount + 1 where kind = 'charge'")
    found = doctor.violated_invariants()

    assert set(found) == {
        "a budget whose counters differ from its ledger",
        "an attempt whose charges differ from its cost",
    }
    assert LedgerEntry.objects.filter(job=jobs[0]).exists()


@pytest.mark.parametrize("counter", ["spent", "reserved", "overage"])
def test_counters_of_a_period_without_any_ledger_entry_are_compared_too(
    site: Site, counter: str
) -> None:
    name = "a budget whose counters differ from its ledger"
    period = use_case(audited=False)(
        lambda: BudgetPeriod.objects.create(
            budget=site.budget, starts_on=date(2026, 1, 1), limit=Decimal(10)
        )
    )()
    assert name not in doctor.violated_invariants()
    use_case(audited=False)(
        lambda: BudgetPeriod.objects.filter(pk=period.pk).update(**{counter: Decimal("0.5")})
    )()

    assert doctor.violated_invariants()[name] == [str(period.pk)]


def test_a_job_ended_without_an_event_is_found(site: Site) -> None:
    job = site.request()
    with connection.cursor() as cursor:
        cursor.execute(
            "update imagegen_job set state = 'expired', due_at = null, finished_at = created_at"
        )

    found = doctor.violated_invariants()

    assert set(found) == {"an end without its event", "money still reserved for an ended job"}
    assert [uuid.UUID(key) for key in found["an end without its event"]] == [job.pk]


def test_every_query_runs_on_this_database(db: None) -> None:
    assert doctor.violated_invariants() == {}


def test_the_admin_index_shows_problems_to_administrators(
    working: Site, settings: Any, client: Client
) -> None:
    from imagegen_app.testing.factories import make_user  # noqa: PLC0415 - this test only

    settings.IMAGEGEN = {**settings.IMAGEGEN, "ENGINE": "nowhere.Engine"}
    client.force_login(make_user("ada", groups=["Image administrators"], is_staff=True))

    page = client.get(reverse("admin:index")).content.decode()

    assert "nowhere.Engine cannot be used" in page
