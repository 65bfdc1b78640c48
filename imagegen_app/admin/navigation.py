"""List our pages in the admin's navigation, by doors, without a template of our own.

Themes replace the templates of the index and the sidebar; all of them draw what the admin site's
`get_app_list` returns.
"""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any, Final

from django.apps import apps
from django.db import DatabaseError
from django.utils.translation import gettext as _

from imagegen_app import database
from imagegen_app.forms import doors
from imagegen_app.services.policy import access, setup_progress

if TYPE_CHECKING:
    from django.contrib.admin import AdminSite
    from django.http import HttpRequest

    from imagegen_app.core.actors import Person
    from imagegen_app.forms.doors import PageEntry

_APP_LABEL: Final = "imagegen"
_SETUP: Final = "imagegen_setup"


def add_entries(site: AdminSite) -> None:
    """Have an admin site list our pages by doors, instead of our tables; once for each site."""
    original = site.get_app_list
    if getattr(original, "lists_imagegen_pages", False):
        return

    @wraps(original)
    def get_app_list(request: HttpRequest, app_label: str | None = None) -> list[Any]:
        return _with_entries(original(request, app_label), request, site, app_label)

    get_app_list.lists_imagegen_pages = True  # type: ignore[attr-defined]  # a function may have any
    site.get_app_list = get_app_list  # type: ignore[method-assign]  # of this one site


def _with_entries(
    app_list: list[Any], request: HttpRequest, site: AdminSite, app_label: str | None
) -> list[Any]:
    if app_label not in (None, _APP_LABEL) or not site.has_permission(request):
        return app_list
    place = next((n for n, app in enumerate(app_list) if app["app_label"] == _APP_LABEL), None)
    ours = None if place is None else app_list[place]
    sections = _sections(request, site, has_tables=ours is not None)
    if not sections:
        return app_list
    if app_label == _APP_LABEL:
        # The page of our app names it; there, the tables follow our pages.
        pages = [entry for section in sections for entry in section["models"]]
        named = ours or _section(apps.get_app_config(_APP_LABEL).verbose_name, pages)
        return [named | {"models": [*pages, *(ours["models"] if ours else ())]}]
    at = 0 if place is None else place
    return [*app_list[:at], *sections, *app_list[at + (place is not None) :]]


def _sections(request: HttpRequest, site: AdminSite, *, has_tables: bool) -> list[dict[str, Any]]:
    """Return a section for each door that a person may open, in the form of Django's own for apps."""
    actor = access.actor_for(request.user)
    overview = [one for one in (doors.overview(),) if doors.is_open(one, actor)]
    tables = [doors.tables()] if has_tables else []
    found = [
        (door, allowed)
        for door in doors.doors()
        if (allowed := [page for page in door.pages if doors.is_open(page, actor)])
    ]
    if any(page.url_name == _SETUP for _door, pages in found for page in pages) and _lacks_setup(
        request
    ):
        # What is missing on an empty site comes first: the door, and its page.
        found.sort(key=lambda one: one[0].name != "setup")
        found[0][1].sort(key=lambda page: page.url_name != _SETUP)
        overview, tables = [], [*overview, *tables]
    if not found:
        rest = _entries([*overview, *tables], actor, site)
        config = apps.get_app_config(_APP_LABEL)
        return [_section(config.verbose_name, rest)] if rest else []
    found[0][1][:0] = overview
    found[-1][1].extend(tables)
    return [
        _section(
            _("AI images: %(door)s") % {"door": door.text},
            _entries(pages, actor, site),
        )
        for door, pages in found
    ]


def _section(name: Any, entries: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "name": name,
        "app_label": _APP_LABEL,
        "app_url": entries[0]["admin_url"],
        "has_module_perms": True,
        "models": entries,
        # Our panel on the index shows them as cards.
        "is_imagegen_door": True,
    }


def _entries(pages: list[PageEntry], actor: Person, site: AdminSite) -> list[dict[str, Any]]:
    """Return pages in the form of Django's own entries for models."""
    return [
        {
            "name": page.text,
            # Themes make ids of it, which are to be different.
            "object_name": f"{page.url_name}{len(page.parameters) or ''}",
            "admin_url": doors.address_of(page, actor, site=site.name),
            "add_url": None,
            "view_only": True,
            "perms": {"add": False, "change": False, "delete": False, "view": True},
        }
        for page in pages
    ]


def _lacks_setup(request: HttpRequest) -> bool:
    """Return whether the index leads to the set-up; other pages spare themselves the query."""
    match = request.resolver_match
    if match is None or match.url_name != "index":
        return False
    # Django asks for the list twice, and the panel of the index for the step.
    if not hasattr(request, "imagegen_setup_step"):
        try:
            with database.savepoint_in_request():
                step = setup_progress.site_step()
        except DatabaseError:
            return False  # Our tables are missing, which our pages tell.
        request.imagegen_setup_step = step  # type: ignore[attr-defined]  # a request may have any
    return getattr(request, "imagegen_setup_step", None) is not None
