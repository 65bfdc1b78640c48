"""A store that is away is asked seldom, told of once, and outlived for as long as the settings say."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest

from imagegen_app import conf
from imagegen_app.core.setting_values import InvalidSettings
from imagegen_app.providers import credentials
from imagegen_app.providers.credentials import Credential, SecretUnreadable
from imagegen_app.secret_stores import cache, stores
from imagegen_app.services.gateways import usable_credentials

if TYPE_CHECKING:
    from collections.abc import Callable

SOURCE = "vault:secret/data/confidential#openai"
VALUE = "canary-77aa"


class Store:
    """What is read, and how often; away while it has no value."""

    def __init__(self) -> None:
        self.value: str | None = VALUE
        self.reads = 0
        self.now = 0.0

    def clock(self) -> float:
        return self.now

    def read(self) -> object:
        self.reads += 1
        if self.value is None:
            raise ConnectionError(f"confidential {VALUE}")
        return self.value

    def reader(self, source: str) -> Callable[[], object]:
        assert source == SOURCE
        return self.read

    def asked(self) -> str | None:
        credential = Credential("openai-prod", (SOURCE,), frozenset({"api.example.com"}))
        try:
            return credential.values()[0].reveal()
        except SecretUnreadable:
            return None


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Store:
    store = Store()
    monkeypatch.setattr(stores, "reader", store.reader)
    monkeypatch.setattr(credentials, "kept_values", cache.ValueCache(clock=store.clock))
    return store


def test_a_store_that_failed_is_left_alone_while_there_is_a_value(store: Store) -> None:
    store.asked()
    store.value = None
    store.now += cache.FRESH_SECONDS + 1

    within = [store.asked() for _ in range(3)]
    reads_within = store.reads
    store.now += cache.PAUSE_SECONDS
    after = store.asked()

    assert (within, after) == ([VALUE] * 3, VALUE)
    assert (reads_within, store.reads) == (2, 3)


def test_a_failure_without_a_value_is_remembered_for_seconds_only(store: Store) -> None:
    store.value = None
    within = [store.asked() for _ in range(3)]
    reads_within = store.reads
    store.value = VALUE
    store.now += cache.PAUSE_WITHOUT_VALUE_SECONDS

    after = store.asked()

    assert (within, after) == ([None] * 3, VALUE)
    assert (reads_within, store.reads) == (1, 2)


def test_an_outage_is_told_at_its_beginning_hourly_and_at_its_end(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "imagegen.credentials")
    store.asked()
    store.value = None
    store.now += cache.FRESH_SECONDS + 1
    for _ in range(20):
        store.asked()
        store.now += cache.FRESH_SECONDS
    lines_of_100_minutes = caplog.messages[:]
    store.value = VALUE
    store.asked()

    assert lines_of_100_minutes == [
        "Vault cannot be reached for the credential openai-prod; what it said before is used.",
        "Vault cannot be reached for the credential openai-prod; there is no earlier value.",
    ]
    assert caplog.messages[2:] == ["Vault answers again for the credential openai-prod."]
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING", "INFO"]


def test_the_settings_say_how_long_values_are_used(store: Store, settings: Any) -> None:
    settings.IMAGEGEN = {
        **settings.IMAGEGEN,
        "CREDENTIALS": {"openai-prod": {"SOURCE": SOURCE, "HOSTS": ["api.example.com"]}},
        "SECRET_STORES": {"FRESH_SECONDS": 20, "OUTAGE_SECONDS": 40},
    }
    known = usable_credentials.configured_credential("openai-prod")
    assert known is not None
    known.values()
    store.now = 20
    known.values()
    reads_while_fresh = store.reads
    store.value = None
    store.now = 40
    through = known.values()[0].reveal()
    store.now = 80

    with pytest.raises(SecretUnreadable):
        known.values()
    assert (reads_while_fresh, through) == (1, VALUE)


@pytest.mark.parametrize(
    ("given", "key"),
    [
        ({"FRESH_SECONDS": 9}, "FRESH_SECONDS"),
        ({"FRESH_SECONDS": 86_401, "OUTAGE_SECONDS": 90_000}, "FRESH_SECONDS"),
        ({"FRESH_SECONDS": 3600, "OUTAGE_SECONDS": 3599}, "OUTAGE_SECONDS"),
        ({"OUTAGE_SECONDS": 604_801}, "OUTAGE_SECONDS"),
        ({"FRESH_SECONDS": "300"}, "FRESH_SECONDS"),
        ({"MINUTES": 5}, "MINUTES"),
    ],
)
def test_times_that_make_no_sense_are_refused(given: dict[str, Any], key: str) -> None:
    with pytest.raises(InvalidSettings, match=key):
        conf.read({"SECRET_STORES": given})


def test_the_settings_begin_with_the_times_of_the_cache() -> None:
    usual = conf.SecretStoreSettings()

    assert (usual.fresh_seconds, usual.outage_seconds) == (
        cache.FRESH_SECONDS,
        cache.STALE_SECONDS,
    )
