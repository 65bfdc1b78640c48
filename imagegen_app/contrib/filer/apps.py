"""Register django-filer as a source of images."""

from __future__ import annotations

from django.apps import AppConfig, apps
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _


class ImagegenFilerConfig(AppConfig):
    """The images of django-filer in the studio; its label is `imagegen_filer`, it has no tables."""

    name = "imagegen_app.contrib.filer"
    label = "imagegen_filer"
    verbose_name = _("AI images from the media library")

    def import_models(self) -> None:
        for needed in ("imagegen_app", "filer"):
            if not apps.is_installed(needed):
                raise ImproperlyConfigured(
                    f"imagegen_app.contrib.filer needs the app {needed}. Add it to INSTALLED_APPS."
                )
        super().import_models()

    def ready(self) -> None:
        from imagegen_app.contrib.filer import filer_pictures  # noqa: PLC0415 - models must be ready

        filer_pictures.register()
