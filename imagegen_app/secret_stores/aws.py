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
    NotTheStore,
    SecretAbsent,
    StoreMisconfigured,
    field_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TITLE: Final = "AWS Secrets Manager"
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
#: What the service calls a value that is not to be had; so it answers for one that is being deleted, too.
_ABSENT = frozenset({"InvalidRequestException", "ResourceNotFoundException"})
#: What it says to who may not ask, or asks wrongly, with where to look.
_REMEDIES: Final = {
    **dict.fromkeys(
        ("AccessDenied", "AccessDeniedException"),
        "allow the role of the workers secretsmanager:GetSecretValue on it",
    ),
    "DecryptionFailure": "allow the role of the workers kms:Decrypt with the key of the secret",
    **dict.fromkeys(
        ("ExpiredToken", "ExpiredTokenException"),
        "the keys of the workers have ended; give them new ones, or a role",
    ),
    **dict.fromkeys(
        (
            "IncompleteSignature",
            "InvalidClientTokenId",
            "InvalidSignatureException",
            "MissingAuthenticationToken",
            "MissingAuthenticationTokenException",
            "SignatureDoesNotMatch",
            "UnrecognizedClientException",
        ),
        "correct the keys of the workers, and their clock",
    ),
    **dict.fromkeys(
        ("InvalidParameterException", "ValidationException"), "correct the name of the secret"
    ),
}

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
        from botocore import exceptions  # noqa: PLC0415 - as above
        from botocore.config import Config  # noqa: PLC0415 - as above

        limits = Config(
            connect_timeout=CONNECT_SECONDS,
            read_timeout=ANSWER_SECONDS,
            retries={"total_max_attempts": 1},
        )
        region = named["region"] or os.environ.get("AWS_REGION") or None
        wanted = {"SecretId": secret, **({"VersionStage": stage} if stage else {})}
        try:
            client = boto3.session.Session().client(
                "secretsmanager", region_name=region, config=limits
            )
            with _unlogged():
                answer: dict[str, Any] = client.get_secret_value(**wanted)
        except exceptions.ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            if code in _ABSENT:
                raise SecretAbsent("AWS Secrets Manager does not show it") from None
            if code in _REMEDIES:
                raise StoreMisconfigured(
                    f"AWS Secrets Manager answered {code}; {_REMEDIES[code]}"
                ) from None
            raise
        except (exceptions.NoCredentialsError, exceptions.PartialCredentialsError):
            raise StoreMisconfigured("boto3 finds no keys or role; give the workers one") from None
        except (
            exceptions.ConfigNotFound,
            exceptions.ConfigParseError,
            exceptions.InvalidRegionError,
            exceptions.NoRegionError,
            exceptions.ProfileNotFound,
            # An address in the environment that is none.
            ValueError,
        ) as error:
            raise StoreMisconfigured(
                f"boto3 cannot be used ({type(error).__name__}); correct AWS_REGION and what else "
                "is set for it"
            ) from None
        value: object = answer.get("SecretString", answer.get("SecretBinary"))
        if value is None:
            raise NotTheStore
        return field_of(value, name) if name else value

    return read
