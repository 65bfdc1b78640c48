"""Answer with a sentence where the database lacks our tables, instead of an error of the server."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any

from django.db import DatabaseError
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _

from imagegen_app import database
from imagegen_app.services.foundation import migration_state
from imagegen_app.services.policy.access import ActionRefused

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.contrib.admin import AdminSite
    from django.http import HttpRequest, HttpResponseBase

    View = Callable[..., HttpResponseBase]


def tell_missing_tables(view: View, site: AdminSite) -> View:
    """Wrap a view of an admin site: if it fails for want of a migration, its page names that."""

    @wraps(view)
    def run(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            with database.savepoint_in_request():
                return view(request, *args, **kwargs)
        except DatabaseError:
            refusal = missing_tables()
            if refusal is None:
                raise
        context = {
            **site.each_context(request),
            "title": refusal.message,
            "refusal": refusal,
            "base_template": "imagegen_app/admin/page.html",
            "frame": "admin/base_site.html",
            "is_nav_sidebar_enabled": False,
        }
        return TemplateResponse(request, "imagegen_app/admin/refused.html", context, status=503)

    return run


def missing_tables() -> ActionRefused | None:
    """Return what is missing, with its remedy; None if all migrations are applied."""
    missing = migration_state.unapplied_migrations()
    if not missing:
        return None
    return ActionRefused(
        _("AI images cannot be shown."),
        reason=migration_state.message(missing),
        remedy=migration_state.remedy(),
    )
