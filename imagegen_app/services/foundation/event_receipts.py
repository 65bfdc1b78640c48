"""Show that a waiting event was written by the application: a hash of its body with the site's key.

Whoever has the database but not `SECRET_KEY` cannot write an event, or change one that waits to be
sealed, without its being seen when it is sealed.
"""

from __future__ import annotations

import hashlib
import hmac

from imagegen_app import conf

_CONTEXT = b"imagegen audit receipt\n"


def receipt(body: str) -> str:
    """Return the receipt of a new event's body, in hexadecimal."""
    return _receipt(conf.secret_key(), body)


def is_valid(body: str, found: str) -> bool:
    """Return whether a receipt is one of this body, by a key that the site has or still accepts."""
    return any(hmac.compare_digest(_receipt(key, body), found) for key in conf.secret_keys())


def _receipt(secret: str, body: str) -> str:
    key = hashlib.sha256(_CONTEXT + secret.encode()).digest()
    return hmac.digest(key, body.encode(), "sha256").hex()
