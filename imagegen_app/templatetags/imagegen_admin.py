"""Tags for the admin's own pages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import template

from imagegen_app.models.amounts import format_amount
from imagegen_app.services.foundation import wakeups
from imagegen_app.services.library import delivery
from imagegen_app.services.monitoring import dashboard
from imagegen_app.services.policy import access

if TYPE_CHECKING:
    from decimal import Decimal

    from imagegen_app.models import Asset

register = template.Library()


@register.inclusion_tag("imagegen_app/admin/_dashboard.html", takes_context=True)
def imagegen_dashboard(context: dict[str, Any]) -> dict[str, Any]:
    """Show the person's pending work and recent images, and whether a worker runs."""
    request = context.get("request")
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated or not user.is_staff:
        return {"panel": None}
    wakeups.wake_if_stale()
    panel = dashboard.build_dashboard(access.actor_for(user))
    return {"panel": panel, "request": request}


@register.simple_tag
def imagegen_preview(asset: Asset, width: int = 320) -> str:
    """Return the signed URL of a preview, for people who may see the asset."""
    return delivery.preview_url(asset, width=width)


@register.filter
def imagegen_money(value: Decimal | None) -> str:
    """Return an amount in the reader's notation, with as many decimals as it needs."""
    return "" if value is None else format_amount(value)
