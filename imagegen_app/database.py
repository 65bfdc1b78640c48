"""The one database that holds our rows: they are read where they are written.

A site's router may have rows read from a replica, which lags behind. A lease, a budget or a job that was
taken from there would be an old one, so our rows are always read from the writer. What the site's own
rows are read from (users, groups, sessions, its content) is up to the site's router.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.db import connections, router, transaction

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from django.db.models import Model, QuerySet


def alias() -> str:
    """Return the alias of the database of our rows; `imagegen.E080` checks that there is one."""
    return router.db_for_write(apps.get_model("imagegen", "Job"))


def connection() -> Any:
    """Return this thread's connection to the database of our rows."""
    return connections[alias()]


def atomic(*, savepoint: bool = True) -> AbstractContextManager[None]:
    """Return a transaction on the database of our rows."""
    return transaction.atomic(using=alias(), savepoint=savepoint)


def savepoint_in_request() -> AbstractContextManager[None]:
    """Return a savepoint where the site has a transaction around each request (`ATOMIC_REQUESTS`).

    A query that fails inside it leaves the others of the page in order.
    """
    current = connection()
    if current.in_atomic_block and current.settings_dict.get("ATOMIC_REQUESTS"):
        return atomic()
    return nullcontext()


def on_commit(function: Callable[[], object], *, robust: bool = False) -> None:
    """Call the function when the running transaction on our rows commits, or now if there is none."""
    transaction.on_commit(function, using=alias(), robust=robust)


def accounts(model: type[Model]) -> QuerySet[Any]:
    """Return the users, groups or permissions that our rows name, where our rows are.

    What was changed a moment ago counts, and a query of ours may join them.
    """
    return model._default_manager.using(alias())  # noqa: SLF001 - Django's documented API


def stored(target: Model) -> QuerySet[Any]:
    """Return the row of an object of the site, in the database where it is written.

    The object itself may have been read from a replica.
    """
    using = router.db_for_write(type(target), instance=target)
    rows: QuerySet[Any] = type(target)._base_manager.using(using)  # noqa: SLF001 - Django's documented API
    return rows.filter(pk=target.pk)
