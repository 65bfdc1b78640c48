"""Read values of Azure Key Vault by Microsoft's own client.

Identity comes from where `DefaultAzureCredential` finds it: the environment, or the machine's.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from imagegen_app.secret_stores.base import ANSWER_SECONDS, CONNECT_SECONDS, SecretAbsent

if TYPE_CHECKING:
    from collections.abc import Callable

PACKAGE: Final = "azure.keyvault.secrets"
EXTRA: Final = "azure-secrets"
SPELLING: Final = "azure:VAULT/NAME or azure:VAULT/NAME/VERSION"
#: Vaults and their secrets have such names only, so that no other host can be asked.
_LOCATION = re.compile(r"([A-Za-z][A-Za-z0-9-]{2,23})/([A-Za-z0-9-]{1,127})(?:/([0-9a-f]{32}))?")
_REFUSED = 403


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
            HttpResponseError,
            ResourceNotFoundError,
        )
        from azure.identity import DefaultAzureCredential  # noqa: PLC0415 - as above
        from azure.keyvault.secrets import SecretClient  # noqa: PLC0415 - as above

        client = SecretClient(
            vault_url=f"https://{vault}.vault.azure.net",
            credential=DefaultAzureCredential(),
            connection_timeout=CONNECT_SECONDS,
            read_timeout=ANSWER_SECONDS,
            retry_total=0,
        )
        try:
            value: object = client.get_secret(name, version).value
        except ResourceNotFoundError:
            raise SecretAbsent("Azure Key Vault has no such secret") from None
        except HttpResponseError as error:
            # So it answers for a disabled one, too.
            if error.status_code == _REFUSED:
                raise SecretAbsent("Azure Key Vault does not show it") from None
            raise
        return value

    return read
