"""Know the themes of the admin that leave something to us."""

from __future__ import annotations

from django.apps import apps


def is_unfold() -> bool:
    """Return whether django-unfold draws the site's admin.

    It strips form controls of their looks, also those of tables whose admin classes are not its own, and
    shows no way back from a page without its sidebar.
    """
    return apps.is_installed("unfold")


def stylesheets() -> list[str]:
    """Return the style sheets that the site's theme needs beside ours, after `css/tokens.css`."""
    return ["imagegen_app/css/unfold.css"] if is_unfold() else []
