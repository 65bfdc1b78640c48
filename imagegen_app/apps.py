"""Register the app with Django."""

from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ImagegenConfig(AppConfig):
    """The image generation app; its label is `imagegen`."""

    name = "imagegen_app"
    label = "imagegen"
    verbose_name = _("AI images")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        # Imported for its registrations; the app registry must be ready first.
        from imagegen_app import checks  # noqa: F401, PLC0415
