"""Register the django CMS plugin with Django."""

from __future__ import annotations

from django.apps import AppConfig, apps
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _


class ImagegenDjangocmsConfig(AppConfig):
    """The plugin for django CMS; its label is `imagegen_djangocms`."""

    name = "imagegen_app.contrib.djangocms"
    label = "imagegen_djangocms"
    verbose_name = _("AI images on pages")
    default_auto_field = "django.db.models.BigAutoField"

    def import_models(self) -> None:
        if not apps.is_installed("imagegen_app"):
            raise ImproperlyConfigured(
                "imagegen_app.contrib.djangocms needs the app imagegen_app. Add it to INSTALLED_APPS."
            )
        super().import_models()

    def ready(self) -> None:
        from imagegen_app.contrib.djangocms import (  # noqa: PLC0415 - models must be ready
            page_history,
            page_texts,
        )

        page_history.register()
        page_texts.register()
        # Publishing can be observed and refused only if pages are versioned.
        if apps.is_installed("djangocms_versioning"):
            from imagegen_app.contrib.djangocms import publish_checks  # noqa: PLC0415 - models must be ready

            publish_checks.connect()
