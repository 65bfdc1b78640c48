"""What each store answers is told apart: no value, a wrong set-up, or an outage."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any

import pytest

from imagegen_app.providers.credentials import (
    SecretMisconfigured,
    SecretMissing,
    SecretUnreadable,
    parse_source,
)
from imagegen_app.secret_stores import cache, stores
from imagegen_app.testing.contract.secret_sources import VALUE, reading_of
from tests.secret_stores import benches, cloud_benches
from tests.secret_stores.tunnel import PAGE, Reply, Tunnel

if TYPE_CHECKING:
    from pathlib import Path


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
