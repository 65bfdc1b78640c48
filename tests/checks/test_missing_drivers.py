"""A package that the settings need and that is not installed is named, with how to install it."""

from __future__ import annotations

import re
import sys
from typing import Any

import pytest
from django.core.checks import CheckMessage

from imagegen_app.checks import check_settings

CASES = [
    ("engine", "imagegen_app.engines.celery.CeleryEngine", "celery", "celery"),
    ("engine", "imagegen_app.engines.rq.RqEngine", "django_rq", "rq"),
    ("storage", "storages.backends.s3.S3Storage", "storages", "s3"),
    ("storage", "storages.backends.s3.S3Storage", "boto3", "s3"),
    ("storage", "storages.backends.gcloud.GoogleCloudStorage", "storages", "gcs"),
    ("storage", "storages.backends.azure_storage.AzureStorage", "storages", "azure"),
    ("credential", "vault:secret/images#key", "hvac", "vault"),
]


def errors(settings: Any, *, kind: str, value: str) -> list[CheckMessage]:
    """Return the errors about the engine, the storage or the credential of these settings."""
    if kind == "engine":
        settings.IMAGEGEN = {**settings.IMAGEGEN, "ENGINE": value}
    elif kind == "storage":
        settings.STORAGES = {**settings.STORAGES, "imagegen": {"BACKEND": value}}
    else:
        entry = {"source": value, "hosts": ["api.example.com"]}
        settings.IMAGEGEN = {**settings.IMAGEGEN, "CREDENTIALS": {"named": entry}}
    ids = {"imagegen.E090", "imagegen.E002", "imagegen.E003", "imagegen.E030"}
    return [message for message in check_settings() if message.id in ids]


@pytest.mark.parametrize(("kind", "value", "module", "extra"), CASES)
def test_a_missing_package_is_named_once_with_its_extra(  # noqa: PLR0917 - the columns of the table
    settings: Any, monkeypatch: pytest.MonkeyPatch, kind: str, value: str, module: str, extra: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)

    found = errors(settings, kind=kind, value=value)

    assert {error.id for error in found} == {"imagegen.E090"}
    # Another one that this extra brings may be missing here, too.
    assert re.search(rf"needs the packages? .*\b{module}\b", found[0].msg)
    assert len(found) == 1
    assert {error.hint for error in found} == {f"pip install 'imagegen-app[{extra}]'"}


def test_two_packages_that_one_setting_lacks_are_named_in_one_line(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("storages", "boto3"):
        monkeypatch.setitem(sys.modules, module, None)

    (found,) = errors(settings, kind="storage", value="storages.backends.s3.S3Storage")

    assert "needs the packages storages and boto3, which are not installed" in found.msg
    assert found.hint == "pip install 'imagegen-app[s3]'"


def test_a_redis_broker_needs_its_client(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.CELERY_BROKER_URL = "redis://127.0.0.1:6379/9"
    monkeypatch.setitem(sys.modules, "redis", None)

    found = errors(settings, kind="engine", value="imagegen_app.engines.celery.CeleryEngine")

    assert "imagegen.E090" in {error.id for error in found}
    assert "pip install 'imagegen-app[celery]'" in {error.hint for error in found}


def test_an_installed_package_is_not_named(settings: Any) -> None:
    assert errors(settings, kind="credential", value="vault:secret/images#key") == []
