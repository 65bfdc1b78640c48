"""The query that the studio's pages hand on: how they were opened, and for which field."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils.http import urlencode

if TYPE_CHECKING:
    from django.http import HttpRequest

_CARRIED = ("embed", "field", "target", "object")


def carried_query(request: HttpRequest) -> str:
    """Return the parameters of the request that further pages of the studio need, as a query."""
    return urlencode({k: request.GET[k] for k in _CARRIED if request.GET.get(k)})


def with_query(address: str, carried: str, **more: object) -> str:
    """Return an address with further parameters, and those that are handed on."""
    given = urlencode({name: str(value) for name, value in more.items() if value})
    query = "&".join(filter(None, (carried, given)))
    return f"{address}?{query}" if query else address
