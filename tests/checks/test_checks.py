"""Every wrong setting is reported with its remedy."""

from __future__ import annotations

import io
import logging
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings as django_settings
from django.core import checks as django_checks
from django.core.exceptions import ImproperlyConfigured
from easy_thumbnails import engine

import imagegen_app
from imagegen_app import checks, conf
from imagegen_app.apps import ImagegenConfig
from imagegen_app.core.source_types import GENERATED
from imagegen_app.imaging import metadata
from imagegen_app.providers.redaction import RedactingFilter
from imagegen_app.services.monitoring import doctor

FILES = "django.core.files.storage.FileSystemStorage"
MISTAKES: list[tuple[dict[str, Any], str]] = [
    ({"ENGIN": "x"}, "imagegen.E001"),
    ({"MAX_TRIES": "five"}, "imagegen.E001"),
    ({"MAX_TRIES": True}, "imagegen.E001"),
    ({"LEASE_SECONDS": -1}, "imagegen.E001"),
    ({"C2PA": {"CERT": "x"}}, "imagegen.E001"),
    ({"CREDENTIALS": {"a": {"SOURCE": "env:A"}}}, "imagegen.E001"),
    ({"CREDENTIALS": []}, "imagegen.E001"),
    ({"ENGINE": "nowhere.Engine"}, "imagegen.E002"),
    ({"STORAGE": "nowhere"}, "imagegen.E003"),
    ({"STORAGE": "default"}, "imagegen.E004"),
    ({"CREDENTIALS": {"a": {"SOURCE": "env:A", "HOSTS": []}}}, "imagegen.E005"),
    (
        {
            "CREDENTIALS": {
                "a": {"SOURCE": "sk-proj-0123456789abcdefABCDEF0123456789", "HOSTS": ["x"]}
            }
        },
        "imagegen.E005",
    ),
    ({"PUBLIC_URL": "http://shop.example"}, "imagegen.E006"),
    ({"SCREENERS": [{"NAME": "x", "BACKEND": "nowhere.X"}]}, "imagegen.E008"),
    (
        {
            "SCREENERS": [
                {
                    "NAME": "x",
                    "BACKEND": "imagegen_app.moderation.block_list.BlockList",
                    "STAGES": ["prompts"],
                }
            ]
        },
        "imagegen.E008",
    ),
    ({"C2PA": {"CERTIFICATE": "/nowhere.pem"}}, "imagegen.E009"),
    ({"TARGETS": {"catalog.Product.nothing": {"template": "x"}}}, "imagegen.E010"),
    ({"TARGETS": {"catalog.Product.image": {}}}, "imagegen.E010"),
    (
        {"TARGETS": {"catalog.Product.image": {"template": "x", "alt": "price"}}},
        "imagegen.E010",
    ),
    ({"TRUSTED_ORIGINS": ["http://a/b"]}, "imagegen.E011"),
    ({"INPUT_ORIGINS": ["dam.example.org"]}, "imagegen.E011"),
    ({"DOCS_URL": "javascript:alert(1)"}, "imagegen.E018"),
    ({"RENDITIONS": {"FORMATS": ["gif"]}}, "imagegen.E014"),
    ({"QUEUE": "elsewhere"}, "imagegen.E015"),
    ({"SPOOL": {"MIN_FREE_BYTES": 10**18}}, "imagegen.W051"),
    ({"STATE_DIR": "/proc/imagegen"}, "imagegen.W051"),
    ({"SPOOL": {"KEEP_DAYS": "month"}}, "imagegen.E001"),
    ({"AUDIT": {"PUBLISH_TO": "/srv/log"}}, "imagegen.E001"),
    ({"AUDIT": {"PUBLISH_TO": {"a": {"KIND": "folder"}}}}, "imagegen.E001"),
    ({"AUDIT": {"PUBLISH_TO": {"a": {"KIND": "fax", "TARGET": "x"}}}}, "imagegen.E069"),
    ({"AUDIT": {"PUBLISH_TO": {"a": {"KIND": "folder", "TARGET": ""}}}}, "imagegen.E069"),
    ({"AUDIT": {"PUBLISH_TO": {"a": {"KIND": "webhook", "TARGET": "a.b"}}}}, "imagegen.E069"),
]


