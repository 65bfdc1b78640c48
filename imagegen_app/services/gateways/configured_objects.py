"""Build the screeners and captioners that the settings name, and call them within a limit of time."""

from __future__ import annotations

import json
import threading
from concurrent.futures import Future
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from django.db import connections
from django.utils.module_loading import import_string

from imagegen_app import conf
from imagegen_app.core import canonical, live_secrets
from imagegen_app.providers.http import BlockingClient, Connection
from imagegen_app.services.gateways import usable_credentials

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

#: Calls at once in a process. One that never returns keeps its place, and only that.
MAX_CALLS: Final = 8


def build(backend: str, options: Mapping[str, Any], *, is_check: bool = False) -> Any:
    """Return an object of the class `backend`; one that asks a service gets its credential, too.

    For a system check (`is_check`) the database is not asked whether the credential was revoked.

    :raises CredentialUnusable: if the settings have no credential of its name, or it must not be used.
    :raises Exception: whatever the class raises, such as for an option that it does not know.
    """
    kind = import_string(backend)
    if not getattr(kind, "needs_connection", False):
        return _build(backend, canonical.dumps(options))
    # Anew each time: a key that was replaced or revoked counts at once.
    # Its credential is a name, and may be a common word.
    live_secrets.remember_options({k: v for k, v in options.items() if k != "credential"})
    get = usable_credentials.configured_credential if is_check else usable_credentials.credential
    connection = Connection(
        http=BlockingClient(trusted_origins=frozenset(conf.get().trusted_origins)),
        credential=get(str(options.get("credential", ""))),
    )
    return kind(**options, connection=connection)


@lru_cache(maxsize=40)
def _build(backend: str, options: str) -> Any:
    # Options are JSON text, since `lru_cache` needs hashable arguments.
    values = json.loads(options)
    live_secrets.remember_options(values)
    return import_string(backend)(**values)


def has_method(backend: str, name: str) -> bool:
    """Return whether a class of the settings has a method; not if it cannot be imported."""
    try:
        return callable(getattr(import_string(backend), name, None))
    except Exception:  # noqa: BLE001 - a site's own module may raise anything; the checks report it
        return False


class TimeLimit:
    """Calls of one kind of object, each in a thread of its own that is given up after a while."""

    def __init__(self, name: str, *, failure: Callable[[str], Exception]) -> None:
        self._name, self._failure = name, failure
        self._places = threading.BoundedSemaphore(MAX_CALLS)

    def call(self, seconds: float, function: Callable[[], Any]) -> Any:
        """Return what a function returns, if it does so in time.

        :raises Exception: what `failure` makes of the reason, if it does not, or if too many calls
            before it never returned; else whatever the function raises.
        """
        if not self._places.acquire(timeout=seconds):
            raise self._failure("too many earlier calls are still without an answer")
        result: Future[Any] = Future()

        def run() -> None:
            try:
                try:
                    value = function()
                finally:
                    # Those of this thread alone, if the function had any.
                    connections.close_all()
            except BaseException as error:  # noqa: BLE001 - whatever it raises goes to who waits
                result.set_exception(error)
            else:
                result.set_result(value)
            finally:
                self._places.release()

        # A daemon that nobody waits for: a call that hangs must not keep the worker from ending.
        threading.Thread(target=run, name=self._name, daemon=True).start()
        try:
            return result.result(timeout=seconds)
        except TimeoutError:
            if result.done():
                raise
            raise self._failure(f"no answer within {seconds:g} seconds") from None
