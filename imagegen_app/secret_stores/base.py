"""Say what a store of keys can answer, and what counts as a value."""

from __future__ import annotations

import json
from typing import Any, Final

#: The longest value that is taken.
MAX_BYTES: Final = 65_536
#: How long a store may take to connect, and to answer; a worker waits beside its other work.
CONNECT_SECONDS: Final = 3.0
ANSWER_SECONDS: Final = 6.0


class SecretAbsent(Exception):
    """The store says that there is no such value, or that it is disabled."""


class StoreMisconfigured(Exception):
    """The store refuses us, or cannot be asked as the site is set up; the message says what to do.

    Waiting does not help, as it does while a store is away: for that, a reader raises anything else.
    """


class PackageMissing(StoreMisconfigured):
    """The package for a store is not installed; the message says how to install it."""


class NotTheStore(Exception):
    """Something else answered in the store's place, such as a proxy with a page of its own."""


def valid_text(value: object) -> str:
    """Return a value as text.

    :raises SecretAbsent: if it is no text that could be a key: empty, too long, or a web page.
    """
    if isinstance(value, bytes | bytearray):
        try:
            value = bytes(value).decode("utf-8")
        except UnicodeDecodeError:
            raise SecretAbsent("its value is no text") from None
    if not isinstance(value, str):
        raise SecretAbsent("its value is no text")
    text = value.strip()
    if not text:
        raise SecretAbsent("its value is empty")
    if len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise SecretAbsent("its value is too long for a key")
    # With a mark of byte order before it, too: no key begins so.
    if text.lstrip("\ufeff").startswith("<"):
        raise SecretAbsent("its value is a web page")
    return text


def field_of(document: object, name: str) -> Any:
    """Return a field of a JSON object, given as text, as bytes, or as what it was read as.

    :raises SecretAbsent: if it is no such object, or has no such field.
    """
    if isinstance(document, str | bytes | bytearray):
        try:
            document = json.loads(document)
        except ValueError:
            raise SecretAbsent("its value is no JSON object") from None
    if not isinstance(document, dict) or name not in document:
        raise SecretAbsent("it has no such field")
    return document[name]
