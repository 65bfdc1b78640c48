"""The catalogue as Django sees it."""

from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class CatalogConfig(AppConfig):
    """Name the catalogue in the admin."""

    name = "project.catalog"
    label = "catalog"
    verbose_name = _("Catalogue")
