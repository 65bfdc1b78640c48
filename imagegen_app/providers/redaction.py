"""Remove secrets from text that people and log files will see."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING

from imagegen_app.core.live_secrets import HIDDEN, hide

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

#: Loggers of the libraries that speak to providers, and our own. A filter of a logger does not see
#: the records of those below it, so each is named.
LOGGERS = (
    "httpx",
    "httpcore.connection",
    "httpcore.http11",
    "httpcore.http2",
    "httpcore.proxy",
    "httpcore.socks",
    "hpack.hpack",
    "hpack.table",
    "asyncio",
    "botocore.auth",
    "django_tasks_db",
    "imagegen.audit",
    "imagegen.batches",
    "imagegen.texts",
    "imagegen.answers",
    "imagegen.credentials",
    "imagegen.driver",
    "imagegen.engines",
    "imagegen.erasure",
    "imagegen.forms",
    "imagegen.http",
    "imagegen.moderation",
    "imagegen.placement",
    "imagegen.purge",
    "imagegen.storage",
    "imagegen.takedown",
    "imagegen.tasks",
    "imagegen.templates",
    "imagegen.thumbnails",
    "imagegen.worker",
)
#: Loggers that write what is sent and received at DEBUG, and are not ours to filter: a site that
#: turns them on filters its handlers.
OTHER_LOGGERS = (
    "amqp",
    "botocore.endpoint",
    "botocore.parsers",
    "celery.app.trace",
    "celery.worker.strategy",
    "h2",
    "kombu",
    "rq.worker",
    "urllib3.connectionpool",
)

_URL = re.compile(r"(?P<scheme>\b[a-z][a-z0-9+.-]{1,20}://)(?P<rest>[^\s\"'<>]+)", re.IGNORECASE)
# `api_key=` and `access_token=` too: an underscore begins a word here, a letter does not.
_BEARER = re.compile(
    r"(?<![^\W_])(bearer|basic|token|(?:api)?key)(\s+|\s*[:=]\s*)[\w.~+/=-]{8,}", re.IGNORECASE
)
_KEY = re.compile(
    r"\b(?:sk|pk|rk|key|xai|hf|r8|fal|bfl|ghp|gho|whsec|bedrock-api-key|ABSK|AKIA|ASIA|AIza)[-_]?[\w-]{12,}=*",
)
#: PostgreSQL quotes the whole row that it refuses, a prompt in it too; it goes on over line ends.
_DATABASE_DETAIL = re.compile(
    r"^(DETAIL:).*?(?=^(?:Traceback|The above exception|During handling)\b|\Z)",
    re.MULTILINE | re.DOTALL,
)
_DATA_URL = re.compile(r"data:[\w.+-]+/[\w.+-]+;base64,[\w+/=]+")


def redact(text: str, *, secrets: Iterable[str] = ()) -> str:
    """Return the text without URL queries, user names in URLs, keys and secrets.

    Secrets are the ones named, and all that this process has read.
    """
    for secret in secrets:
        if secret:
            text = text.replace(secret, HIDDEN)
    text = hide(text)
    text = _DATA_URL.sub("data:" + HIDDEN, text)
    text = _URL.sub(lambda match: match["scheme"] + _bare(match["rest"]), text)
    text = _BEARER.sub(lambda match: f"{match[1]}{match[2]}{HIDDEN}", text)
    return _KEY.sub(HIDDEN, text)


def _bare(rest: str) -> str:
    bare = re.split(r"[?#]", rest, maxsplit=1)[0]
    host, slash, path = bare.partition("/")
    return host.rpartition("@")[2] + slash + path


class RedactingFilter(logging.Filter):
    """Redact each record's message and traceback before any handler sees them.

    We add it to the loggers of `LOGGERS`; a site adds it to its handlers, for all others.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = redact(_without_rows(_message(record))), ()
        if record.exc_info and not record.exc_text:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        if record.exc_text:
            record.exc_text = redact(_without_rows(record.exc_text))
        if record.stack_info:
            record.stack_info = redact(record.stack_info)
        return True


def install_filter() -> None:
    """Add the filter to the loggers of `LOGGERS` that have none yet."""
    for name in LOGGERS:
        logger = logging.getLogger(name)
        if not _is_filtered(logger):
            logger.addFilter(RedactingFilter())


def unfiltered_loggers() -> list[str]:
    """Return the loggers that write DEBUG records to a handler past the filter."""
    loggers = map(logging.getLogger, (*LOGGERS, *OTHER_LOGGERS))
    return [
        logger.name
        for logger in loggers
        if logger.isEnabledFor(logging.DEBUG)
        and not _is_filtered(logger)
        and not all(map(_is_filtered, _handlers(logger)))
    ]


def _is_filtered(place: logging.Filterer) -> bool:
    return any(isinstance(one, RedactingFilter) for one in place.filters)


def _handlers(logger: logging.Logger) -> Iterator[logging.Handler]:
    current: logging.Logger | None = logger
    while current is not None:
        yield from current.handlers
        current = current.parent if current.propagate else None


def _without_rows(text: str) -> str:
    return _DATABASE_DETAIL.sub(rf"\1 {HIDDEN}\n", text) if "DETAIL:" in text else text


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except (TypeError, ValueError, KeyError):
        # Written with arguments that do not fit: logging would print them beside its own error.
        return f"{record.msg} {record.args}"
