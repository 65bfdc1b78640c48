"""Send a user's name and password, as servers of a site's own and the proxies before them want it."""

from __future__ import annotations

import base64
from dataclasses import dataclass

from imagegen_app.providers.credentials import Secret
from imagegen_app.providers.http import Auth


@dataclass(frozen=True, slots=True)
class BasicAuth(Auth):
    """HTTP's basic authentication; the credential is the password, or `user:password`."""

    user: str = ""

    def headers(self, secret: Secret, *, method: str, url: str, body: bytes) -> dict[str, str]:
        del method, url, body
        pair = f"{self.user}:{secret.reveal()}" if self.user else secret.reveal()
        # A secret, too, so that it is hidden wherever a text repeats it.
        text = Secret(base64.b64encode(pair.encode()).decode("ascii"))
        return {"Authorization": f"Basic {text.reveal()}"}
