"""The contract catches the faults that stores of keys may have: each is planted in each store."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from imagegen_app.providers import credentials
from imagegen_app.secret_stores import cache, stores
from imagegen_app.secret_stores.base import SecretAbsent, StoreMisconfigured, valid_text
from imagegen_app.testing.contract import ContractBroken, secret_sources
from imagegen_app.testing.contract.secret_sources import CHECKS, SecretSourceBench, reading_of
from tests.secret_stores import benches, cloud_benches

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.secret_stores.tunnel import Tunnel

Read = Callable[[], object]


def _change(patch: pytest.MonkeyPatch, change: Callable[[Read], Read]) -> None:
    """Have every store read by `change(read)` in place of `read`."""
    reader = stores.reader
    patch.setattr(stores, "reader", lambda source: change(reader(source)))


def _on_error(patch: pytest.MonkeyPatch, kind: type[Exception], handle: Read) -> None:
    def change(read: Read) -> Read:
        def changed() -> object:
            try:
                return read()
            except kind:
                return handle()

        return changed

    _change(patch, change)


def _raising(error: Exception) -> Read:
    def handle() -> object:
        raise error

    return handle


def fails_open(patch: pytest.MonkeyPatch) -> None:
    _on_error(patch, Exception, lambda: "default-key")


def takes_a_removal_for_an_outage(patch: pytest.MonkeyPatch) -> None:
    _on_error(patch, SecretAbsent, _raising(ConnectionError()))


def takes_an_outage_for_a_removal(patch: pytest.MonkeyPatch) -> None:
    _on_error(patch, Exception, _raising(SecretAbsent()))


def takes_a_refusal_for_an_outage(patch: pytest.MonkeyPatch) -> None:
    _on_error(patch, StoreMisconfigured, _raising(ConnectionError()))


def refuses_without_a_remedy(patch: pytest.MonkeyPatch) -> None:
    _on_error(patch, StoreMisconfigured, _raising(StoreMisconfigured("it is refused")))


def keeps_a_removed_value(patch: pytest.MonkeyPatch) -> None:
    known: list[object] = []

    def change(read: Read) -> Read:
        def keep() -> object:
            try:
                known.append(read())
            except SecretAbsent:
                if not known:
                    raise
            return known[-1]

        return keep

    _change(patch, change)


def logs_the_value(patch: pytest.MonkeyPatch) -> None:
    def change(read: Read) -> Read:
        def log() -> object:
            value = read()
            logging.getLogger("imagegen.credentials").warning("read %s", value)
            return value

        return log

    _change(patch, change)


def tells_the_value_in_an_error(patch: pytest.MonkeyPatch) -> None:
    known: list[object] = []

    def change(read: Read) -> Read:
        def tell() -> object:
            try:
                known.append(read())
            except Exception:  # noqa: BLE001 - the fault
                raise StoreMisconfigured(f"it is not {known[-1:]} any more") from None
            return known[-1]

        return tell

    _change(patch, change)


def shows_the_value_in_its_representation(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(credentials.Secret, "__repr__", credentials.Secret.reveal)


def takes_anything_for_a_key(patch: pytest.MonkeyPatch) -> None:
    def as_text(value: Any) -> str:
        return value.decode() if isinstance(value, bytes) else str(value)

    patch.setattr(credentials, "valid_text", as_text)


def takes_an_empty_text_for_a_value(patch: pytest.MonkeyPatch) -> None:
    def lenient(value: object) -> str:
        return valid_text(value) if value and value not in {b"  ", "  "} else ""

    patch.setattr(credentials, "valid_text", lenient)
    patch.setattr(
        credentials, "_live", lambda readers, *, name: [credentials.Secret(r()) for r in readers]
    )


def never_asks_again(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(cache.ValueCache, "fresh", cache.ValueCache.through_outage)


def uses_a_value_for_ever(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        cache.ValueCache,
        "through_outage",
        lambda self, source: self._younger_than(float("inf"), source),
    )


def warns_of_nothing(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(cache.ValueCache, "must_warn", lambda _self, _source: False)


def forgets_nothing(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(cache.ValueCache, "forget", lambda _self, _source: None)


def asks_at_each_read(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(cache.ValueCache, "recent_failure", lambda _self, _source: None)


def waits_for_long(patch: pytest.MonkeyPatch) -> None:
    call = credentials._CallableSource.__call__

    def wait(source: Any) -> str:
        with pytest.MonkeyPatch.context() as longer:
            longer.setattr(credentials, "SOURCE_SECONDS", 1.5)
            return call(source)

    patch.setattr(credentials._CallableSource, "__call__", wait)
    # A second and a half is long for this test alone, which need not wait for six.
    patch.setattr(secret_sources, "_PATIENCE_SECONDS", 1.4)


class Fault(NamedTuple):
    """What is wrong with a store, and the check that must fail for it."""

    plant: Callable[[pytest.MonkeyPatch], None]
    caught_by: Callable[..., None]


FAULTS = (
    Fault(fails_open, secret_sources.it_gives_no_value_while_the_store_was_never_reached),
    Fault(takes_a_removal_for_an_outage, secret_sources.it_has_no_value_once_the_store_has_none),
    Fault(
        takes_an_outage_for_a_removal,
        secret_sources.it_gives_no_value_while_the_store_was_never_reached,
    ),
    Fault(
        takes_an_outage_for_a_removal,
        secret_sources.it_takes_no_page_of_a_proxy_for_a_verdict,
    ),
    Fault(takes_a_refusal_for_an_outage, secret_sources.it_tells_a_wrong_set_up_from_an_outage),
    Fault(refuses_without_a_remedy, secret_sources.it_tells_a_wrong_set_up_from_an_outage),
    Fault(keeps_a_removed_value, secret_sources.it_has_no_value_once_the_store_has_none),
    Fault(logs_the_value, secret_sources.it_shows_the_value_to_nobody),
    Fault(tells_the_value_in_an_error, secret_sources.it_shows_the_value_to_nobody),
    Fault(shows_the_value_in_its_representation, secret_sources.it_shows_the_value_to_nobody),
    Fault(takes_anything_for_a_key, secret_sources.it_takes_no_nonsense_for_a_key),
    Fault(takes_an_empty_text_for_a_value, secret_sources.it_takes_no_nonsense_for_a_key),
    Fault(never_asks_again, secret_sources.it_asks_again_when_the_value_is_old),
    Fault(uses_a_value_for_ever, secret_sources.it_uses_the_value_through_a_short_outage),
    Fault(warns_of_nothing, secret_sources.it_uses_the_value_through_a_short_outage),
    Fault(forgets_nothing, secret_sources.it_is_read_anew_once_it_was_refused),
    Fault(asks_at_each_read, secret_sources.it_leaves_a_store_that_failed_alone),
    Fault(waits_for_long, secret_sources.it_ends_where_the_store_never_answers),
)


@pytest.fixture(params=["aws", "azure", "google", "vault"])
def bench(
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    moto_url: str,
    tunnel: Tunnel,
    tmp_path: Path,
) -> Iterator[SecretSourceBench]:
    if request.param == "aws":
        with benches.aws(monkeypatch, moto_url) as aws:
            yield aws
    elif request.param == "azure":
        yield cloud_benches.AzureBench(tunnel, monkeypatch)
    elif request.param == "google":
        yield cloud_benches.GoogleBench(tunnel, monkeypatch, tmp_path)
    else:
        with benches.vault(monkeypatch) as vault:
            yield vault


# That each check passes without the fault is what the contract's own tests of each store say.
@pytest.mark.parametrize(
    "fault",
    [pytest.param(f, id=f"{f.plant.__name__}-{f.caught_by.__name__}") for f in FAULTS],
)
def test_a_planted_fault_is_caught_by_its_check(
    fault: Fault, bench: SecretSourceBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault.plant(monkeypatch)

    with reading_of(bench) as reading, pytest.raises(ContractBroken):
        fault.caught_by(reading)


def test_every_check_but_that_of_the_value_itself_catches_a_fault() -> None:
    idle = set(CHECKS) - {fault.caught_by.__name__ for fault in FAULTS}

    assert idle == {"it_gives_the_value_of_the_store"}
