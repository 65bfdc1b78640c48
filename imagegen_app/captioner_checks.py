"""Check the captioner that the settings name: its class, its options, and that it has a price."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.core.checks import CheckMessage, Error

from imagegen_app.providers.chat_service import InvalidOption

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imagegen_app import conf


def captioner_problems(settings: conf.Settings) -> Iterator[CheckMessage]:
    """Yield what is wrong with the captioner of the settings; nothing without one."""
    from imagegen_app.services.gateways import captioning, usable_credentials  # noqa: PLC0415 - faster start

    entry = settings.captioner
    if not entry.backend:
        return
    try:
        captioner = captioning.build_captioner(entry, is_check=True)
    except (InvalidOption, usable_credentials.CredentialUnusable) as error:
        # Their texts say what would do, and hold no value of a key.
        yield Error(
            f"The captioner cannot be used: {error}",
            hint="Correct IMAGEGEN['CAPTIONER']['OPTIONS'].",
            id="imagegen.E038",
        )
        return
    except Exception as error:  # noqa: BLE001 - a site's own class may raise anything
        yield Error(
            f"The captioner cannot be loaded: {type(error).__name__}.",
            hint=f"Check that {entry.backend} exists and accepts the OPTIONS.",
            id="imagegen.E038",
        )
        return
    if captioning.lacks_price(entry, captioner):
        yield Error(
            "The captioner is billed and has no price; it is not asked.",
            hint="Set IMAGEGEN['CAPTIONER']['PRICE'] to what a call costs at most, or say in its "
            "OPTIONS that it is free: is_billed=False.",
            id="imagegen.E039",
        )
