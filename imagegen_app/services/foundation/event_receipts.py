"""Show that the application wrote an event or a leaf: a hash of it with the site's key.

Whoever has the database but not `SECRET_KEY` cannot write an event, change one that waits to be
sealed, or enter one in the log past the sealer, without its being seen when it is sealed or signed.
"""

from __future__ import annotations

import hashlib
import hmac

from imagegen_app import conf

_EVENT_CONTEXT = b"imagegen audit receipt\n"
_LEAF_CONTEXT = b"imagegen audit leaf receipt\n"


def receipt(body: str) -> str:
    """Return the receipt of a new event's body, in hexadecimal."""
    return _receipt(_EVENT_CONTEXT, conf.secret_key(), body.encode())


def is_valid(body: str, found: str) -> bool:
    """Return whether a receipt is one of this body, by a key that the site has or still accepts."""
    return _is_valid(_EVENT_CONTEXT, body.encode(), found)


def leaf_receipt(seq: int, digest: bytes) -> str:
    """Return the receipt of a new leaf, by its position and hash, in hexadecimal."""
    return _receipt(_LEAF_CONTEXT, conf.secret_key(), _leaf(seq, digest))


def is_valid_leaf(seq: int, digest: bytes, found: str) -> bool:
    """Return whether a receipt is one of this leaf, by a key that the site has or still accepts."""
    return _is_valid(_LEAF_CONTEXT, _leaf(seq, digest), found)


def _leaf(seq: int, digest: bytes) -> bytes:
    return b"%d\n%s" % (seq, digest)


def _is_valid(context: bytes, message: bytes, found: str) -> bool:
    # As bytes: a found text that is not ASCII is a wrong one, and no error.
    return any(
        hmac.compare_digest(_receipt(context, key, message).encode(), found.encode())
        for key in conf.secret_keys()
    )


def _receipt(context: bytes, secret: str, message: bytes) -> str:
    key = hashlib.sha256(context + secret.encode()).digest()
    return hmac.digest(key, message, "sha256").hex()
