"""List our pages in the admin's navigation, above our tables, without a template of our own.

Themes replace the templates of the index and the sidebar; all of them draw what the admin site's
`get_app_list` returns.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any, Final

from django.apps import apps
from django.db import DatabaseError
from django.utils.translation import gettext_lazy as _

from imagegen_app import database
from imagegen_app.forms.admin_urls import admin_url
from imagegen_app.services.monitoring import dashboard
from imagegen_app.services.policy import access, revocations, setup_progress

if TYPE_CHECKING:
    from django.contrib.admin import AdminSite
    from django.http import HttpRequest
    from django.utils.functional import Promise

_APP_LABEL: Final = "imagegen"
_SETUP: Final = "imagegen_setup"


@dataclass(frozen=True, slots=True)
class PageEntry:
    """One of our pages in the navigation."""

    #: Name of its URL.
    url_name: str
    text: str | Promise
    #: The permissions of which a person needs one.
    permissions: tuple[str, ...]


def page_entries() -> tuple[PageEntry, ...]:
    """Return our pages in the order in which they are listed."""
    # Who may see the overview is known to a module that a starting site need not load.
    return (
        PageEntry(
            "imagegen_overview",
            _("Overview"),
            dashboard.PERMISSIONS,
        ),
        PageEntry("imagegen_studio", _("Studio"), ("request_job",)),
        PageEntry(
            "imagegen_desk",
            _("Review desk"),
            ("approve_asset", "decide_escalated_asset", "withdraw_asset", "request_job"),
        ),
        PageEntry("imagegen_alt_texts", _("Alternative texts"), ("change_asset", "request_job")),
        PageEntry("imagegen_log", _("Audit log"), ("verify_audit",)),
        PageEntry("imagegen_provider_credentials", _("Credentials"), (revocations.PERMISSION,)),
        PageEntry(_SETUP, _("Set up AI images"), (setup_progress.PERMISSION,)),
    )


def add_entries(site: AdminSite) -> None:
    """Have an admin site list our pages in the section of our app; once for each site."""
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
    entries = _entries_for(request, site) if app_label in (None, _APP_LABEL) else []
    if not entries:
        return app_list
    for app in app_list:
        if app["app_label"] == _APP_LABEL:
            app["models"] = [*entries, *app["models"]]
            return app_list
    config = apps.get_app_config(_APP_LABEL)
    section = {
        "name": config.verbose_name,
        "app_label": _APP_LABEL,
        # Without a table to look at, a person has no page of the app; this one they do have.
        "app_url": entries[0]["admin_url"],
        "has_module_perms": True,
        "models": entries,
    }
    return [section, *app_list]


def _entries_for(request: HttpRequest, site: AdminSite) -> list[dict[str, Any]]:
    """Return the entries that a person may open, in the form of Django's own for models."""
    if not site.has_permission(request):
        return []
    actor = access.actor_for(request.user)
    allowed = [
        entry
        for entry in page_entries()
        if any(access.has_permission(actor, name) for name in entry.permissions)
    ]
    if any(entry.url_name == _SETUP for entry in allowed) and _lacks_setup(request):
        allowed.sort(key=lambda entry: entry.url_name != _SETUP)
    return [
        {
            "name": entry.text,
            "object_name": entry.url_name,
            "admin_url": admin_url(entry.url_name, site=site.name),
            "add_url": None,
            "view_only": True,
            "perms": {"add": False, "change": False, "delete": False, "view": True},
        }
        for entry in allowed
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
