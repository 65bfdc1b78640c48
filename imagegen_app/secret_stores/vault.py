"""Read values of HashiCorp Vault's key-value store, version 1 or 2, by its own client.

`VAULT_ADDR` and `VAULT_NAMESPACE` say where it is. Who asks is told by `VAULT_TOKEN`, by
`VAULT_ROLE_ID` with `VAULT_SECRET_ID`, or by `VAULT_KUBERNETES_ROLE`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from imagegen_app.secret_stores.base import (
    ANSWER_SECONDS,
    CONNECT_SECONDS,
    SecretAbsent,
    field_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable

PACKAGE: Final = "hvac"
EXTRA: Final = "vault"
SPELLING: Final = "vault:MOUNT/PATH#FIELD"
_KUBERNETES_TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount/token"  # noqa: S105 - a path


def reader(location: str) -> Callable[[], object]:
    """Return the function that reads `secret/data/images#openai`, as Vault's API spells the path.

    :raises ValueError: if it is spelled otherwise.
    """
    path, _, name = location.partition("#")
    if not name or "/" not in path.strip("/"):
        raise ValueError(SPELLING)

    def read() -> object:
        import hvac  # noqa: PLC0415 - an optional package
        from hvac import exceptions  # noqa: PLC0415 - as above

        client = hvac.Client(
            namespace=os.environ.get("VAULT_NAMESPACE") or None,
            timeout=(CONNECT_SECONDS, ANSWER_SECONDS),
        )
        try:
            _sign_in(client)
            answer = client.read(path.strip("/"))
        except (exceptions.Forbidden, exceptions.InvalidPath, exceptions.Unauthorized):
            raise SecretAbsent("Vault does not show it") from None
        if not isinstance(answer, dict):
            raise SecretAbsent("Vault has no such path")
        document = answer.get("data")
        # Version 2 wraps the fields, beside what it knows of their versions.
        if isinstance(document, dict) and {"data", "metadata"} <= set(document):
            document = document["data"]
        return field_of(document, name)

    return read


def _sign_in(client: Any) -> None:
    from hvac import exceptions  # noqa: PLC0415 - an optional package

    role_id = os.environ.get("VAULT_ROLE_ID")
    kubernetes_role = os.environ.get("VAULT_KUBERNETES_ROLE")
    try:
        if role_id:
            secret_id = os.environ.get("VAULT_SECRET_ID", "")
            client.auth.approle.login(role_id=role_id, secret_id=secret_id)
        elif kubernetes_role:
            token = Path(_KUBERNETES_TOKEN).read_text("utf-8")
            client.auth.kubernetes.login(role=kubernetes_role, jwt=token)
    except exceptions.InvalidRequest:
        # So it answers for a role or an identity that was revoked.
        raise SecretAbsent("Vault does not let us sign in") from None
