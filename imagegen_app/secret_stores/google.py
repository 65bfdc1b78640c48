"""Read values of Google Cloud's Secret Manager by Google's own client.

Identity comes from where that client finds it: `GOOGLE_APPLICATION_CREDENTIALS`, or the machine's.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from imagegen_app.secret_stores.base import (
    ANSWER_SECONDS,
    NotTheStore,
    SecretAbsent,
    StoreMisconfigured,
)

if TYPE_CHECKING:
    from collections.abc import Callable

TITLE: Final = "Google Secret Manager"
PACKAGE: Final = "google.cloud.secretmanager"
EXTRA: Final = "google-secrets"
SPELLING: Final = "google:projects/PROJECT/secrets/NAME/versions/latest"
#: What is said of a version that is not there, and of one that is disabled or destroyed.
_ABSENT = frozenset({"FAILED_PRECONDITION", "NOT_FOUND"})
_NAME = re.compile(r"projects/[^/]+(?:/locations/[^/]+)?/secrets/[^/]+/versions/[^/]+")


def reader(location: str) -> Callable[[], object]:
    """Return the function that reads a version of a secret, as Google spells its name.

    :raises ValueError: if it is spelled otherwise.
    """
    if not _NAME.fullmatch(location):
        raise ValueError(SPELLING)

    def read() -> object:
        from google.api_core import exceptions  # noqa: PLC0415 - an optional package
        from google.auth import exceptions as identity  # noqa: PLC0415 - as above
        from google.cloud import secretmanager  # noqa: PLC0415 - as above

        try:
            client = secretmanager.SecretManagerServiceClient(transport="rest")
            answer = client.access_secret_version(
                request={"name": location}, timeout=ANSWER_SECONDS, retry=None
            )
        except (
            # Over REST the client raises these, and never their kinds such as `PermissionDenied`;
            # a disabled or destroyed version is a bad request.
            exceptions.BadRequest,
            exceptions.Forbidden,
            exceptions.NotFound,
            exceptions.Unauthorized,
        ) as error:
            status = _status_of(error)
            if status in _ABSENT:
                raise SecretAbsent("Google Secret Manager does not show it") from None
            if status:
                raise StoreMisconfigured(
                    f"Google Secret Manager answered {error.code}; give the account of the workers "
                    "the role secretmanager.secretAccessor on it"
                ) from None
            raise NotTheStore from None
        except (identity.DefaultCredentialsError, identity.MalformedError):
            raise StoreMisconfigured(
                "Google's client finds no account; correct GOOGLE_APPLICATION_CREDENTIALS"
            ) from None
        except identity.RefreshError as error:
            if error.retryable:
                raise
            raise StoreMisconfigured(
                "Google does not let the account of the workers sign in; give them another key"
            ) from None
        if not answer.name:
            raise NotTheStore
        value: object = answer.payload.data
        return value

    return read


def _status_of(error: Any) -> str:
    """Return what Google calls an error; empty if something else answered."""
    try:
        return str(error.response.json()["error"]["status"])
    except (AttributeError, KeyError, TypeError, ValueError):
        return ""
