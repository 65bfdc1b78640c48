"""Name the app's tables in the admin, whichever they are."""

from __future__ import annotations

from django.contrib import admin


def names() -> tuple[str, ...]:
    """Return the names of the tables that the admin lists, as its addresses spell them."""
    found = (model._meta for model in admin.site._registry)
    return tuple(sorted(str(meta.model_name) for meta in found if meta.app_label == "imagegen"))
