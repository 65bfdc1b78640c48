"""A forgotten `migrate` is told in a sentence, by pages as by commands."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError
from django.db.migrations.recorder import MigrationRecorder
from django.urls import reverse

from imagegen_app import database
from imagegen_app.services.foundation import worker_registry
from imagegen_app.services.monitoring import dashboard, doctor
from imagegen_app.services.policy import roles
from imagegen_app.services.worker import sweep
from imagegen_app.testing.factories import make_user

if TYPE_CHECKING:
    from django.test import Client

pytestmark = pytest.mark.django_db


@pytest.fixture
def unmigrated() -> None:
    """As after an upgrade whose migration nobody has run."""
    MigrationRecorder.Migration.objects.filter(app="imagegen").delete()


def fail(*_arguments: Any, **_options: Any) -> Any:
    """Read a column that is not there."""
    with database.connection().cursor() as cursor:
        cursor.execute("SELECT nothing FROM imagegen_job")


def fail_alone(*_arguments: Any, **_options: Any) -> Any:
    """Fail as a command does, which runs in no transaction of a test."""
    with database.atomic():
        fail()


@pytest.fixture
def root(client: Client, monkeypatch: pytest.MonkeyPatch) -> Client:
    client.force_login(make_user("root", is_staff=True, is_superuser=True))
    client.raise_request_exception = False
    # As on many sites; on PostgreSQL a failed query would otherwise spoil the test's transaction.
    monkeypatch.setitem(database.connection().settings_dict, "ATOMIC_REQUESTS", True)
    monkeypatch.setattr(dashboard, "build_dashboard", fail)
    monkeypatch.setattr(worker_registry, "record_heartbeat", fail)
    return client


def test_pages_and_the_panel_name_the_migration(
    root: Client, unmigrated: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("django.contrib.admin.options.ModelAdmin.get_queryset", fail)

    page = root.get(reverse("admin:imagegen_job_changelist"))
    index = root.get(reverse("admin:index"))

    for answer, status in ((page, 503), (index, 200)):
        text = answer.content.decode()
        assert answer.status_code == status
        assert "The database lacks tables of this version: imagegen.0001_initial." in text
        assert "Run “manage.py migrate”" in text


def test_another_error_of_the_database_stays_one(
    root: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("django.contrib.admin.options.ModelAdmin.get_queryset", fail)

    assert root.get(reverse("admin:imagegen_job_changelist")).status_code == 500
    assert root.get(reverse("admin:index")).status_code == 500


@pytest.mark.parametrize("name", ["imagegen_roles", "imagegen_worker", "imagegen_sweep"])
def test_commands_name_the_migration(
    unmigrated: None, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(roles, "create_groups", fail_alone)
    monkeypatch.setattr(sweep, "sweep", fail_alone)

    with pytest.raises(CommandError, match=r"lacks tables .*manage\.py migrate"):
        call_command(name, stdout=io.StringIO())


def test_the_doctor_names_the_migration_and_tries_nothing_else(unmigrated: None) -> None:
    found = doctor.run_all_checks()

    assert [(r.part, r.level) for r in found][-1] == ("database", "error")
    assert found[-1].message.endswith("imagegen.0001_initial.")


def test_a_database_that_is_away_is_no_missing_migration(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_arguments: Any) -> Any:
        raise OperationalError("no route to host")

    monkeypatch.setattr(roles, "create_groups", away)

    with pytest.raises(OperationalError, match="no route"):
        call_command("imagegen_roles")
