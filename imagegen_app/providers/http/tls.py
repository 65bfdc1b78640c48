"""The certificates by which servers are trusted, read once a process."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import httpx

if TYPE_CHECKING:
    import ssl


@functools.cache
def trusted_certificates() -> ssl.SSLContext:
    """Return the context of all TLS connections: reading the certificates takes as long as many a call."""
    return httpx.create_ssl_context(trust_env=False)
