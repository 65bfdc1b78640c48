"""Hold secrets by name: where they come from, and which hosts may see them.

A credential is a name in the settings. Its value comes from a source (`env:NAME`, `file:/path`, a
place in a store of keys, or the dotted path of a callable), is read when it is needed and is shown to
nobody.
"""

from __future__ import annotations

import hmac
import importlib
import inspect
import logging
import os
import re
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import NoReturn
from urllib.parse import urlsplit

from imagegen_app.core import live_secrets
from imagegen_app.providers import refused_keys
from imagegen_app.secret_stores import stores
from imagegen_app.secret_stores.base import SecretAbsent, StoreMisconfigured, valid_text
from imagegen_app.secret_stores.cache import ValueCache

logger = logging.getLogger("imagegen.credentials")
#: What stores of keys said, by source, for this process.
kept_values = ValueCache()

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_DEFAULT_PORTS = {"https": 443, "http": 80}
_DOTTED = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*[.:][A-Za-z_]\w*")
_KNOWN_PREFIX = re.compile(
    r"(?:sk|pk|rk|xai|hf|r8|fal|bfl|ghp|gho|key)[-_][\w-]{8,}|whsec_\S{8,}|gh[pousr]_\w{20,}"
    r"|AKIA\w{12,}|ASIA\w{12,}|AIza[\w-]{20,}|eyJ[\w-]{10,}\.[\w.-]+|-----BEGIN .+"
    r"|(?i:bearer|basic)\s+\S{8,}",
    re.DOTALL,
)
_MIN_OPAQUE = 20
#: How long a function that reads a key may take.
SOURCE_SECONDS = 10.0


class SecretMissing(Exception):
    """A credential's sources hold no value; the message never holds anything that they gave."""


class SecretUnreadable(SecretMissing):
    """A credential's source failed or did not answer in time; it may work later."""


class SecretMisconfigured(SecretMissing):
    """A credential's store refuses us or is set up wrongly; somebody must correct what it says."""


class Secret:
    """A value that hides itself: it is not printed, compared in the open, or pickled.

    From its first moment on it is hidden in texts of others too; see `core.live_secrets`.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value
        live_secrets.remember(value)

    def reveal(self) -> str:
        """Return the value; call this only where it goes onto the wire."""
        return self._value

    def __repr__(self) -> str:
        return "Secret('***')"

    __str__ = __repr__

    def __format__(self, format_spec: str) -> str:
        return repr(self)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._value.encode(), other._value.encode())

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not pickled")


def looks_like_secret(text: str) -> bool:
    """Tell whether a text is probably a pasted key rather than the name of a source."""
    text = text.strip()
    if text.startswith(("env:", "file:")):
        return bool(_KNOWN_PREFIX.fullmatch(text.partition(":")[2]))
    if _KNOWN_PREFIX.fullmatch(text):
        return True
    if _DOTTED.fullmatch(text) or len(text) < _MIN_OPAQUE:
        return False
    opaque = re.fullmatch(r"[A-Za-z0-9+/=_.-]+", text) is not None
    return opaque and any(c.isdigit() for c in text) and any(c.isalpha() for c in text)


class _FileSource:
    """Reads a file again whenever its modification time or size changed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int] | None = None
        self._value = ""

    def __call__(self) -> str:
        stat = self._path.stat()
        state = (stat.st_mtime_ns, stat.st_size)
        if state != self._seen:
            self._value = self._path.read_text("utf-8").rstrip("\r\n")
            self._seen = state
        return self._value


def parse_source(source: str, *, name: str = "") -> Callable[[], str]:
    """Return the function that reads a source; the log names the credential by `name`.

    :raises ValueError: if the text names no source; the message does not repeat the text.
    """
    kind, _, rest = source.partition(":")
    if kind == "env" and rest:
        return lambda: os.environ.get(rest, "")
    if kind == "file" and rest:
        return _FileSource(Path(rest))
    if stores.is_stored(source):
        return _StoreSource(source, name=name)
    if looks_like_secret(source) or not _DOTTED.fullmatch(source):
        raise ValueError(
            "a source is env:NAME, file:/path, a place in a store such as vault:MOUNT/PATH#FIELD, or "
            "the dotted path of a callable"
        )

    return _CallableSource(source)


class _CallableSource:
    """Calls a function of the site's own, which may fail or hang, for a limited time."""

    def __init__(self, path: str) -> None:
        self._path = path

    def __call__(self) -> str:
        answer: Future[object] = Future()
        # A thread that nobody waits for at the end: a vault that hangs must not keep the process.
        Thread(target=self._call, args=(answer,), name="imagegen-credential", daemon=True).start()
        try:
            value = answer.result(timeout=SOURCE_SECONDS)
        except SecretMissing:
            raise
        except BaseException as error:  # noqa: BLE001 - a vault's library may raise anything
            # Not its text: it may hold what the vault said, or the value itself.
            if isinstance(error, TimeoutError) and not answer.done():
                reason = f"did not answer within {SOURCE_SECONDS:g} seconds"
            else:
                reason = f"raised {type(error).__name__}"
            raise SecretUnreadable(f"the source {self._path} {reason}") from None
        if not isinstance(value, str):
            raise SecretMissing(f"the source {self._path} does not return a text")
        return value

    def _call(self, answer: Future[object]) -> None:
        try:
            answer.set_result(self._function()())
        except BaseException as error:  # noqa: BLE001 - whatever it raises goes to who waits
            answer.set_exception(error)

    def _function(self) -> Callable[[], object]:
        module, name = re.split(r"[.:](?=\w+$)", self._path, maxsplit=1)
        try:
            function: Callable[[], object] = getattr(importlib.import_module(module), name)
        except (ImportError, AttributeError):
            raise SecretMissing(f"the source {self._path} cannot be imported") from None
        try:
            inspect.signature(function).bind()
        except TypeError:
            raise SecretMissing(
                f"the source {self._path} cannot be called without arguments"
            ) from None
        except ValueError:
            # Some functions of C have no signature: the call itself will tell.
            pass
        if inspect.iscoroutinefunction(function):
            raise SecretMissing(f"the source {self._path} is asynchronous")
        return function


