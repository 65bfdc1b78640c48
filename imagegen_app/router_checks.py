"""Check that the site's database routers leave our rows together, beside the accounts they name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.apps import apps
from django.core.checks import CheckMessage, Error
from django.db import connections, router

from imagegen_app import database

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.db.models import Model


def router_errors() -> Iterator[CheckMessage]:
    """Yield an error for each rule of the routers with which no job could be made."""
    alias = database.alias()
    if alias not in connections.settings:
        yield Error(
            f"The database routers write our rows to {alias!r}, which DATABASES lacks.",
            hint="Correct the router's db_for_write, or add the alias.",
            id="imagegen.E080",
        )
        return
    ours = list(apps.get_app_config("imagegen").get_models())
    theirs = _referenced_models(ours)
    yield from _apart(alias, [*ours, *theirs])
    yield from _without_tables(alias, ours)
    yield from _refused(alias, theirs)


def _referenced_models(ours: list[type[Model]]) -> list[type[Model]]:
    """Return the models of the site that our foreign keys name: accounts, groups, content types."""
    found = {
        field.related_model
        for model in ours
        for field in model._meta.concrete_fields  # noqa: SLF001 - Django's documented API
        if field.many_to_one and isinstance(field.related_model, type)
    }
    return sorted(found.difference(ours), key=_label)


def _apart(alias: str, models: list[type[Model]]) -> Iterator[CheckMessage]:
    """Yield an error if rows of these models are written to another database than the jobs."""
    others = {model: router.db_for_write(model) for model in models}
    if apart := [model for model, name in others.items() if name != alias]:
        yield Error(
            f"The database routers write jobs to {alias!r}, and {_named(apart)} to "
            f"{others[apart[0]]!r}.",
            hint="Have db_for_write name one database for the app imagegen, accounts, groups and "
            "content types: they change in one transaction, and foreign keys join them.",
            id="imagegen.E080",
        )


def _without_tables(alias: str, models: list[type[Model]]) -> Iterator[CheckMessage]:
    """Yield an error if the database that our rows are written to gets none of our tables."""
    if missing := [model for model in models if not router.allow_migrate_model(alias, model)]:
        yield Error(
            f"The database routers write {_named(missing)} to {alias!r}, and let migrate make no "
            "tables there.",
            hint=f"Have allow_migrate return True or None for {alias!r} and the app imagegen.",
            id="imagegen.E081",
        )


def _refused(alias: str, models: list[type[Model]]) -> Iterator[CheckMessage]:
    """Yield an error if a row of the site, as it is read, may not be named by one of ours."""
    job = apps.get_model("imagegen", "Job")()
    job._state.db = alias  # noqa: SLF001 - Django's documented API
    refused = []
    for model in models:
        row = model()
        row._state.db = router.db_for_read(model)  # noqa: SLF001 - Django's documented API
        if not router.allow_relation(row, job):
            refused.append(model)
    if refused:
        yield Error(
            f"The database routers refuse relations between our rows and {_named(refused)}.",
            hint="Have allow_relation return True for the writer and its replicas: they hold the "
            "same rows.",
            id="imagegen.E082",
        )


def _label(model: type[Model]) -> str:
    return model._meta.label  # noqa: SLF001 - Django's documented API


def _named(models: list[type[Model]]) -> str:
    """Name up to three models."""
    return ", ".join([_label(model) for model in models[:3]] + ["…"] * (len(models) > 3))  # noqa: PLR2004 - as above
