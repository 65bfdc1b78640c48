"""The contract that every store of keys keeps, ours and yours, as the source of a credential.

In a project of your own, with a bench that plays your store::

    from imagegen_app.testing.contract.secret_sources import SecretSourceContract


    class TestMyStore(SecretSourceContract):
        @pytest.fixture
        def bench(self): ...
"""

from __future__ import annotations

import logging
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Protocol

import pytest

from imagegen_app.core import live_secrets
from imagegen_app.providers import credentials
from imagegen_app.providers.credentials import (
    Credential,
    SecretMisconfigured,
    SecretMissing,
    SecretUnreadable,
)
from imagegen_app.secret_stores import cache
from imagegen_app.testing.contract.bench import require

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: The value in the store, which no pattern of keys finds; it may be revealed, and be nowhere else.
VALUE: Final = "canary-5f0c27b4d1e9"
#: What a store may hold that is no key.
NONSENSE: Final = ("", "  ", "<!DOCTYPE html><html><body>Sign in</body></html>", "x" * 70_000)
_SOURCE_SECONDS, _PATIENCE_SECONDS = 0.7, 5.0


class SecretSourceBench(Protocol):
    """A store under test, and how the contract plays with it."""

    #: The source as the settings spell it.
    source: str

    def put(self, value: str | None) -> None:
        """Have the store hold this value; None: none any more."""
        ...

    def go_down(self) -> None:
        """Have the store refuse connections or answer with errors of its own."""
        ...

    def hang(self) -> None:
        """Have the store take connections and never answer."""
        ...

    def answer_with_a_web_page(self) -> None:
        """Have a proxy answer in the store's place, with a page of its own and the status 200."""
        ...

    def refuse(self) -> None:
        """Have the store answer that this site may not read the value."""
        ...


class _Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class _Reading:
    """A credential with the store as its only source, in a process that has just begun."""

    def __init__(self, bench: SecretSourceBench, clock: _Clock) -> None:
        self.bench = bench
        self.clock = clock
        self.logged: list[str] = []

    def credential(self) -> Credential:
        return Credential("contract", (self.bench.source,), frozenset({"api.example.com"}))

    def value(self) -> str:
        return self.credential().values()[0].reveal()

    def refusal(self) -> SecretMissing:
        try:
            value = self.value()
        except SecretMissing as error:
            return error
        require(False, f"it gave a value of {len(value)} characters where there is none")
        raise AssertionError


def it_gives_the_value_of_the_store(reading: _Reading) -> None:
    """The value is given as it is, and by each new credential of that source."""
    reading.bench.put(VALUE)
    require(reading.value() == VALUE, "it gives another value")


def it_asks_again_when_the_value_is_old(reading: _Reading) -> None:
    """A value that was replaced is used after some minutes at most."""
    reading.bench.put(VALUE)
    reading.value()
    reading.bench.put(f"{VALUE}-2")
    reading.clock.now += cache.FRESH_SECONDS + 1
    require(reading.value() == f"{VALUE}-2", "it keeps on using the value before")


def it_has_no_value_once_the_store_has_none(reading: _Reading) -> None:
    """A key that was removed from the store is not used again, by no cache."""
    reading.bench.put(VALUE)
    reading.value()
    reading.bench.put(None)
    reading.clock.now += cache.FRESH_SECONDS + 1
    refusal = reading.refusal()
    require(not isinstance(refusal, SecretUnreadable), "it takes the removal for an outage")
    reading.bench.go_down()
    reading.refusal()


def it_is_read_anew_once_it_was_refused(reading: _Reading) -> None:
    """After the provider refused the value, the store is asked, however new the value is."""
    reading.bench.put(VALUE)
    reading.value()
    reading.bench.put(f"{VALUE}-2")
    reading.credential().forget()
    require(reading.value() == f"{VALUE}-2", "it gives the refused value once more")


def it_takes_no_nonsense_for_a_key(reading: _Reading) -> None:
    """An empty text, a web page or a text that no key is as long as is no value."""
    for nonsense in NONSENSE:
        reading.bench.put(nonsense)
        reading.credential().forget()
        reading.refusal()


def it_gives_no_value_while_the_store_was_never_reached(reading: _Reading) -> None:
    """A store that is down at the start is told apart from a value that is not there."""
    reading.bench.put(VALUE)
    reading.bench.go_down()
    require(isinstance(reading.refusal(), SecretUnreadable), "it takes an outage for a removal")


def it_uses_the_value_through_a_short_outage(reading: _Reading) -> None:
    """A store that goes down in mid-flight stops nothing for a while, and something then."""
    reading.bench.put(VALUE)
    reading.value()
    reading.bench.go_down()
    reading.clock.now += cache.FRESH_SECONDS + 1
    require(reading.value() == VALUE, "it has no value during a short outage")
    require(any("cannot be reached" in line for line in reading.logged), "it warns of nothing")
    reading.clock.now += cache.STALE_SECONDS
    require(isinstance(reading.refusal(), SecretUnreadable), "it uses the value for ever")


