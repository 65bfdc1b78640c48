"""Ask the site's captioner to suggest alternative texts; a person accepts, edits or rejects each.

If the captioner fails or does not answer in time, the image is stored without a suggestion.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from imagegen_app import conf
from imagegen_app.captioning.base import CaptionerFailed
from imagegen_app.core.capabilities import InputRule
from imagegen_app.core.limits import MAX_ALT_CHARS
from imagegen_app.core.provider_text import MAX_LINE_CHARS, provider_text
from imagegen_app.imaging.errors import InvalidImage
from imagegen_app.services.gateways import configured_objects, decoding, screening
from imagegen_app.services.gateways.text_services import log_failure, text_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from imagegen_app.captioning.base import Captioner
    from imagegen_app.services.gateways.screening import UnsavedVerdict

logger = logging.getLogger("imagegen.texts")

#: What a captioner gets: a JPEG that is large enough to be described, and of pixels alone.
SENT_IMAGE: Final = InputRule(formats=("jpeg",), max_side=768)
#: The stage of verdicts about suggestions.
STAGE: Final = "caption"
_limit = configured_objects.TimeLimit("imagegen-captioner", failure=CaptionerFailed)


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A suggested alternative text, the captioner that suggested it, and the cost."""

    text: str = ""
    captioner: str = ""
    #: In the currency of the job; also of a call whose text could not be used.
    cost: Decimal = Decimal(0)
    #: The version of the captioner's model; empty if it is unknown.
    model: str = ""
    #: What the content checks of texts decided about it.
    screened: tuple[UnsavedVerdict, ...] = ()


#: No suggestion.
NO_SUGGESTION = Suggestion()


def is_enabled() -> bool:
    """Return whether the site has a captioner."""
    return bool(conf.get().captioner.backend)


def price() -> Decimal:
    """Return the price of one description, in the currency of the job; 0 without a captioner."""
    entry = conf.get().captioner
    return Decimal(entry.price) if entry.backend else Decimal(0)


def screening_price() -> Decimal:
    """Return what the content checks of one suggestion cost; 0 without a captioner."""
    return screening.price_of("prompt") if is_enabled() else Decimal(0)


def build_captioner(entry: conf.CaptionerSettings, *, is_check: bool = False) -> Captioner:
    """Return the captioner that the settings name; one that asks a service gets its credential.

    For a system check (`is_check`) the database is not asked whether the credential was revoked.

    :raises CredentialUnusable: if the settings have no credential of its name, or it must not be used.
    :raises Exception: whatever its class raises, such as for an option that it does not know.
    """
    captioner: Captioner = configured_objects.build(entry.backend, entry.options, is_check=is_check)
    return captioner


def availability_problem() -> str:
    """Ask the captioner's service, free of charge, whether it can be used; empty if it can.

    Also empty without a captioner, and where its class cannot ask.

    :raises Exception: whatever its class raises.
    """
    entry = conf.get().captioner
    ask = getattr(build_captioner(entry), "availability_problem", None) if entry.backend else None
    if ask is None:
        return ""
    return provider_text(_limit.call(entry.seconds, ask), max_chars=MAX_LINE_CHARS)


def suggest(data: bytes, *, purpose: str) -> Suggestion:
    """Have one image described; its text has to be screened before it is stored.

    The captioner gets a small JPEG of the image's pixels, without any metadata. If it fails, the text
    is empty; if that cost something, the cost is there.
    """
    return description_call(data, purpose=purpose, language=conf.caption_language())()


def description_call(data: bytes, *, purpose: str, language: str) -> Callable[[], Suggestion]:
    """Return the call that describes one image in a language; it may be made in any thread.

    Here the credential is looked up, for which the caller's thread has a database.
    """
    entry = conf.get().captioner
    try:
        captioner = build_captioner(entry)
    except Exception as error:  # noqa: BLE001 - a site's own class may raise anything
        log_failure(entry, error)
        return lambda: NO_SUGGESTION

    def describe() -> Suggestion:
        try:
            sent = decoding.normalise_picture(data, rule=SENT_IMAGE)
        except InvalidImage as error:
            # Not the file as it is: its metadata is nobody else's business.
            logger.warning("An image cannot be made ready for the captioner: %s", error)
            return NO_SUGGESTION
        found = text_of(
            entry,
            captioner,
            lambda c: c.describe(
                sent.data, media_type=sent.media_type, language=language, purpose=purpose
            ),
            limit=_limit,
            failure=CaptionerFailed,
            max_chars=MAX_ALT_CHARS,
        )
        return Suggestion(found.text, found.service, found.cost, found.model)

    return describe


def screened(suggestion: Suggestion) -> Suggestion:
    """Have the content checks of texts decide about a suggestion; a blocked one loses its text."""
    if not suggestion.text:
        return suggestion
    verdicts = tuple(
        replace(one, stage=STAGE) for one in screening.screen_text(suggestion.text, part="alt_text")
    )
    text = suggestion.text
    if screening.is_blocked(verdicts):
        logger.warning("A content check blocked a suggestion of %s.", suggestion.captioner)
        text = ""
    return replace(suggestion, text=text, screened=verdicts)
