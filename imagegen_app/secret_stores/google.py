"""Read values of Google Cloud's Secret Manager by Google's own client.

Identity comes from where that client finds it: `GOOGLE_APPLICATION_CREDENTIALS`, or the machine's.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from imagegen_app.secret_stores.base import ANSWER_SECONDS, SecretAbsent

if TYPE_CHECKING:
    from collections.abc import Callable

PACKAGE: Final = "google.cloud.secretmanager"
EXTRA: Final = "google-secrets"
SPELLING: Final = "google:projects/PROJECT/secrets/NAME/versions/latest"
_NAME = re.compile(r"projects/[^/]+(?:/locations/[^/]+)?/secrets/[^/]+/versions/[^/]+")


def reader(location: str) -> Callable[[], object]:
    """Return the function that reads a version of a secret, as Google spells its name.

    :raises ValueError: if it is spelled otherwise.
    """
    if not _NAME.fullmatch(location):
        raise ValueError(SPELLING)

    def read() -> object:
        from google.api_core import exceptions  # noqa: PLC0415 - an optional package
        from google.cloud import secretmanager  # noqa: PLC0415 - as above

        client = secretmanager.SecretManagerServiceClient(transport="rest")
        try:
            answer = client.access_secret_version(
                request={"name": location}, timeout=ANSWER_SECONDS, retry=None
            )
        except (
            # Over REST the client raises these, and never their kinds such as `PermissionDenied`;
            # a disabled or destroyed version is a bad request.
            exceptions.BadRequest,
            exceptions.Forbidden,
            exceptions.NotFound,
        ):
            raise SecretAbsent("Google Secret Manager does not show it") from None
        value: object = answer.payload.data
        return value

    return read
