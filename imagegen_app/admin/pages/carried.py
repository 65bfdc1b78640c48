"""Pass on from page to page how the studio was opened: in a frame, for which field, in which session."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from django.utils.http import urlencode

from imagegen_app.forms.admin_urls import admin_url

if TYPE_CHECKING:
    from django.http import HttpRequest

#: For which field or object an image is wanted.
_PURPOSE: Final = ("embed", "field", "target", "object", "texts")


def opened_for(request: HttpRequest, *names: str) -> dict[str, str]:
    """Return for which field or object an image is wanted, as query parameters; empty for none.

    :param names: further parameters that tell of a purpose.
    """
    return {name: request.GET[name] for name in (*_PURPOSE, *names) if request.GET.get(name)}


def chosen_for(request: HttpRequest) -> dict[str, str]:
    """Return what the library was opened to choose an image for; empty where it is only looked at."""
    purpose = opened_for(request, "pick")
    return {**purpose, **opened_for(request, "session")} if purpose else {}


def carried_query(request: HttpRequest, **changes: str) -> str:
    """Return the query that leads from page to page, with changes; an empty one leaves a part out."""
    kept = {**opened_for(request), "session": request.GET.get("session", "")}
    return urlencode({name: value for name, value in {**kept, **changes}.items() if value})


def studio_url(request: HttpRequest, **changes: str) -> str:
    """Return the address of the studio as it was opened, with changes of its query."""
    query = carried_query(request, **changes)
    return f"{admin_url('imagegen_studio')}?{query}" if query else admin_url("imagegen_studio")
