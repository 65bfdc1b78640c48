"""Register the app with Django."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.apps import AppConfig, apps
from django.core.checks import Tags, register
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from django.core.checks import CheckMessage


class ImagegenConfig(AppConfig):
    """The image generation app; its label is `imagegen`."""

    name = "imagegen_app"
    label = "imagegen"
    verbose_name = _("AI images")
    default_auto_field = "django.db.models.BigAutoField"

    def __init__(self, app_name: str, app_module: Any) -> None:
        super().__init__(app_name, app_module)
        if self.label in apps.app_configs and not apps.apps_ready:
            # Django would say that labels are not unique, and not what to do.
            raise ImproperlyConfigured(
                "INSTALLED_APPS names imagegen_app twice. Remove one of the two entries."
            )

    def ready(self) -> None:
        # Possible only when apps are loaded.
        from imagegen_app.providers.redaction import install_filter  # noqa: PLC0415
        from imagegen_app.services.policy import account_events, sign_in_events  # noqa: PLC0415 - as above

        register(_check_settings, "imagegen")
        register(_check_deployment, "imagegen", Tags.security, deploy=True)
        register(_check_databases, "imagegen", Tags.database)
        install_filter()
        account_events.connect()
        sign_in_events.connect()


# A web server and a worker start without the checks: they are imported when `manage.py` runs them.
def _check_settings(**options: Any) -> list[CheckMessage]:
    from imagegen_app import checks  # noqa: PLC0415 - see above

    return checks.check_settings(**options)


def _check_deployment(**options: Any) -> list[CheckMessage]:
    from imagegen_app import checks  # noqa: PLC0415 - see above

    return checks.check_deployment(**options)


def _check_databases(**options: Any) -> list[CheckMessage]:
    from imagegen_app import checks  # noqa: PLC0415 - see above

    return checks.check_databases(**options)
