"""Each store of keys keeps the contract, and each planted fault breaks it."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import logging
from typing import TYPE_CHECKING, Any

import pytest

from imagegen_app.providers import credentials
from imagegen_app.providers.credentials import (
    Credential,
    SecretMisconfigured,
    SecretMissing,
    SecretUnreadable,
    parse_source,
)
from imagegen_app.providers.http import Auth, HttpClient
from imagegen_app.secret_stores import cache, stores
from imagegen_app.secret_stores import vault as vault_store
from imagegen_app.secret_stores.base import SecretAbsent, valid_text
from imagegen_app.testing.contract.secret_sources import (
    CHECKS,
    VALUE,
    SecretSourceBench,
    SecretSourceContract,
    reading_of,
)
from tests.providers.samples import http_answer, raw_server
from tests.secret_stores import benches, cloud_benches
from tests.secret_stores.tunnel import PAGE, Reply, Tunnel

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class TestVault(SecretSourceContract):
    @pytest.fixture(params=[1, 2])
    def bench(
        self, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
    ) -> Iterator[SecretSourceBench]:
        with benches.vault(monkeypatch, version=request.param) as bench:
            yield bench


class TestAws(SecretSourceContract):
    @pytest.fixture
    def bench(self, monkeypatch: pytest.MonkeyPatch, moto_url: str) -> Iterator[SecretSourceBench]:
        with benches.aws(monkeypatch, moto_url) as bench:
            yield bench


class TestGoogle(SecretSourceContract):
    @pytest.fixture
    def bench(
        self, monkeypatch: pytest.MonkeyPatch, tunnel: Tunnel, tmp_path: Path
    ) -> SecretSourceBench:
        return cloud_benches.GoogleBench(tunnel, monkeypatch, tmp_path)


class TestAzure(SecretSourceContract):
    @pytest.fixture
    def bench(self, monkeypatch: pytest.MonkeyPatch, tunnel: Tunnel) -> SecretSourceBench:
        return cloud_benches.AzureBench(tunnel, monkeypatch)


def _use(patch: pytest.MonkeyPatch, change: Any) -> None:
    """Have the store of Vault read by `change(read)` in place of `read`."""
    read_of = vault_store.reader
    patch.setattr(vault_store, "reader", lambda location: change(read_of(location)))


def fails_open(patch: pytest.MonkeyPatch) -> None:
    def change(read: Any) -> Any:
        def swallow() -> object:
            try:
                return read()
            except Exception:  # noqa: BLE001 - the fault
                return "default-key"

        return swallow

    _use(patch, change)


def keeps_a_removed_value(patch: pytest.MonkeyPatch) -> None:
    known: list[object] = []

    def change(read: Any) -> Any:
        def keep() -> object:
            try:
                known.append(read())
            except SecretAbsent:
                if not known:
                    raise
            return known[-1]

        return keep

    _use(patch, change)


def logs_the_value(patch: pytest.MonkeyPatch) -> None:
    def change(read: Any) -> Any:
        def log() -> object:
            value = read()
            logging.getLogger("imagegen.credentials").warning("read %s", value)
            return value

        return log

    _use(patch, change)


def takes_a_removal_for_an_outage(patch: pytest.MonkeyPatch) -> None:
    def change(read: Any) -> Any:
        def confuse() -> object:
            try:
                return read()
            except SecretAbsent:
                raise ConnectionError from None

        return confuse

    _use(patch, change)


def takes_an_outage_for_a_removal(patch: pytest.MonkeyPatch) -> None:
    def change(read: Any) -> Any:
        def confuse() -> object:
            try:
                return read()
            except Exception:  # noqa: BLE001 - the fault
                raise SecretAbsent from None

        return confuse

    _use(patch, change)


def takes_anything_for_a_key(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(credentials, "valid_text", str)


def never_asks_again(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(cache, "FRESH_SECONDS", 1e9)
    patch.setattr(cache.ValueCache, "fresh", cache.ValueCache.through_outage)
    patch.setattr(cache, "STALE_SECONDS", 1e12)


def forgets_nothing(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(cache.ValueCache, "forget", lambda _self, _source: None)


def waits_for_ever(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(credentials._CallableSource, "__call__", lambda self: self._text())
    patch.setattr("imagegen_app.secret_stores.vault.ANSWER_SECONDS", 6.0)


FAULTS = {
    fault.__name__: fault
    for fault in (
        fails_open,
        keeps_a_removed_value,
        logs_the_value,
        takes_a_removal_for_an_outage,
        takes_an_outage_for_a_removal,
        takes_anything_for_a_key,
        never_asks_again,
        forgets_nothing,
        waits_for_ever,
    )
}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_contract_catches_a_planted_fault(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    caught = []
    for name, check in CHECKS.items():
        with monkeypatch.context() as patch, benches.vault(patch) as bench:
            FAULTS[fault](patch)
            with reading_of(bench) as reading:
                try:
                    check(reading)
                except (AssertionError, Exception):  # noqa: BLE001 - either way it is seen
                    caught.append(name)
        if caught:
            break

    assert caught


@pytest.mark.parametrize(
    "source",
    [
        "vault:images#openai",
        "vault:secret/data/images",
        "aws:",
        "aws:images#",
        "aws:arn:x",
        "aws:ima ges#openai",
        "google:images",
        "google:projects/p/secrets/images",
        "azure:images",
        "azure:evil.example.com/x",
        "azure:images-vault/a/b",
    ],
)
def test_a_place_that_is_spelled_otherwise_is_refused(source: str) -> None:
    with pytest.raises(ValueError, match="write ") as refused:
        parse_source(source)

    assert source.partition(":")[2] not in str(refused.value) or source == "aws:"


@pytest.mark.parametrize(
    ("source", "package"),
    [
        ("google:projects/p/secrets/s/versions/1", "google.cloud.secretmanager"),
        ("azure:vault-1/name", "azure.keyvault.secrets"),
    ],
)
def test_a_missing_package_is_named_with_how_to_install_it(
    source: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == package else find_spec(name)
    )

    problem = stores.package_problem(source)

    assert "pip install 'imagegen-app[" in problem
    with pytest.raises(SecretMisconfigured, match="pip install"):
        parse_source(source)()


def test_a_wrong_token_has_no_value(monkeypatch: pytest.MonkeyPatch) -> None:
    with benches.vault(monkeypatch) as bench, reading_of(bench) as reading:
        bench.put(VALUE)
        monkeypatch.setenv("VAULT_TOKEN", "s.wrong")
        with pytest.raises(SecretMissing):
            reading.value()


@pytest.mark.parametrize(
    ("status", "name"),
    [(400, "FAILED_PRECONDITION"), (404, "NOT_FOUND")],
)
def test_a_google_secret_that_is_disabled_or_gone_does_not_live_on_in_the_cache(
    status: int, name: str, monkeypatch: pytest.MonkeyPatch, tunnel: Tunnel, tmp_path: Path
) -> None:
    bench = cloud_benches.GoogleBench(tunnel, monkeypatch, tmp_path)
    with reading_of(bench) as reading:
        bench.put(VALUE)
        reading.value()
        bench.refusal = cloud_benches.google_refusal(status, name)
        reading.clock.now += cache.FRESH_SECONDS + 1

        with pytest.raises(SecretMissing) as refused:
            reading.value()

    assert not isinstance(refused.value, SecretUnreadable)


@pytest.mark.parametrize("code", ["UnrecognizedClientException", "ExpiredTokenException"])
def test_keys_that_aws_does_not_take_are_a_wrong_set_up(
    code: str, monkeypatch: pytest.MonkeyPatch, moto_url: str
) -> None:
    with benches.aws(monkeypatch, moto_url) as bench, reading_of(bench) as reading:
        bench.put(VALUE)
        bench.answer_with_error(code)

        with pytest.raises(SecretMisconfigured, match=code):
            reading.value()


@pytest.mark.parametrize("code", ["ThrottlingException", "InternalServiceError"])
def test_aws_that_is_overloaded_is_away(
    code: str, monkeypatch: pytest.MonkeyPatch, moto_url: str
) -> None:
    with benches.aws(monkeypatch, moto_url) as bench, reading_of(bench) as reading:
        bench.answer_with_error(code)

        with pytest.raises(SecretUnreadable):
            reading.value()


def test_aws_without_keys_is_a_wrong_set_up(monkeypatch: pytest.MonkeyPatch, moto_url: str) -> None:
    with benches.aws(monkeypatch, moto_url) as bench, reading_of(bench) as reading:
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
        monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")

        with pytest.raises(SecretMisconfigured, match="give the workers one"):
            reading.value()


def test_a_field_of_a_binary_secret_of_aws_is_read(
    monkeypatch: pytest.MonkeyPatch, moto_url: str
) -> None:
    with benches.aws(monkeypatch, moto_url) as bench:
        document = json.dumps({"openai": VALUE}).encode()
        bench.client.create_secret(Name="images", SecretBinary=document)

        assert parse_source(bench.source)() == VALUE


@pytest.mark.parametrize("status", [400, 403, 404])
@pytest.mark.parametrize("store", ["vault", "google", "azure"])
def test_a_page_of_a_proxy_is_an_outage_whatever_its_status(
    store: str, status: int, monkeypatch: pytest.MonkeyPatch, tunnel: Tunnel, tmp_path: Path
) -> None:
    with benches.vault(monkeypatch) as vault:
        bench: Any = vault
        vault.page_status = status
        if store != "vault":
            bench = (
                cloud_benches.GoogleBench(tunnel, monkeypatch, tmp_path)
                if store == "google"
                else cloud_benches.AzureBench(tunnel, monkeypatch)
            )
            bench.refusal = Reply(status, PAGE)
        with reading_of(bench) as reading, pytest.raises(SecretUnreadable):
            reading.value()


@pytest.mark.parametrize("address", ["vault.example.com:8200", "http://"])
def test_an_address_that_is_none_is_a_wrong_set_up(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with benches.vault(monkeypatch) as bench, reading_of(bench) as reading:
        monkeypatch.setenv("VAULT_ADDR", address)

        with pytest.raises(SecretMisconfigured, match="VAULT_ADDR"):
            reading.value()


def test_google_without_an_account_is_a_wrong_set_up(
    monkeypatch: pytest.MonkeyPatch, tunnel: Tunnel, tmp_path: Path
) -> None:
    bench = cloud_benches.GoogleBench(tunnel, monkeypatch, tmp_path)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "nowhere.json"))

    with reading_of(bench) as reading, pytest.raises(SecretMisconfigured, match="GOOGLE_"):
        reading.value()


def test_azure_that_does_not_let_us_sign_in_is_a_wrong_set_up(
    monkeypatch: pytest.MonkeyPatch, tunnel: Tunnel
) -> None:
    bench = cloud_benches.AzureBench(tunnel, monkeypatch)
    monkeypatch.setenv("AZURE_CLIENT_SECRET", "revoked")

    with reading_of(bench) as reading, pytest.raises(SecretMisconfigured, match="sign in"):
        reading.value()


def test_a_sign_in_of_azure_that_cannot_be_reached_is_an_outage(
    monkeypatch: pytest.MonkeyPatch, tunnel: Tunnel
) -> None:
    bench = cloud_benches.AzureBench(tunnel, monkeypatch)
    bench.sign_in_refusal = Reply(503, PAGE)

    with reading_of(bench) as reading, pytest.raises(SecretUnreadable):
        reading.value()


def test_a_disabled_secret_of_azure_is_no_wrong_set_up(
    monkeypatch: pytest.MonkeyPatch, tunnel: Tunnel
) -> None:
    bench = cloud_benches.AzureBench(tunnel, monkeypatch)
    bench.refusal = cloud_benches.azure_refusal(403, "Forbidden", inner="SecretDisabled")

    with reading_of(bench) as reading:
        refusal = reading.refusal()

    assert type(refusal) is SecretMissing


def test_the_value_before_a_rotation_can_be_a_second_source(
    monkeypatch: pytest.MonkeyPatch, moto_url: str
) -> None:
    with benches.aws(monkeypatch, moto_url) as bench:
        bench.put("value-before")
        bench.put("value-now")

        values = [parse_source(f"aws:images{stage}#openai")() for stage in ("", "@AWSPREVIOUS")]

    assert values == ["value-now", "value-before"]


def test_aws_is_asked_in_the_region_of_the_environment(
    monkeypatch: pytest.MonkeyPatch, moto_url: str
) -> None:
    with benches.aws(monkeypatch, moto_url) as bench:
        bench.put(VALUE)
        monkeypatch.delenv("AWS_DEFAULT_REGION")
        monkeypatch.setenv("AWS_REGION", "eu-central-1")

        assert parse_source("aws:images#openai")() == VALUE


def test_a_name_of_aws_may_hold_the_sign_before_a_stage(
    monkeypatch: pytest.MonkeyPatch, moto_url: str
) -> None:
    with benches.aws(monkeypatch, moto_url) as bench:
        bench.client.create_secret(Name="team@prod", SecretString=VALUE)

        assert parse_source("aws:team@prod")() == VALUE
        assert parse_source("aws:team@prod@AWSCURRENT")() == VALUE


def test_a_role_of_vault_signs_in_and_a_revoked_one_has_no_value(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with benches.vault(monkeypatch) as bench, reading_of(bench) as reading:
        bench.put(VALUE)
        monkeypatch.delenv("VAULT_TOKEN")
        monkeypatch.setenv("VAULT_ROLE_ID", benches.ROLE_ID)
        monkeypatch.setenv("VAULT_SECRET_ID", benches.SECRET_ID)
        signed_in = reading.value()

        monkeypatch.setenv("VAULT_SECRET_ID", "revoked")
        reading.clock.now += cache.FRESH_SECONDS + 1
        refusal = reading.refusal()

    assert signed_in == VALUE
    assert isinstance(refusal, SecretMisconfigured)


@pytest.mark.parametrize("value", ["\ufeff<html>", "<!-- a --><p>", "<head>", "é" * 40_000])
def test_what_no_key_is_like_is_refused(value: str) -> None:
    with pytest.raises(SecretAbsent):
        valid_text(value)


def test_a_call_that_is_refused_has_the_store_asked_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    accepted = f"Bearer {VALUE}-2".encode()

    async def answer(request: bytes, writer: asyncio.StreamWriter) -> None:
        status = "200 OK" if accepted in request else "401 Unauthorized"
        writer.write(http_answer(b"{}", status=status))

    async def call_twice(bench: benches.VaultBench, auth: Auth) -> list[int]:
        async with raw_server(answer) as server:
            http = HttpClient(trusted_origins=frozenset({server.url}))
            first = await http.post_json(server.url, body=b"{}", auth=auth)
            bench.put(f"{VALUE}-2")
            second = await http.post_json(server.url, body=b"{}", auth=auth)
            await http.aclose()
        return [first.status, second.status]

    with benches.vault(monkeypatch) as bench, reading_of(bench):
        bench.put(VALUE)
        credential = Credential("c", (bench.source,), frozenset({"127.0.0.1"}))
        statuses = asyncio.run(call_twice(bench, Auth(credential)))

    assert statuses == [401, 200]
