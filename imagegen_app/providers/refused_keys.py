"""Remember which of a credential's two values a provider has refused, while one is being rotated."""

from __future__ import annotations

import hashlib
import logging
from collections import OrderedDict
from threading import Lock
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imagegen_app.providers.credentials import Secret

logger = logging.getLogger("imagegen.credentials")

_MAX_KNOWN: Final = 256
_lock = Lock()
#: By credential and hash of the value, so that no value is kept here.
_refused: OrderedDict[tuple[str, str], None] = OrderedDict()


def _key(name: str, value: Secret) -> tuple[str, str]:
    return name, hashlib.sha256(value.reveal().encode()).hexdigest()


def in_order(name: str, values: Sequence[Secret]) -> tuple[Secret, ...]:
    """Return a credential's live values, those last that its provider has refused."""
    with _lock:
        return tuple(sorted(values, key=lambda value: _key(name, value) in _refused))


def note(name: str, value: Secret) -> None:
    """Remember that a value was refused although another one is live, and warn of it once."""
    key = _key(name, value)
    with _lock:
        is_new = key not in _refused
        _refused[key] = None
        while len(_refused) > _MAX_KNOWN:
            _refused.popitem(last=False)
    if is_new:
        logger.warning(
            "A value of the credential %s was refused; its other value is used from now on.", name
        )


def is_refused(name: str, value: Secret) -> bool:
    """Tell whether a value was refused in this process while another one was live."""
    with _lock:
        return _key(name, value) in _refused


def has_any(name: str) -> bool:
    """Tell whether some value of a credential was refused in this process, without reading any."""
    with _lock:
        return any(known == name for known, _digest in _refused)


def forget_all() -> None:
    """Take every value for good again."""
    with _lock:
        _refused.clear()
