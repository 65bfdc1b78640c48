"""Build the screeners and captioners that the settings name, with the options given there."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from django.utils.module_loading import import_string

from imagegen_app import conf
from imagegen_app.core import canonical, live_secrets
from imagegen_app.providers.http import BlockingClient, Connection
from imagegen_app.services.gateways import usable_credentials

if TYPE_CHECKING:
    from collections.abc import Mapping


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