class _StoreSource(_CallableSource):
    """Asks a store for a value, which is kept for some minutes and through an outage of the store."""

    def __init__(self, source: str, *, name: str) -> None:
        super().__init__(source)
        self._name = name
        self._read = stores.reader(source)

    def __call__(self) -> str:
        fresh = kept_values.fresh(self._path)
        if fresh is not None:
            return fresh
        failure = kept_values.recent_failure(self._path)
        if failure is None:
            try:
                return self._asked()
            except SecretUnreadable as error:
                failure = str(error)
                kept_values.note_failure(self._path, failure)
        kept = kept_values.through_outage(self._path)
        self._tell_of_outage(has_value=kept is not None)
        if kept is None:
            raise SecretUnreadable(failure)
        return kept

    def _asked(self) -> str:
        try:
            value = super().__call__()
        except SecretUnreadable:
            raise
        except SecretMissing:
            kept_values.forget(self._path)
            self._tell_of_end()
            raise
        kept_values.keep(self._path, value)
        self._tell_of_end()
        return value

    # Neither the place, which may be confidential, nor what the store said, which may hold anything.

    def _tell_of_outage(self, *, has_value: bool) -> None:
        if not kept_values.must_warn(self._path):
            return
        consequence = "what it said before is used" if has_value else "there is no earlier value"
        logger.warning(
            "%s cannot be reached for the credential %s; %s.",
            stores.title(self._path),
            self._name,
            consequence,
        )

    def _tell_of_end(self) -> None:
        if kept_values.end_outage(self._path):
            logger.info(
                "%s answers again for the credential %s.", stores.title(self._path), self._name
            )

    def _function(self) -> Callable[[], object]:
        return self._text

    def _text(self) -> str:
        try:
            return valid_text(self._read())
        except SecretAbsent as error:
            raise SecretMissing(f"the source {self._path} gives no key: {error}") from None
        except StoreMisconfigured as error:
            raise SecretMisconfigured(f"the source {self._path} cannot be asked: {error}") from None


@dataclass(frozen=True, slots=True)
class Credential:
    """A named secret with its sources (two while it is being rotated) and its own hosts."""

    name: str
    sources: tuple[str, ...]
    #: Host names, each with a port where it is not the scheme's own. A loopback name without
    #: a port stands for all its ports.
    hosts: frozenset[str]
    #: Values that were read already, and are used instead of the sources.
    held: tuple[Secret, ...] = field(default=(), repr=False, compare=False)
    _readers: tuple[Callable[[], str], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.sources:
            raise ValueError("a credential needs a source")
        object.__setattr__(self, "hosts", frozenset(host.lower() for host in self.hosts))
        object.__setattr__(
            self, "_readers", tuple(parse_source(s, name=self.name) for s in self.sources)
        )

    def values(self) -> tuple[Secret, ...]:
        """Return the values that are live, the preferred one first; one that was refused is last.

        :raises SecretMissing: if no source holds a value.
        :raises SecretUnreadable: if that is because one failed.
        :raises SecretMisconfigured: if that is because the store of one is set up wrongly.
        """
        return refused_keys.in_order(
            self.name, self.held or tuple(_live(self._readers, name=self.name))
        )

    def forget(self) -> None:
        """Have what stores said before not used any more: the provider has refused it."""
        for source in self.sources:
            kept_values.forget(source)

    @property
    def calls_code(self) -> bool:
        """Whether reading it calls a store or a function of the site's own, which may take its time."""
        return not self.held and any(isinstance(r, _CallableSource) for r in self._readers)

    def allows(self, url: str) -> bool:
        """Tell whether this credential may be sent to the URL's host."""
        try:
            parts = urlsplit(url)
            port, host = parts.port, (parts.hostname or "").lower()
        except ValueError:
            return False
        if parts.scheme not in _DEFAULT_PORTS or not host or "@" in parts.netloc:
            return False
        port = port or _DEFAULT_PORTS[parts.scheme]
        name = f"[{host}]" if ":" in host else host
        if f"{name}:{port}" in self.hosts:
            return True
        if host not in self.hosts and name not in self.hosts:
            return False
        return port == _DEFAULT_PORTS[parts.scheme] or host in _LOOPBACK


def _hope(problem: SecretMissing) -> int:
    """Rank problems: what may go away by itself, what can be corrected, what is just not there."""
    return 2 * isinstance(problem, SecretUnreadable) + isinstance(problem, SecretMisconfigured)


def _live(readers: Iterable[Callable[[], str]], *, name: str) -> list[Secret]:
    found: list[Secret] = []
    problem: SecretMissing | None = None
    for reader in readers:
        try:
            value = reader().strip()
        except SecretMissing as error:
            problem = max(problem, error, key=_hope) if problem else error
            continue
        except FileNotFoundError:
            # The other source may do.
            continue
        except (OSError, ValueError) as error:
            # A file that is being replaced, or is no text.
            problem = SecretUnreadable(f"a file of it cannot be read: {type(error).__name__}")
            continue
        if value and Secret(value) not in found:
            found.append(Secret(value))
    if not found and problem is not None:
        raise type(problem)(f"credential {name!r}: {problem}")
    if not found:
        raise SecretMissing(f"credential {name!r} has no value in any of its sources")
    return found
