"""Each store of keys keeps the contract, spoken to by its official client."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pytest

from imagegen_app.providers.credentials import (
    Credential,
    parse_source,
)
from imagegen_app.providers.http import Auth, HttpClient
from imagegen_app.secret_stores.base import SecretAbsent, valid_text
from imagegen_app.testing.contract.secret_sources import (
    VALUE,
    SecretSourceBench,
    SecretSourceContract,
    reading_of,
)
from tests.providers.samples import http_answer, raw_server
from tests.secret_stores import benches, cloud_benches
from tests.secret_stores.tunnel import Tunnel

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


def test_a_field_of_a_binary_secret_of_aws_is_read(
    monkeypatch: pytest.MonkeyPatch, moto_url: str
) -> None:
    with benches.aws(monkeypatch, moto_url) as bench:
        document = json.dumps({"openai": VALUE}).encode()
        bench.client.create_secret(Name="images", SecretBinary=document)

        assert parse_source(bench.source)() == VALUE


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
