"""Read values of HashiCorp Vault's key-value store, version 1 or 2, by its own client.

`VAULT_ADDR` and `VAULT_NAMESPACE` say where it is. Who asks is told by `VAULT_TOKEN`, by
`VAULT_ROLE_ID` with `VAULT_SECRET_ID`, or by `VAULT_KUBERNETES_ROLE`.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from imagegen_app.secret_stores.base import (
    ANSWER_SECONDS,
    CONNECT_SECONDS,
    NotTheStore,
    SecretAbsent,
    StoreMisconfigured,
    field_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable

TITLE: Final = "Vault"
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
        from requests.exceptions import (  # noqa: PLC0415 - the client's own package
            InvalidSchema,
            InvalidURL,
            MissingSchema,
        )

        client = hvac.Client(
            namespace=os.environ.get("VAULT_NAMESPACE") or None,
            timeout=(CONNECT_SECONDS, ANSWER_SECONDS),
        )
        try:
            _sign_in(client)
            answer = client.adapter.get(f"/v1/{path.strip('/')}")
        except exceptions.InvalidPath as error:
            _require_vault(error)
            raise SecretAbsent("Vault has no such path") from None
        except (exceptions.Forbidden, exceptions.InvalidRequest, exceptions.Unauthorized) as error:
            _require_vault(error)
            raise StoreMisconfigured(
                "Vault refuses us; renew VAULT_TOKEN, or allow its policy to read the path"
            ) from None
        except (InvalidSchema, InvalidURL, MissingSchema):
            raise StoreMisconfigured("VAULT_ADDR is no address such as https://HOST:8200") from None
        # The client returns what it was answered where that is no JSON.
        if not isinstance(answer, dict) or "data" not in answer:
            raise NotTheStore
        document = answer["data"]
        # Version 2 wraps the fields, beside what it knows of their versions.
        if isinstance(document, dict) and {"data", "metadata"} <= set(document):
            document = document["data"]
        return field_of(document, name)

    return read


def _require_vault(error: Any) -> None:
    """Require that an error is Vault's own.

    :raises NotTheStore: if it is not.
    """
    try:
        document = json.loads(error.text or "")
    except ValueError:
        document = None
    if not isinstance(document, dict) or not {"data", "errors"} & set(document):
        raise NotTheStore from None


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
    except (
        # So it answers for a role or an identity that was revoked.
        exceptions.InvalidRequest,
        exceptions.Forbidden,
        exceptions.Unauthorized,
        # So it answers where this way to sign in is not enabled.
        exceptions.InvalidPath,
    ) as error:
        _require_vault(error)
        raise StoreMisconfigured(
            "Vault does not let us sign in; renew VAULT_SECRET_ID, or correct the role"
        ) from None
    except FileNotFoundError:
        raise StoreMisconfigured(
            "this is no pod of Kubernetes; sign in with VAULT_ROLE_ID or VAULT_TOKEN"
        ) from None
