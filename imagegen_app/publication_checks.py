"""Check that the audit log is published somewhere, and that the settings of the places are usable."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.checks import CheckMessage, Error, register
from django.core.checks import Warning as CheckWarning

from imagegen_app import conf

if TYPE_CHECKING:
    from collections.abc import Iterator


@register("imagegen")
def check_publication(**_kwargs: Any) -> list[CheckMessage]:
    """Warn of a log that is published nowhere, except while a site is developed."""
    try:
        settings = conf.get()
    except conf.InvalidSettings:
        return []
    if settings.audit.publish_to or conf.is_debug():
        return []
    return [
        CheckWarning(
            "Nothing outside of the database binds the audit log: it is published nowhere.",
            hint="Name places in IMAGEGEN['AUDIT']['PUBLISH_TO'], such as an auditor's mailbox.",
            id="imagegen.W068",
        )
    ]


def place_errors(settings: conf.Settings) -> Iterator[CheckMessage]:
    """Return an error for each place whose settings are not usable."""
    from imagegen_app.services.gateways import checkpoint_places  # noqa: PLC0415 - faster start

    for message, hint in checkpoint_places.invalid_places(settings.audit.publish_to):
        yield Error(message, hint=hint, id="imagegen.E069")
