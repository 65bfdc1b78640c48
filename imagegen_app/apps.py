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
        # Imported to register the system checks, which is possible only when apps are loaded.
        from imagegen_app import checks  # noqa: F401, PLC0415
        from imagegen_app.providers.redaction import install_filter  # noqa: PLC0415 - as above
        from imagegen_app.services.policy import account_events, sign_in_events  # noqa: PLC0415 - as above

        install_filter()
        account_events.connect()
        sign_in_events.connect()
