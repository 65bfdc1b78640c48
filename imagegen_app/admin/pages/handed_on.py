"""Addresses of the studio's pages, with what is handed on from page to page."""

from __future__ import annotations

from django.utils.http import urlencode


def with_query(address: str, carried: str, **more: object) -> str:
    """Return an address with further parameters, and those that are handed on."""
    given = urlencode({name: str(value) for name, value in more.items() if value})
    query = "&".join(filter(None, (carried, given)))
    return f"{address}?{query}" if query else address