#: Mistakes in the site's other settings.
OTHER_MISTAKES: list[tuple[dict[str, Any], str, str]] = [
    ({"MEDIA_ROOT": "", "STORAGES": {"BACKEND": FILES}}, "imagegen.E084", "has no location"),
    ({"MEDIA_ROOT": "/srv", "STORAGES": {"BACKEND": FILES}}, "imagegen.E004", "are public"),
    ({"STORAGES": {}}, "imagegen.E003", "cannot be built"),
    ({"ROOT_URLCONF": "django.contrib.auth.urls"}, "imagegen.E086", "lacks the addresses"),
    ({"TASKS": {}}, "imagegen.E085", "TASKS has no backend 'default'"),
]


@pytest.mark.parametrize(("mistake", "code", "says"), OTHER_MISTAKES)
def test_a_mistake_in_another_setting_is_one_error_with_its_remedy(
    settings: Any, mistake: dict[str, Any], code: str, says: str
) -> None:
    for name, value in mistake.items():
        alias = {settings.IMAGEGEN.get("STORAGE", "imagegen"): value}
        setattr(settings, name, {**settings.STORAGES, **alias} if name == "STORAGES" else value)

    (found,) = (m for m in checks.check_settings() if str(m.id).startswith("imagegen.E"))

    assert (found.id, says in found.msg, bool(found.hint)) == (code, True, True)


def test_the_app_of_the_task_backend_is_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apps, "is_installed", lambda name: name != "django_tasks_db")

    issues = [m for m in checks.check_settings() if m.id == "imagegen.E085"]

    assert [issue.msg for issue in issues] == [
        "INSTALLED_APPS lacks django_tasks_db, which TASKS names."
    ]


def test_an_app_that_is_named_twice_is_named_in_the_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apps, "apps_ready", False)

    with pytest.raises(ImproperlyConfigured, match="names imagegen_app twice"):
        ImagegenConfig("imagegen_app", imagegen_app)


@pytest.mark.parametrize(("mistake", "code"), MISTAKES)
def test_a_wrong_setting_is_reported_with_its_remedy(
    settings: Any, mistake: dict[str, Any], code: str
) -> None:
    settings.IMAGEGEN = {**django_settings.IMAGEGEN, **mistake}

    messages = checks.check_settings()

    assert code in {message.id for message in messages}
    assert all(message.hint for message in messages)


