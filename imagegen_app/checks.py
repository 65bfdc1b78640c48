"""Django system checks for a site's settings; each message has a hint that says the remedy.

`apps` registers them; this module is imported when they run.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.conf import settings as django_settings
from django.core.checks import CheckMessage, Error
from django.core.checks import Warning as CheckWarning
from django.core.exceptions import FieldDoesNotExist
from django.core.files.storage import FileSystemStorage, InvalidStorageError, storages
from django.db import models
from django.utils.module_loading import import_string

from imagegen_app import (
    certificate_checks,
    conf,
    database,
    environment_checks,
    provider_checks,
    publication_checks,
    router_checks,
    screener_checks,
    static_checks,
    text_service_checks,
)
from imagegen_app.providers.redaction import unfiltered_loggers
from imagegen_app.services.foundation import wakeups
from imagegen_app.services.gateways import content_fields, site_code

if TYPE_CHECKING:
    from collections.abc import Iterator

_FORMATS = {"avif", "webp", "jpeg", "png"}


def check_settings(**_kwargs: Any) -> list[CheckMessage]:
    """Check `IMAGEGEN`, and the other settings that the app needs."""
    try:
        settings = conf.get()
    except conf.InvalidSettings as error:
        return [Error(str(error), hint=error.hint, id="imagegen.E001")]
    messages: list[CheckMessage] = [
        *router_checks.router_errors(),
        *static_checks.import_problems(),
    ]
    for check in (
        environment_checks.missing_drivers,
        _engine,
        _storage,
        _credentials,
        screener_checks.screeners,
        text_service_checks.captioner_problems,
        text_service_checks.text_model_problems,
        _site_code,
        _signing,
        publication_checks.place_errors,
        _targets,
        _other_settings,
        environment_checks.state_folder,
        environment_checks.missing_addresses,
    ):
        messages.extend(check(settings))
    return messages


def check_deployment(**_kwargs: Any) -> list[CheckMessage]:
    """Check what only matters in production (`manage.py check --deploy`)."""
    try:
        settings = conf.get()
    except conf.InvalidSettings:
        return []
    messages: list[CheckMessage] = []
    if os.environ.get("IMAGEGEN_FAILPOINTS"):
        messages.append(
            Error(
                "IMAGEGEN_FAILPOINTS is set.",
                hint="Failpoints kill the worker, for tests only. Remove the environment variable.",
                id="imagegen.E007",
            )
        )
    if not settings.c2pa.certificate and not django_settings.DEBUG:
        messages.append(
            Error(
                "Images are signed with a development certificate.",
                hint="Set IMAGEGEN['C2PA'] to {'CERTIFICATE': …, 'PRIVATE_KEY': …}.",
                id="imagegen.E012",
            )
        )
    messages.extend(certificate_checks.certificate_errors(settings))
    if settings.superuser_bypass:
        messages.append(
            CheckWarning(
                "Superusers can generate images without a grant.",
                hint="Remove IMAGEGEN['SUPERUSER_BYPASS'] and give them a grant.",
                id="imagegen.W028",
            )
        )
    if "imagegen_app.middleware.audit_actor" not in django_settings.MIDDLEWARE:
        messages.append(
            CheckWarning(
                "The audit log does not name who changes accounts, groups and permissions.",
                hint="Add imagegen_app.middleware.audit_actor to MIDDLEWARE,"
                " after Django's AuthenticationMiddleware.",
                id="imagegen.W064",
            )
        )
    if unfiltered := unfiltered_loggers():
        messages.append(
            CheckWarning(
                f"At DEBUG, {', '.join(unfiltered)} write headers and bodies to the log.",
                hint="Raise their level, or add the filter"
                " imagegen_app.providers.redaction.RedactingFilter to the handlers in LOGGING.",
                id="imagegen.W052",
            )
        )
    messages.extend(_keys())
    messages.extend(provider_checks.test_keys(settings))
    messages.extend(screener_checks.image_screening(settings))
    messages.extend(_thumbnails())
    return messages


def _thumbnails() -> Iterator[CheckMessage]:
    from imagegen_app.services.gateways import thumbnails  # noqa: PLC0415 - faster start

    if thumbnails.keeps_marks() is False:
        yield CheckWarning(
            "Thumbnails that easy-thumbnails makes of a generated image bear no AI marking.",
            hint="Show our own renditions instead: {% imagegen_picture %}."
            " manage.py imagegen_unmarked lists the files that are served without a mark.",
            id="imagegen.W071",
        )


def _keys() -> Iterator[CheckMessage]:
    from imagegen_app.services.gateways import usable_credentials  # noqa: PLC0415 - faster start

    for name, problem in usable_credentials.credential_problems().items():
        yield CheckWarning(
            f"IMAGEGEN['CREDENTIALS'][{name!r}] gives no key: {problem}",
            hint="Jobs of its providers wait or fail. Run this check where the workers run.",
            id="imagegen.W047",
        )


def check_databases(**_kwargs: Any) -> list[CheckMessage]:
    """Check that the web server and workers can write to an SQLite database at the same time."""
    entry: dict[str, Any] = django_settings.DATABASES.get(database.alias(), {})
    if "sqlite3" not in str(entry.get("ENGINE", "")):
        return []
    options: dict[str, Any] = entry.get("OPTIONS", {})
    wal = "wal" in str(options.get("init_command", "")).lower()
    if wal and options.get("transaction_mode") == "IMMEDIATE":
        return []
    return [
        CheckWarning(
            "SQLite runs without WAL or without immediate transactions.",
            hint=(
                "Set OPTIONS = {'transaction_mode': 'IMMEDIATE', 'timeout': 20, "
                "'init_command': 'PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;'}."
            ),
            id="imagegen.W016",
        )
    ]


def _engine(settings: conf.Settings) -> Iterator[CheckMessage]:
    if environment_checks.lacks_driver(settings.engine):
        return
    try:
        import_string(settings.engine)
    except ImportError as error:
        yield Error(
            f"The engine {settings.engine!r} cannot be imported: {error}",
            hint="Set IMAGEGEN['ENGINE'] to imagegen_app.engines.django_tasks.DjangoTasksEngine.",
            id="imagegen.E002",
        )
        return
    try:
        issues = wakeups.engine().check_settings(django_settings)
    except Exception as error:  # noqa: BLE001 - the engine's library may raise anything
        yield Error(
            f"The engine {settings.engine!r} cannot be used: {type(error).__name__}: {error}",
            hint="Complete its own settings; see the documentation of the engine's library.",
            id="imagegen.E030",
        )
        return
    for issue in issues:
        kind = Error if issue.check.startswith("E") else CheckWarning
        yield kind(issue.message, hint=issue.hint, id=f"imagegen.{issue.check}")


def _storage(settings: conf.Settings) -> Iterator[CheckMessage]:
    entry = django_settings.STORAGES.get(settings.storage, {})
    if environment_checks.lacks_driver(str(entry.get("BACKEND", ""))):
        return
    try:
        storage = storages[settings.storage]
    except InvalidStorageError:
        yield Error(
            f"STORAGES has no alias {settings.storage!r}.",
            hint=(
                f"Add STORAGES[{settings.storage!r}] = {{'BACKEND': "
                "'django.core.files.storage.FileSystemStorage', 'OPTIONS': {'location': "
                "BASE_DIR / 'var' / 'imagegen', 'allow_overwrite': True}}."
            ),
            id="imagegen.E003",
        )
        return
    except Exception as error:  # noqa: BLE001 - the library of a storage may raise anything
        yield Error(
            f"STORAGES[{settings.storage!r}] cannot be built: {type(error).__name__}: {error}",
            hint="Correct its OPTIONS, or install what it needs.",
            id="imagegen.E003",
        )
        return
    if isinstance(storage, FileSystemStorage) and not storage.base_location:
        yield Error(
            f"STORAGES[{settings.storage!r}] has no location: files would lie in the folder in which "
            "each process happens to be started.",
            hint=f"Add 'OPTIONS': {{'location': BASE_DIR / 'var' / 'imagegen'}} to "
            f"STORAGES[{settings.storage!r}].",
            id="imagegen.E084",
        )
        return
    location = getattr(storage, "location", None)
    media = str(getattr(django_settings, "MEDIA_ROOT", "") or "")
    is_in_media = bool(location and media) and Path(str(location)).resolve().is_relative_to(
        Path(media).resolve()
    )
    if is_in_media or getattr(storage, "querystring_auth", True) is False:
        yield Error(
            f"Files of STORAGES[{settings.storage!r}] are public.",
            hint="Give the alias a location outside of MEDIA_ROOT, or signed URLs.",
            id="imagegen.E004",
        )


def _credentials(settings: conf.Settings) -> Iterator[CheckMessage]:
    from imagegen_app.providers.credentials import looks_like_secret  # noqa: PLC0415 - faster start
    from imagegen_app.secret_stores import stores  # noqa: PLC0415 - as above

    known = ("env:", "file:", *stores.PREFIXES)
    for name, entry in settings.credentials.items():
        sources = (entry.source,) if isinstance(entry.source, str) else entry.source
        key = f"IMAGEGEN['CREDENTIALS'][{name!r}]"
        if not entry.hosts:
            yield Error(
                f"{key} names no hosts.",
                hint="Add 'HOSTS': ['api.example.com'], the only hosts that receive the key.",
                id="imagegen.E005",
            )
        for source in sources:
            if looks_like_secret(source):
                yield Error(
                    f"{key} seems to contain the key itself.",
                    hint="Write 'SOURCE': 'env:NAME' or 'file:/path' instead, and renew the key.",
                    id="imagegen.E005",
                )
            elif not source.startswith(known) and "." not in source:
                yield Error(
                    f"{key} has an unknown source.",
                    hint="Use env:NAME, file:/path, a place in a store of keys, or the dotted path of a "
                    "callable.",
                    id="imagegen.E005",
                )


def _site_code(settings: conf.Settings) -> Iterator[CheckMessage]:
    """Import what the settings name, and see whether it can be called as a worker will call it."""
    for issue in site_code.issues(settings):
        yield Error(issue.message, hint=issue.hint, id=f"imagegen.{issue.check}")


def _signing(settings: conf.Settings) -> Iterator[CheckMessage]:
    c2pa = settings.c2pa
    yield from certificate_checks.time_stamp_errors(settings)
    if bool(c2pa.certificate) != bool(c2pa.private_key):
        yield Error(
            "IMAGEGEN['C2PA'] names a certificate without its key, or the key alone.",
            hint="Give both CERTIFICATE and PRIVATE_KEY, or neither.",
            id="imagegen.E009",
        )
    for path in (
        c2pa.certificate,
        c2pa.private_key,
        c2pa.trust_anchors,
        settings.audit.signing_key,
    ):
        if path and not Path(path).is_file():
            yield Error(
                f"The file {path} does not exist.",
                hint="Name a PEM file that the server and the workers can read.",
                id="imagegen.E009",
            )
            return
    yield from certificate_checks.certificate_warnings(settings)


def _targets(settings: conf.Settings) -> Iterator[CheckMessage]:
    for path, entry in settings.targets.items():
        model, _dot, name = path.rpartition(".")
        try:
            options = apps.get_model(model)._meta  # noqa: SLF001 - Django's documented API
            field: Any = options.get_field(name)
        except (LookupError, ValueError, FieldDoesNotExist):
            field = None
        if not isinstance(field, models.FileField | models.ForeignKey):
            yield Error(
                f"IMAGEGEN['TARGETS'][{path!r}] is not an image field.",
                hint="Write app_label.Model.field, such as catalog.Product.image.",
                id="imagegen.E010",
            )
        elif "alt" in entry and not content_fields.has_alt_field(field.model, entry):
            yield Error(
                f"IMAGEGEN['TARGETS'][{path!r}] names no text field as its 'alt'.",
                hint="Name the model's field for the alternative text, or leave 'alt' out.",
                id="imagegen.E010",
            )
        if "texts" in entry and not isinstance(entry["texts"], list | tuple):
            yield Error(
                f"IMAGEGEN['TARGETS'][{path!r}]['texts'] is no list.",
                hint="Write the paths of the fields, such as ['name', 'description'].",
                id="imagegen.E010",
            )
        if set(entry) - {"template", "variables", "alt", "texts"} or "template" not in entry:
            yield Error(
                f"IMAGEGEN['TARGETS'][{path!r}] lacks its template.",
                hint="Write {'template': 'short-name', 'variables': {'name': 'field'}}.",
                id="imagegen.E010",
            )


def _other_settings(settings: conf.Settings) -> Iterator[CheckMessage]:
    if settings.public_url and not settings.public_url.startswith("https://"):
        yield Error(
            "IMAGEGEN['PUBLIC_URL'] is not https.",
            hint="Providers send webhooks there; write https://….",
            id="imagegen.E006",
        )
    if settings.docs_url and not settings.docs_url.startswith(("https://", "http://", "/")):
        yield Error(
            "IMAGEGEN['DOCS_URL'] is not a URL.",
            hint="Write https://… or a path that begins with /, or leave it out.",
            id="imagegen.E018",
        )
    for name, origins in (
        ("TRUSTED_ORIGINS", settings.trusted_origins),
        ("INPUT_ORIGINS", settings.input_origins),
    ):
        for origin in origins:
            if not origin.startswith(("http://", "https://")) or origin.count("/") > 2:  # noqa: PLR2004 - scheme://host
                yield Error(
                    f"IMAGEGEN[{name!r}] contains {origin!r}, which is not a valid origin.",
                    hint="Write http://host:port without a path.",
                    id="imagegen.E011",
                )
    yield from provider_checks.origin_errors(settings)
    if not settings.state_dir and getattr(django_settings, "BASE_DIR", None) is None:
        yield Error(
            "No folder for the spool and for keys is configured.",
            hint="Set IMAGEGEN['STATE_DIR'] to a folder that all workers share.",
            id="imagegen.E013",
        )
    unknown = [f for f in settings.renditions.formats if f not in _FORMATS]
    if unknown or any(w < 1 for w in settings.renditions.widths):
        yield Error(
            "IMAGEGEN['RENDITIONS'] contains an unknown format or a width below 1.",
            hint="Formats are avif, webp, jpeg, png; widths are whole numbers from 1.",
            id="imagegen.E014",
        )
    if not django_settings.USE_TZ:
        yield Error(
            "USE_TZ is off.",
            hint="Set USE_TZ = True; leases and the audit log need it.",
            id="imagegen.E029",
        )
    yield from environment_checks.pillow_limits()
