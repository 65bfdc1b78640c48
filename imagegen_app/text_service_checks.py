"""Check the captioner and the text model that the settings name: class, options, and a price."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.core.checks import CheckMessage, Error

from imagegen_app.providers.chat_service import InvalidOption

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from imagegen_app import conf
    from imagegen_app.services.gateways.text_services import ServiceSettings


def captioner_problems(settings: conf.Settings) -> Iterator[CheckMessage]:
    """Yield what is wrong with the captioner of the settings; nothing without one."""
    from imagegen_app.services.gateways import captioning  # noqa: PLC0415 - faster start

    entry = settings.captioner
    if not entry.backend:
        return
    captioner, problem = _built(lambda: captioning.build_captioner(entry, is_check=True))
    if problem:
        yield Error(
            f"The captioner cannot be used: {problem}",
            hint=f"Check that {entry.backend} exists, and correct IMAGEGEN['CAPTIONER']['OPTIONS'].",
            id="imagegen.E038",
        )
    elif _lacks_price(entry, captioner):
        yield Error(
            "The captioner is billed and has no price; it is not asked.",
            hint="Set IMAGEGEN['CAPTIONER']['PRICE'] to what a call costs at most, or say in its "
            "OPTIONS that it is free: is_billed=False.",
            id="imagegen.E039",
        )


def text_model_problems(settings: conf.Settings) -> Iterator[CheckMessage]:
    """Yield what is wrong with the text model of the settings; nothing without one."""
    from imagegen_app.services.gateways import prompt_writing  # noqa: PLC0415 - faster start

    entry = settings.text_model
    if not entry.backend:
        return
    text_model, problem = _built(lambda: prompt_writing.build_text_model(entry, is_check=True))
    if problem:
        yield Error(
            f"The text model cannot be used: {problem}",
            hint=f"Check that {entry.backend} exists, and correct IMAGEGEN['TEXT_MODEL']['OPTIONS'].",
            id="imagegen.E040",
        )
    elif _lacks_price(entry, text_model):
        yield Error(
            "The text model is billed and has no price; it is not asked.",
            hint="Set IMAGEGEN['TEXT_MODEL']['PRICE'] to what a call costs at most, or say in its "
            "OPTIONS that it is free: is_billed=False.",
            id="imagegen.E041",
        )


def _built(build: Callable[[], object]) -> tuple[object, str]:
    """Return a service, or why it cannot be built."""
    from imagegen_app.services.gateways import usable_credentials  # noqa: PLC0415 - faster start

    try:
        return build(), ""
    except (InvalidOption, usable_credentials.CredentialUnusable) as error:
        # Their texts say what would do, and hold no value of a key.
        return None, str(error)
    except Exception as error:  # noqa: BLE001 - a site's own class may raise anything
        return None, f"{type(error).__name__}."


def _lacks_price(entry: ServiceSettings, service: object) -> bool:
    from imagegen_app.services.gateways import text_services  # noqa: PLC0415 - faster start

    return text_services.lacks_price(entry, service)