def it_takes_no_page_of_a_proxy_for_a_verdict(reading: _Reading) -> None:
    """Whatever does not speak as the store does is an outage: the value before is used meanwhile."""
    reading.bench.put(VALUE)
    reading.value()
    reading.bench.answer_with_a_web_page()
    reading.clock.now += cache.FRESH_SECONDS + 1
    try:
        value = reading.value()
    except SecretMissing:
        value = ""
    require(value == VALUE, "it takes a proxy's page for the store's word")


def it_tells_a_wrong_set_up_from_an_outage(reading: _Reading) -> None:
    """Where the store refuses us, waiting does not help: it says so, with what to do, and uses nothing."""
    reading.bench.put(VALUE)
    reading.value()
    reading.bench.refuse()
    reading.clock.now += cache.FRESH_SECONDS + 1
    refusal = reading.refusal()
    require(isinstance(refusal, SecretMisconfigured), "it does not say that it is refused")
    require(";" in str(refusal), "it does not say what to do")


def it_ends_where_the_store_never_answers(reading: _Reading) -> None:
    """A store that hangs is left alone after the time that a source may take."""
    reading.bench.put(VALUE)
    reading.bench.hang()
    began = time.monotonic()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(credentials, "SOURCE_SECONDS", _SOURCE_SECONDS)
        require(isinstance(reading.refusal(), SecretUnreadable), "it takes silence for a removal")
    require(time.monotonic() - began < _PATIENCE_SECONDS, "it waits for a store that hangs")


def it_leaves_a_store_that_failed_alone(reading: _Reading) -> None:
    """A store that hangs costs one read its time, and not each read while it does."""
    reading.bench.put(VALUE)
    reading.value()
    reading.bench.hang()
    reading.clock.now += cache.FRESH_SECONDS + 1
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(credentials, "SOURCE_SECONDS", _SOURCE_SECONDS)
        require(reading.value() == VALUE, "it has no value while the store hangs")
        began = time.monotonic()
        require(reading.value() == VALUE, "it has no value while the store hangs")
    require(time.monotonic() - began < _SOURCE_SECONDS / 2, "it waits for the store at each read")


def it_shows_the_value_to_nobody(reading: _Reading) -> None:
    """The value is in no log, no text of an error and no representation."""
    reading.bench.put(VALUE)
    # What the bench's own client wrote is not the source's.
    reading.logged.clear()
    values = reading.credential().values()
    shown = [repr(values), str(values), repr(reading.credential())]
    reading.bench.go_down()
    reading.credential().forget()
    error = reading.refusal()
    shown += [repr(error), str(error), repr(error.__cause__), *reading.logged]
    require(VALUE not in " ".join(shown), "the value is shown")


#: All checks, by what they require.
CHECKS: Final[dict[str, Callable[[_Reading], None]]] = {
    check.__name__: check
    for check in (
        it_gives_the_value_of_the_store,
        it_asks_again_when_the_value_is_old,
        it_has_no_value_once_the_store_has_none,
        it_is_read_anew_once_it_was_refused,
        it_takes_no_nonsense_for_a_key,
        it_gives_no_value_while_the_store_was_never_reached,
        it_uses_the_value_through_a_short_outage,
        it_takes_no_page_of_a_proxy_for_a_verdict,
        it_tells_a_wrong_set_up_from_an_outage,
        it_ends_where_the_store_never_answers,
        it_leaves_a_store_that_failed_alone,
        it_shows_the_value_to_nobody,
    )
}


class _Lines(logging.Handler):
    def __init__(self, lines: list[str]) -> None:
        super().__init__(level=logging.DEBUG)
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.append(self.format(record))


@contextmanager
def reading_of(bench: SecretSourceBench) -> Iterator[_Reading]:
    """Give the store to a process that knows nothing yet, and hear its logs."""
    # A value that this process has seen would be hidden by the logs' own filter.
    live_secrets.forget_all()
    reading = _Reading(bench, _Clock())
    root, handler = logging.getLogger(), _Lines(reading.logged)
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(credentials, "kept_values", cache.ValueCache(clock=reading.clock))
            yield reading
    finally:
        root.removeHandler(handler)
        root.setLevel(level)


class SecretSourceContract:
    """Run the contract as tests; a subclass gives a fixture `bench`."""

    @pytest.mark.parametrize("check", CHECKS)
    def test_contract(self, check: str, bench: SecretSourceBench) -> None:
        """Hold the store to one check."""
        with reading_of(bench) as reading:
            CHECKS[check](reading)
