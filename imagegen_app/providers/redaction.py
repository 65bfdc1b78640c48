"""Remove secrets from text that people and log files will see."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

HIDDEN = "[hidden]"

_URL = re.compile(r"(?P<scheme>\b[a-z][a-z0-9+.-]{1,20}://)(?P<rest>[^\s\"'<>]+)", re.IGNORECASE)
# `api_key=` and `access_token=` too: an underscore begins a word here, a letter does not.
_BEARER = re.compile(
    r"(?<![^\W_])(bearer|basic|token|(?:api)?key)(\s+|\s*[:=]\s*)[\w.~+/=-]{8,}", re.IGNORECASE
)
_KEY = re.compile(
    r"\b(?:sk|pk|rk|key|xai|hf|r8|fal|bfl|ghp|gho|whsec|AKIA|ASIA|AIza)[-_]?[\w-]{12,}=*",
)
_DATA_URL = re.compile(r"data:[\w.+-]+/[\w.+-]+;base64,[\w+/=]+")


def redact(text: str, *, secrets: Iterable[str] = ()) -> str:
    """Return the text without URL queries, user names in URLs, keys and the secrets named."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, HIDDEN)
    text = _DATA_URL.sub("data:" + HIDDEN, text)
    text = _URL.sub(lambda match: match["scheme"] + _bare(match["rest"]), text)
    text = _BEARER.sub(lambda match: f"{match[1]}{match[2]}{HIDDEN}", text)
    return _KEY.sub(HIDDEN, text)


def _bare(rest: str) -> str:
    bare = re.split(r"[?#]", rest, maxsplit=1)[0]
    host, slash, path = bare.partition("/")
    return host.rpartition("@")[2] + slash + path


class RedactingFilter(logging.Filter):
    """Redact each record's message before any handler sees it."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = redact(record.getMessage()), ()
        return True
