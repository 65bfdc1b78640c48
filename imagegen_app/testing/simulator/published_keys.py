"""Sign webhooks by a key whose public half is published, as a JSON Web Key Set."""

from __future__ import annotations

import base64
import hashlib
import time
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


class PublishedKey:
    """An Ed25519 key, made anew for each simulator."""

    #: The account that deliveries are sent for.
    user = "simulated-user"

    def __init__(self) -> None:
        self._key = Ed25519PrivateKey.generate()

    def document(self) -> dict[str, Any]:
        """Return the set that is published: a retired key, and the one that signs."""
        retired = Ed25519PrivateKey.generate()
        return {
            "keys": [
                {
                    "kty": "OKP",
                    "crv": "Ed25519",
                    "use": "sig",
                    "kid": name,
                    "x": base64.urlsafe_b64encode(key.public_key().public_bytes_raw())
                    .rstrip(b"=")
                    .decode(),
                }
                for name, key in (("retired", retired), ("current", self._key))
            ]
        }

    def headers(self, prefix: str, *, call: str, call_header: str, body: bytes) -> dict[str, str]:
        """Return the headers of a delivery; their names begin with the provider's prefix."""
        moment = str(int(time.time()))
        message = "\n".join((call, self.user, moment, hashlib.sha256(body).hexdigest()))
        return {
            f"{prefix}-{call_header}": call,
            f"{prefix}-user-id": self.user,
            f"{prefix}-timestamp": moment,
            f"{prefix}-signature": self._key.sign(message.encode()).hex(),
        }