def test_a_storage_that_cannot_be_built_is_reported(settings: Any) -> None:
    backend = {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": {"no_such": 1}}
    settings.STORAGES = {**settings.STORAGES, "imagegen": backend}

    (found,) = [
        m
        for m in django_checks.run_checks(tags=["imagegen"], databases=[])
        if m.id == "imagegen.E003"
    ]

    assert "cannot be built" in found.msg
    assert found.hint


@pytest.mark.parametrize(
    "key",
    ["sk-proj-0123456789abcdefABCDEF0123456789", "eyJhbGciOiJIUzI1NiJ9.eyJhIjoxfQ.c2lnbmF0dXJl"],
)
def test_an_api_key_in_the_settings_is_detected_and_not_printed(settings: Any, key: str) -> None:
    settings.IMAGEGEN = {
        **django_settings.IMAGEGEN,
        "CREDENTIALS": {"a": {"SOURCE": key, "HOSTS": ["api.example.com"]}},
    }

    (message,) = checks.check_settings()

    assert (message.id, "the key itself" in message.msg) == ("imagegen.E005", True)
    assert "renew the key" in str(message.hint)
    assert key not in str(message)


def test_the_most_similar_key_is_suggested(settings: Any) -> None:
    settings.IMAGEGEN = {"SUPERUSER_BYPAS": True}

    with pytest.raises(conf.InvalidSettings) as caught:
        conf.get()

    assert "SUPERUSER_BYPASS" in caught.value.hint


def test_the_demos_settings_pass_all_checks(settings: Any) -> None:
    settings.DEBUG = True

    messages = django_checks.run_checks(tags=["imagegen"], databases=[])

    assert [m.id for m in messages] == []


def test_production_needs_a_certificate_and_no_failpoints(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.DEBUG = False
    settings.IMAGEGEN = {
        **django_settings.IMAGEGEN,
        "SUPERUSER_BYPASS": True,
        "CREDENTIALS": {},
    }
    monkeypatch.setenv("IMAGEGEN_FAILPOINTS", "x@/nowhere")

    ids = {message.id for message in checks.check_deployment()}

    assert ids == {
        "imagegen.E007",
        "imagegen.E012",
        "imagegen.W028",
        "imagegen.W071",
        "imagegen.W074",
    }


def test_a_site_whose_log_would_not_name_who_changes_rights_is_warned(settings: Any) -> None:
    settings.DEBUG = True
    before = {message.id for message in checks.check_deployment()}

    settings.MIDDLEWARE = [
        name for name in settings.MIDDLEWARE if name != "imagegen_app.middleware.audit_actor"
    ]

    assert {message.id for message in checks.check_deployment()} - before == {"imagegen.W064"}


def test_a_library_that_logs_what_is_sent_is_reported_until_its_handler_redacts() -> None:
    logger = logging.getLogger("botocore.endpoint")
    handler = logging.StreamHandler(io.StringIO())
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    try:
        before = [m.msg for m in checks.check_deployment() if m.id == "imagegen.W052"]
        handler.addFilter(RedactingFilter())
        after = [m.msg for m in checks.check_deployment() if m.id == "imagegen.W052"]
    finally:
        logger.removeHandler(handler)
        logger.setLevel(logging.NOTSET)
        logger.propagate = True

    assert before == ["At DEBUG, botocore.endpoint write headers and bodies to the log."]
    assert after == []


def test_a_thumbnailer_that_removes_the_marking_is_reported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    save = engine.save_pil_image
    packet = metadata.build_xmp(metadata.XmpFields(digital_source_type=GENERATED, ai_system="x"))

    def save_marked(image: Any, **options: Any) -> Any:
        return save(image, **options, xmp=packet)

    removes = [m for m in checks.check_deployment() if m.id == "imagegen.W071"]
    monkeypatch.setattr(engine, "save_pil_image", save_marked)
    keeps = [m for m in checks.check_deployment() if m.id == "imagegen.W071"]

    assert ["imagegen_picture" in str(message.hint) for message in removes] == [True]
    assert keeps == []


def test_the_doctor_leaves_out_what_the_site_has_silenced(settings: Any) -> None:
    told = {result.message[:13] for result in doctor._settings()}
    settings.SILENCED_SYSTEM_CHECKS = [*settings.SILENCED_SYSTEM_CHECKS, "imagegen.W071"]

    assert "imagegen.W071" in told
    assert "imagegen.W071" not in {result.message[:13] for result in doctor._settings()}


@pytest.mark.parametrize("is_debug", [False, True])
def test_a_log_that_is_published_nowhere_is_reported_where_a_site_is_not_developed(
    settings: Any, is_debug: bool
) -> None:
    settings.DEBUG = is_debug

    ids = [message.id for message in django_checks.run_checks(tags=["imagegen"], databases=[])]

    assert ids == ([] if is_debug else ["imagegen.W068"])


def test_a_log_that_is_published_is_not_reported(settings: Any, tmp_path: Any) -> None:
    places = {"auditor": {"KIND": "folder", "TARGET": tmp_path}}
    settings.IMAGEGEN = {**django_settings.IMAGEGEN, "AUDIT": {"PUBLISH_TO": places}}

    assert django_checks.run_checks(tags=["imagegen"], databases=[]) == []


def test_the_hint_of_a_missing_storage_can_be_pasted(settings: Any) -> None:
    settings.IMAGEGEN = {**settings.IMAGEGEN, "STORAGE": "nowhere"}

    (error,) = (one for one in checks.check_settings() if one.id == "imagegen.E003")

    assert "'OPTIONS': {'location': BASE_DIR / 'var' / 'imagegen'" in str(error.hint)
