"""Tags for the admin's own pages."""

from __future__ import annotations

from decimal import ROUND_DOWN, Decimal
from typing import TYPE_CHECKING, Any, Final

from django import template
from django.db import DatabaseError
from django.template.loader import get_template
from django.utils.http import urlencode
from django.utils.safestring import SafeString

from imagegen_app import database
from imagegen_app.core.states import RUNNING_STATES
from imagegen_app.forms import doors, hints, key_words, labelled_rows, themes
from imagegen_app.forms.admin_urls import admin_url, has_pages
from imagegen_app.models.amounts import format_amount
from imagegen_app.services.foundation import migration_state, wakeups
from imagegen_app.services.library import delivery
from imagegen_app.services.monitoring import dashboard, incidents
from imagegen_app.services.policy import access, setup_progress

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.template import Context

    from imagegen_app.models import Asset
    from imagegen_app.services.policy.setup_progress import SetupStep

register = template.Library()
_CENT: Final = Decimal("0.01")
#: Pages from which on a bar leads through them.
MIN_PAGES: Final = 2


def _tables_address(context: Context) -> str:
    """Return the address of the list of tables, which the navigation holds for who may read one."""
    for app in context.get("available_apps") or ():
        for entry in app["models"] if app.get("is_imagegen_door") else ():
            if entry["object_name"] == doors.tables().url_name:
                return str(entry["admin_url"])
    return ""


class Panel(SafeString):
    """The panel as HTML, and whether it leads to our pages."""

    shows_doors = False


@register.simple_tag(takes_context=True)
def imagegen_dashboard(context: Context, *, as_page: bool = False) -> Panel:
    """Show the doors with what waits behind each, and the person's recent images.

    `as_page` leaves the heading to the page.
    """
    shown = _dashboard(context, as_page=as_page)
    template = get_template("imagegen_app/admin/_dashboard.html")
    panel = Panel(template.render(shown, context.get("request")))
    panel.shows_doors = bool(shown["doors"])
    return panel


def _dashboard(context: Context, *, as_page: bool) -> dict[str, Any]:
    request: Any = context.get("request")
    user = getattr(request, "user", None)
    nothing = {"panel": None, "missing": "", "doors": ()}
    if user is None or not user.is_authenticated or not user.is_staff or not has_pages(request):
        return nothing
    actor = access.actor_for(user)
    try:
        with database.savepoint_in_request():
            wakeups.wake_if_stale()
            panel = dashboard.build_dashboard(actor, find_setup_step=lambda: _setup_step(request))
    except DatabaseError:
        missing = migration_state.unapplied_migrations()
        if not missing:
            raise
        return nothing | {
            "missing": f"{migration_state.message(missing)} {migration_state.remedy()}",
        }
    if panel is None:
        return nothing
    running = {"requester__exact": user.pk, "state__in": ",".join(RUNNING_STATES)}
    found = doors.open_doors(actor)
    return {
        "panel": panel,
        "missing": "",
        "running": urlencode(running),
        "as_page": as_page,
        "doors": found,
        "has_setup": any(one.name == "setup" for one in found),
        "tables": _tables_address(context),
    }


@register.inclusion_tag("imagegen_app/admin/_doors.html", takes_context=True)
def imagegen_doors(context: dict[str, Any]) -> dict[str, Any]:
    """Show the way through our pages, and where the person is."""
    request: Any = context.get("request")
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated or not user.is_staff or not has_pages(request):
        return {"doors": ()}
    actor = access.actor_for(user)
    found = doors.open_doors(actor, request)
    # One page alone needs no way to others.
    if sum(len(one.pages) for one in found) < MIN_PAGES:
        return {"doors": ()}
    entry = doors.overview()
    return {
        "doors": found,
        "here": next((one for one in found if one.is_here), None),
        "overview": doors.address_of(entry, actor) if doors.is_open(entry, actor) else "",
        "is_overview": request.resolver_match.url_name == entry.url_name,
    }


@register.inclusion_tag("imagegen_app/admin/_hint.html", takes_context=True)
def imagegen_hint(context: Context, name: str) -> dict[str, Any]:
    """Show a hint that the person has not sent away."""
    request: Any = context.get("request")
    if request is None or hints.is_dismissed(request, name):
        return {"hint": None}
    hint = hints.HINTS[name]
    return {
        "hint": hint,
        "name": name,
        "address": admin_url(hint.url_name) if hint.url_name else "",
        "dismiss": admin_url("imagegen_hint_dismiss"),
        "back": request.get_full_path(),
        "csrf_token": context.get("csrf_token"),
    }


@register.inclusion_tag("imagegen_app/admin/_incidents.html", takes_context=True)
def imagegen_incidents(context: Context) -> dict[str, Any]:
    """Show the outages that hinder the person."""
    request: Any = context.get("request")
    # The form of the studio has looked them up.
    known = getattr(context.get("form"), "granted", None)
    models = access.granted_models(access.actor_for(request.user)) if known is None else known
    return {"incidents": incidents.hindering(models), "perms": context.get("perms")}


@register.filter
def imagegen_labelled(table: str, headers: Iterable[dict[str, Any]]) -> SafeString:
    """Return the table of a list with the name of its column in each cell."""
    return labelled_rows.label_cells(table, headers)


@register.filter
def imagegen_without_doors(app_list: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the sections of the admin's index without ours, which stand above it as cards."""
    return [app for app in app_list if not app.get("is_imagegen_door")]


def _setup_step(request: Any) -> SetupStep | None:
    """Return the step of the set-up that is missing; the navigation of the index has asked already."""
    if hasattr(request, "imagegen_setup_step"):
        known: SetupStep | None = request.imagegen_setup_step
        return known
    return setup_progress.site_step()


@register.inclusion_tag("imagegen_app/admin/_keys.html")
def imagegen_keys(
    *tables: str, has_button: bool = True, decisions: Iterable[object] = ()
) -> dict[str, Any]:
    """List the keys of a page: of which tables, and those of the decisions that its buttons make."""
    return {
        "tables": [key_words.TABLES[name] for name in tables],
        "signs": key_words.signs(),
        "has_button": has_button,
        "decisions": decisions,
    }


@register.simple_tag
def imagegen_theme_stylesheets() -> list[str]:
    """Return the style sheets that the site's theme needs beside ours."""
    return themes.stylesheets()


@register.simple_tag
def imagegen_preview(asset: Asset, width: int = 320) -> str:
    """Return the signed URL of a preview, for people who may see the asset."""
    return delivery.preview_url(asset, width=width)


@register.filter
def imagegen_money(value: Decimal | None) -> str:
    """Return an amount in the reader's notation, with as many decimals as it needs."""
    return "" if value is None else format_amount(value)


@register.filter
def imagegen_remaining(value: Decimal | None) -> str:
    """Return what remains of a budget: in cents, rounded down, where a whole unit remains."""
    if value is not None and value >= 1:
        value = value.quantize(_CENT, ROUND_DOWN)
    return imagegen_money(value)
