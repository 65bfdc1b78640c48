"""Read values of Azure Key Vault by Microsoft's own client.

Identity comes from where `DefaultAzureCredential` finds it: the environment, or the machine's.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from imagegen_app.secret_stores.base import (
    ANSWER_SECONDS,
    CONNECT_SECONDS,
    NotTheStore,
    SecretAbsent,
    StoreMisconfigured,
)

if TYPE_CHECKING:
    from collections.abc import Callable

TITLE: Final = "Azure Key Vault"
PACKAGE: Final = "azure.keyvault.secrets"
EXTRA: Final = "azure-secrets"
SPELLING: Final = "azure:VAULT/NAME or azure:VAULT/NAME/VERSION"
#: Vaults and their secrets have such names only, so that no other host can be asked.
_LOCATION = re.compile(r"([A-Za-z][A-Za-z0-9-]{2,23})/([A-Za-z0-9-]{1,127})(?:/([0-9a-f]{32}))?")
_REFUSED = frozenset({400, 401, 403})
_DISABLED = "SecretDisabled"
#: What every refusal of a sign-in has; where the sign-in cannot be reached, there is none.
_SIGN_IN_CODE = "AADSTS"


def reader(location: str) -> Callable[[], object]:
    """Return the function that reads a secret, in its newest or in a given version.

    :raises ValueError: if it is spelled otherwise.
    """
    named = _LOCATION.fullmatch(location)
    if named is None:
        raise ValueError(SPELLING)
    vault, name, version = named.groups()

    def read() -> object:
        from azure.core.exceptions import (  # noqa: PLC0415 - an optional package
            ClientAuthenticationError,
            HttpResponseError,
            ResourceNotFoundError,
        )
        from azure.identity import DefaultAzureCredential  # noqa: PLC0415 - as above
        from azure.keyvault.secrets import SecretClient  # noqa: PLC0415 - as above

        identity = DefaultAzureCredential()
        client = SecretClient(
            vault_url=f"https://{vault}.vault.azure.net",
            credential=identity,
            connection_timeout=CONNECT_SECONDS,
            read_timeout=ANSWER_SECONDS,
            retry_total=0,
        )
        try:
            value: object = client.get_secret(name, version).value
        except ResourceNotFoundError as error:
            _require_azure(error)
            raise SecretAbsent("Azure Key Vault has no such secret") from None
        except ClientAuthenticationError as error:
            if error.response is None and not _is_refusal(str(error), identity=identity):
                raise
            raise StoreMisconfigured(
                "Azure does not let the workers sign in; correct their identity in the environment"
            ) from None
        except HttpResponseError as error:
            if error.status_code in _REFUSED:
                raise _verdict(error) from None
            raise
        if value is None:
            raise NotTheStore
        return value

    return read


def _verdict(error: Any) -> Exception:
    """Return what a refusal of the store means.

    :raises NotTheStore: if something else answered.
    """
    _require_azure(error)
    if _code_of(error) == _DISABLED:
        return SecretAbsent("Azure Key Vault does not show it")
    return StoreMisconfigured(
        f"Azure Key Vault answered {error.status_code}; give the identity of the workers the role "
        "Key Vault Secrets User, and let the vault's firewall pass them"
    )


def _require_azure(error: Any) -> None:
    """Require that an error is the store's own.

    :raises NotTheStore: if it is not.
    """
    if not _code_of(error):
        raise NotTheStore from None


def _code_of(error: Any) -> str:
    """Return what the store calls an error, as exactly as it says; empty if something else answered."""
    try:
        told = json.loads(error.response.text())["error"]
        inner = told.get("innererror") or {}
        return str(inner.get("code") or told["code"])
    except (AttributeError, KeyError, TypeError, ValueError):
        return ""


def _is_refusal(text: str, *, identity: Any) -> bool:
    """Tell whether a sign-in was refused, or nothing to sign in with was found."""
    # The chain ends at the first of its members that has an identity and fails.
    return _SIGN_IN_CODE in text or f"{type(identity.credentials[-1]).__name__}:" in text
