"""Check the captioner and the text model that the settings name: class, options, and a price."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from django.core.checks import CheckMessage, Error

from imagegen_app.providers.chat_service import InvalidOption

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from imagegen_app import conf
    from imagegen_app.services.gateways.text_services import ServiceSettings


class _Service(NamedTuple):
    """How the problems of one service are told."""

    name: str
    setting: str
    cannot_be_used: str
    has_no_price: str


_CAPTIONER = _Service("captioner", "CAPTIONER", "imagegen.E038", "imagegen.E039")
_TEXT_MODEL = _Service("text model", "TEXT_MODEL", "imagegen.E040", "imagegen.E041")


def captioner_problems(settings: conf.Settings) -> Iterator[CheckMessage]:
    """Yield what is wrong with the captioner of the settings; nothing without one."""
    from imagegen_app.services.gateways import captioning  # noqa: PLC0415 - faster start

    entry = settings.captioner
    if entry.backend:
        yield from _problems(
            _CAPTIONER, entry, lambda: captioning.build_captioner(entry, is_check=True)
        )


def text_model_problems(settings: conf.Settings) -> Iterator[CheckMessage]:
    """Yield what is wrong with the text model of the settings; nothing without one."""
    from imagegen_app.services.gateways import prompt_writing  # noqa: PLC0415 - faster start

    entry = settings.text_model
    if entry.backend:
        yield from _problems(
            _TEXT_MODEL, entry, lambda: prompt_writing.build_text_model(entry, is_check=True)
        )


def _problems(
    service: _Service, entry: ServiceSettings, build: Callable[[], object]
) -> Iterator[CheckMessage]:
    from imagegen_app.services.gateways import text_services, usable_credentials  # noqa: PLC0415 - faster start

    try:
        built = build()
    except (InvalidOption, usable_credentials.CredentialUnusable) as error:
        # Their texts say what would do, and hold no value of a key.
        yield Error(
            f"The {service.name} cannot be used: {error}",
            hint=f"Correct IMAGEGEN['{service.setting}']['OPTIONS'].",
            id=service.cannot_be_used,
        )
        return
    except Exception as error:  # noqa: BLE001 - a site's own class may raise anything
        yield Error(
            f"The {service.name} cannot be loaded: {type(error).__name__}.",
            hint=f"Check that {entry.backend} exists and accepts the OPTIONS.",
            id=service.cannot_be_used,
        )
        return
    if text_services.lacks_price(entry, built):
        yield Error(
            f"The {service.name} is billed and has no price; it is not asked.",
            hint=f"Set IMAGEGEN['{service.setting}']['PRICE'] to what a call costs at most, or say in "
            "its OPTIONS that it is free: is_billed=False.",
            id=service.has_no_price,
        )
