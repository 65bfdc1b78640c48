"""Ask the site's captioner to suggest alternative texts; a person accepts, edits or rejects each.

If the captioner fails, the image is stored without a suggestion.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING

from django.utils.module_loading import import_string

from imagegen_app import conf
from imagegen_app.captioning.base import CaptionerFailed
from imagegen_app.core import canonical, live_secrets
from imagegen_app.core.limits import MAX_ALT_CHARS
from imagegen_app.core.pricing import parse_cost
from imagegen_app.core.provider_text import provider_text
from imagegen_app.services.gateways import decoding

if TYPE_CHECKING:
    from imagegen_app.captioning.base import Caption, Captioner

logger = logging.getLogger("imagegen.captions")


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A suggested alternative text, the captioner that suggested it, and the cost."""

    text: str = ""
    captioner: str = ""
    #: In the currency of the job.
    cost: Decimal = Decimal(0)


#: No suggestion.
NO_SUGGESTION = Suggestion()


def is_enabled() -> bool:
    """Return whether the site has a captioner."""
    return bool(conf.get().captioner.backend)


def price() -> Decimal:
    """Return the price of one description, in the currency of the job; 0 without a captioner."""
    entry = conf.get().captioner
    return Decimal(entry.price) if entry.backend else Decimal(0)


def build_captioner(entry: conf.CaptionerSettings) -> Captioner:
    """Return the captioner that the settings name; errors of its class are not caught."""
    return _build(entry.backend, canonical.dumps(entry.options))


def suggest(data: bytes, *, media_type: str, purpose: str) -> Suggestion:
    """Have one image described; return `NO_SUGGESTION` if the captioner fails or has none.

    The captioner gets the image's pixels, without our marks and manifest.
    """
    entry = conf.get().captioner
    try:
        data, media_type = decoding.without_metadata(data, media_type)
        caption: Caption = build_captioner(entry).describe(
            data, media_type=media_type, language=conf.caption_language(), purpose=purpose
        )
        cost = Decimal(entry.price) if caption.cost is None else parse_cost(caption.cost)
        text = provider_text(caption.text, max_chars=MAX_ALT_CHARS)
    except CaptionerFailed as error:
        logger.warning("The captioner %s has no suggestion: %s", entry.name, error)
        return NO_SUGGESTION
    except Exception:
        logger.exception("The captioner %s failed.", entry.name)
        return NO_SUGGESTION
    return Suggestion(text, entry.name, cost)


@lru_cache(maxsize=8)
def _build(backend: str, options: str) -> Captioner:
    # Options are JSON text, since `lru_cache` needs hashable arguments.
    values = json.loads(options)
    live_secrets.remember_options(values)
    captioner: Captioner = import_string(backend)(**values)
    return captioner
