"""Read values of AWS Secrets Manager by Amazon's own client.

Identity comes from where that client finds it: the environment, or the machine's role. The region is that
of the ARN, of `AWS_REGION`, or where the client finds one.
"""

from __future__ import annotations

import logging
import os
import re
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from imagegen_app.secret_stores.base import (
    ANSWER_SECONDS,
    CONNECT_SECONDS,
    SecretAbsent,
    field_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PACKAGE: Final = "boto3"
EXTRA: Final = "aws-secrets"
SPELLING: Final = "aws:NAME, aws:NAME#FIELD or aws:NAME@AWSPREVIOUS#FIELD"
_STAGES = frozenset({"AWSCURRENT", "AWSPENDING", "AWSPREVIOUS"})
#: A name or an ARN, which names its region.
_SECRET = re.compile(
    r"arn:aws[a-z-]*:secretsmanager:(?P<region>[a-z0-9-]+):[0-9]{12}:secret:[\w/+=.@-]+"
    r"|[\w/+=.@-]{1,512}",
    re.ASCII,
)
#: What the service calls a value that is not to be had.
_ABSENT = frozenset(
    {
        "AccessDeniedException",
        "DecryptionFailure",
        "InvalidRequestException",
        "ResourceNotFoundException",
    }
)

_reading = threading.local()


class _NoAnswersOfOurs(logging.Filter):
    """Keeps the client from writing to the log what it was answered in this thread."""

    def filter(self, record: logging.LogRecord) -> bool:
        del record
        return not getattr(_reading, "is_on", False)


#: The client writes whole answers there, at DEBUG, before anybody knows which part is secret.
logging.getLogger("botocore.parsers").addFilter(_NoAnswersOfOurs())


@contextmanager
def _unlogged() -> Iterator[None]:
    _reading.is_on = True
    try:
        yield
    finally:
        _reading.is_on = False


def reader(location: str) -> Callable[[], object]:
    """Return the function that reads a secret, one field of its JSON, or another stage of either.

    :raises ValueError: if it is spelled otherwise.
    """
    whole, has_field, name = location.partition("#")
    # Names may hold an “@”, too.
    secret, _, stage = whole.rpartition("@")
    if stage not in _STAGES:
        secret, stage = whole, ""
    named = _SECRET.fullmatch(secret)
    if named is None or (has_field and not name):
        raise ValueError(SPELLING)

    def read() -> object:
        import boto3  # noqa: PLC0415 - an optional package
        from botocore.config import Config  # noqa: PLC0415 - as above
        from botocore.exceptions import ClientError  # noqa: PLC0415 - as above

        limits = Config(
            connect_timeout=CONNECT_SECONDS,
            read_timeout=ANSWER_SECONDS,
            retries={"total_max_attempts": 1},
        )
        region = named["region"] or os.environ.get("AWS_REGION") or None
        client = boto3.session.Session().client("secretsmanager", region_name=region, config=limits)
        wanted = {"SecretId": secret, **({"VersionStage": stage} if stage else {})}
        try:
            with _unlogged():
                answer: dict[str, Any] = client.get_secret_value(**wanted)
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            if code in _ABSENT:
                raise SecretAbsent("AWS Secrets Manager does not show it") from None
            raise
        value: object = answer.get("SecretString", answer.get("SecretBinary"))
        return field_of(value, name) if name else value

    return read
