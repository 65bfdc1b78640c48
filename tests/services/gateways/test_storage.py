"""Whatever the library behind a storage raises means later, and a missing file means missing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from botocore.config import Config
from django.core.files.storage import storages

from imagegen_app.services.gateways import storage
from imagegen_app.services.gateways.storage import FileMissing, StorageFailed
from tests.faults.object_storage import ObjectStorage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.failing_storage import FailingStorage


@pytest.fixture(scope="module")
def objects() -> Iterator[ObjectStorage]:
    """Start one S3 server for the tests of this module."""
    with ObjectStorage() as server:
        yield server


@pytest.fixture
def s3(objects: ObjectStorage, settings: Any) -> Iterator[Any]:
    """Store the site's images on the S3 server; return its options."""
    objects.open()
    options = {
        "bucket_name": "images",
        "endpoint_url": objects.gate.url,
        "access_key": "test",
        "secret_key": "test",
        "region_name": "us-east-1",
        "client_config": Config(retries={"total_max_attempts": 1}),
    }
    backend = {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": options}
    settings.STORAGES = {**settings.STORAGES, "imagegen": backend}
    yield options
    store: Any = storages["imagegen"]
    store.connection.meta.client.close()


CALLS: dict[str, Callable[[str], object]] = {
    "read": storage.get,
    "write": lambda _key: storage.put("assets", b"other", extension="png"),
    "exists": lambda key: storage.image_storage().exists(key),
    "size": lambda key: storage.image_storage().size(key),
    "delete": lambda key: storage.image_storage().delete(key),
    "open": lambda key: storage.image_storage().open(key),
}


@pytest.mark.parametrize("call", CALLS)
def test_an_object_storage_that_is_away_fails_in_one_way_at_every_call(
    objects: ObjectStorage, s3: Any, call: str
) -> None:
    key, _sha256 = storage.put("assets", b"bytes", extension="png")
    objects.shut()

    with pytest.raises(StorageFailed) as failed:
        CALLS[call](key)

    assert not isinstance(failed.value, FileMissing)
    assert "503" in str(failed.value) or "Error" in str(failed.value)
    objects.open()
    assert storage.get(key) == b"bytes"


def test_a_key_that_is_not_there_is_missing_and_a_bucket_that_is_not_there_is_an_outage(
    s3: dict[str, Any], settings: Any
) -> None:
    with pytest.raises(FileMissing):
        storage.get("assets/no/such.png")

    options = {**s3, "bucket_name": "no-such-bucket"}
    backend = {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": options}
    settings.STORAGES = {**settings.STORAGES, "imagegen": backend}
    with pytest.raises(StorageFailed) as failed:
        storage.put("assets", b"bytes", extension="png")

    assert not isinstance(failed.value, FileMissing)
    assert "NoSuchBucket" in str(failed.value)


def test_a_server_that_is_not_there_is_an_outage(s3: dict[str, Any], settings: Any) -> None:
    options = {**s3, "endpoint_url": "http://127.0.0.1:9"}
    backend = {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": options}
    settings.STORAGES = {**settings.STORAGES, "imagegen": backend}

    with pytest.raises(StorageFailed, match="EndpointConnectionError"):
        storage.get("assets/some.png")


def test_a_disk_that_is_not_mounted_is_an_outage_and_no_missing_file(
    settings: Any, tmp_path: Path
) -> None:
    backend: dict[str, Any] = {"BACKEND": "django.core.files.storage.FileSystemStorage"}
    for folder in ("not-mounted", ""):
        options = {"location": tmp_path / folder}
        settings.STORAGES = {**settings.STORAGES, "imagegen": {**backend, "OPTIONS": options}}
        with pytest.raises(StorageFailed) as failed:
            storage.get("assets/some.png")

        assert isinstance(failed.value, FileMissing) is (folder == "")


def test_a_storage_that_cannot_be_built_is_an_outage(settings: Any) -> None:
    settings.STORAGES = {**settings.STORAGES, "imagegen": {"BACKEND": "no.such.Storage"}}

    with pytest.raises(StorageFailed):
        storage.get("assets/some.png")


def test_a_file_that_disappears_while_it_is_stored_is_tried_again_later(
    failing_storage: type[FailingStorage],
) -> None:
    failing_storage.failing = {"size"}

    with pytest.raises(StorageFailed) as failed:
        storage.put("assets", b"bytes", extension="png")

    assert not isinstance(failed.value, FileMissing)


def test_the_reason_names_no_address(failing_storage: type[FailingStorage]) -> None:
    failing_storage.failing = {"*"}

    with pytest.raises(StorageFailed) as failed:
        storage.get("assets/some.png")

    assert str(failed.value) == "EndpointConnectionError"
