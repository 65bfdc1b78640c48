"""Addresses of our pages on the admin site that answers the running request, of which there may be several."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Final

from django.contrib.admin.sites import all_sites
from django.core.signals import request_started
from django.urls import NoReverseMatch, reverse

from imagegen_app.models import Job

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.http import HttpRequest

#: The name of the admin site whose page is being made.
_current_site: Final[ContextVar[str]] = ContextVar("imagegen_admin_site", default="")


def use_site(name: str) -> None:
    """Make addresses of this admin site until the request ends: pages are rendered after their view."""
    _current_site.set(name)


def _leave_site(**_signal: object) -> None:
    _current_site.set("")


request_started.connect(_leave_site, dispatch_uid="imagegen.admin_urls")


def admin_url(name: str, *keys: object, site: str = "") -> str:
    """Return the address of a page of the admin.

    It is on the named site, or else on the one whose page is being made; where our tables are not
    registered there, on another one where they are.

    :raises NoReverseMatch: if no admin site of the URL configuration has the page.
    """
    wanted = site or _current_site.get()
    try:
        return reverse(f"admin:{name}", args=keys, current_app=wanted or None)
    except NoReverseMatch:
        for other in site_names():
            try:
                return reverse(f"{other}:{name}", args=keys)
            except NoReverseMatch:  # not among the URLs
                continue
        raise


def find_admin_url(name: str, *keys: object, site: str = "") -> str:
    """Return the address of a page of the admin as `admin_url` does; empty if no site has it."""
    try:
        return admin_url(name, *keys, site=site)
    except NoReverseMatch:
        return ""


def has_pages(request: HttpRequest) -> bool:
    """Tell whether the admin site that answers a request has our pages."""
    match = request.resolver_match
    try:
        reverse("admin:imagegen_overview", current_app=match.namespace if match else None)
    except NoReverseMatch:
        return False
    return True


def site_names() -> Iterator[str]:
    """Yield the names of the admin sites that our tables are registered with, in a stable order."""
    return iter(sorted(one.name for one in all_sites if one.is_registered(Job)))
