"""A database router that would break our transactions or relations is reported with its remedy."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import router

from imagegen_app import router_checks
from imagegen_app.engines.django_tasks import DjangoTasksEngine
from tests.lagging_replica import ReplicaRouter


class Elsewhere:
    """Writes what a test names to other databases."""

    def __init__(self, **aliases: str) -> None:
        self._aliases = aliases

    def db_for_write(self, model: Any, **_hints: Any) -> str | None:
        meta = model._meta
        return self._aliases.get(meta.model_name) or self._aliases.get(meta.app_label)


class NoTables:
    """Lets migrate make no tables of ours."""

    def allow_migrate(self, db: str, app_label: str, **_hints: Any) -> bool | None:
        return False if app_label == "imagegen" else None


class NoRelations(ReplicaRouter):
    """Has Django compare the databases that two rows were read from."""

    def allow_relation(self, *_rows: Any, **_hints: Any) -> None:  # type: ignore[override]  # no opinion
        return None


def found(monkeypatch: pytest.MonkeyPatch, *routers: Any) -> list[tuple[str, str]]:
    monkeypatch.setattr(router, "routers", [*routers])
    return [(str(error.id), str(error.msg)) for error in router_checks.router_errors()]


def test_a_usual_router_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    assert found(monkeypatch) == []
    assert found(monkeypatch, ReplicaRouter()) == []


@pytest.mark.parametrize(
    ("site_router", "code", "says"),
    [
        (Elsewhere(imagegen="nowhere"), "imagegen.E080", "'nowhere', which DATABASES lacks"),
        (Elsewhere(auditevent="log"), "imagegen.E080", "imagegen.AuditEvent to 'log'"),
        (Elsewhere(auth="people"), "imagegen.E080", "auth.Group, auth.User to 'people'"),
        (NoTables(), "imagegen.E081", "let migrate make no tables there"),
        (NoRelations(), "imagegen.E082", "refuse relations between our rows and auth.Group"),
    ],
)
def test_a_router_that_breaks_our_app_is_reported(
    monkeypatch: pytest.MonkeyPatch, site_router: Any, code: str, says: str
) -> None:
    ((shown, text),) = found(monkeypatch, site_router)

    assert shown == code
    assert says in text


def test_tasks_that_are_read_from_a_replica_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(router, "routers", [ReplicaRouter({"django_tasks_database"})])

    issues = DjangoTasksEngine().check_settings(None)

    assert [issue.check for issue in issues] == ["E083"]


def test_the_checks_of_settings_include_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from imagegen_app import checks  # noqa: PLC0415 - after the settings are chosen

    monkeypatch.setattr(router, "routers", [NoTables()])

    assert "imagegen.E081" in {message.id for message in checks.check_settings()}
