"""Check the machine and the process that the app runs in, for `manage.py check`."""

from __future__ import annotations

import importlib.util
import os
from typing import TYPE_CHECKING

from django.conf import settings as django_settings
from django.core.checks import CheckMessage, Error
from django.core.checks import Warning as CheckWarning
from django.urls import NoReverseMatch, reverse

from imagegen_app import conf
from imagegen_app.secret_stores import stores

if TYPE_CHECKING:
    from collections.abc import Iterator


#: What a dotted path of the settings begins with, the module that it needs, and the extra with it.
_DRIVERS = (
    ("imagegen_app.engines.celery.", "celery", "celery"),
    ("imagegen_app.engines.rq.", "django_rq", "rq"),
    ("storages.backends.s3", "storages", "s3"),
    ("storages.backends.s3", "boto3", "s3"),
    ("storages.backends.gcloud.", "storages", "gcs"),
    ("storages.backends.gcloud.", "google.cloud.storage", "gcs"),
    ("storages.backends.azure_storage.", "storages", "azure"),
    ("storages.backends.azure_storage.", "azure.storage.blob", "azure"),
)


def lacks_driver(dotted_path: str) -> bool:
    """Return whether what a setting names needs a package that is not installed."""
    return any(
        dotted_path.startswith(prefix) and not _is_installed(module)
        for prefix, module, _extra in _DRIVERS
    )


def missing_drivers(settings: conf.Settings) -> Iterator[CheckMessage]:
    """Yield an error for each setting that needs packages that are not installed."""
    for setting, path in _named_backends(settings):
        needed = [(module, extra) for prefix, module, extra in _DRIVERS if path.startswith(prefix)]
        missing = [module for module, _extra in needed if not _is_installed(module)]
        if missing:
            # One line tells what to install, also where two packages are missing.
            yield _missing(*missing, setting=setting, extra=needed[0][1])
    broker = str(getattr(django_settings, "CELERY_BROKER_URL", "") or "")
    if ".celery." in settings.engine and broker.startswith("redis") and not _is_installed("redis"):
        yield _missing("redis", setting="CELERY_BROKER_URL", extra="celery")
    for name, entry in settings.credentials.items():
        sources = (entry.source,) if isinstance(entry.source, str) else entry.source
        for source in sources:
            if stores.package_problem(source):
                package, extra = stores.package_of(source)
                yield _missing(package, setting=f"IMAGEGEN['CREDENTIALS'][{name!r}]", extra=extra)


def _named_backends(settings: conf.Settings) -> Iterator[tuple[str, str]]:
    yield "IMAGEGEN['ENGINE']", settings.engine
    alias = settings.storage
    entry = django_settings.STORAGES.get(alias, {})
    yield f"STORAGES[{alias!r}]", str(entry.get("BACKEND", ""))


def _missing(*modules: str, setting: str, extra: str) -> CheckMessage:
    needs = (
        f"the package {modules[0]}, which is"
        if len(modules) == 1
        else f"the packages {' and '.join(modules)}, which are"
    )
    return Error(
        f"{setting} needs {needs} not installed.",
        hint=f"pip install 'imagegen-app[{extra}]'",
        id="imagegen.E090",
    )


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        # The package that it lies in is missing.
        return False


def state_folder(settings: conf.Settings) -> Iterator[CheckMessage]:
    """Yield a warning if the state folder cannot be written to, or its disk is nearly full."""
    try:
        folder = conf.state_dir()
    except conf.InvalidSettings:
        return
    existing = folder
    while not existing.exists() and existing != existing.parent:
        existing = existing.parent
    try:
        disk = os.statvfs(existing)
    except OSError:
        return
    free, mark = disk.f_bavail * disk.f_frsize, settings.spool.min_free_bytes
    problem = ""
    if not os.access(existing, os.W_OK | os.X_OK) or disk.f_flag & os.ST_RDONLY:
        problem = "cannot be written to"
    elif free < mark:
        problem = f"has {free // 1024**2} MB free, less than the {mark // 1024**2} MB to be kept"
    if problem:
        yield CheckWarning(
            f"The state folder {folder} {problem}: no call is sent.",
            hint="Make room or correct IMAGEGEN['STATE_DIR'], or lower SPOOL's MIN_FREE_BYTES.",
            id="imagegen.W051",
        )


def missing_addresses(_settings: conf.Settings) -> Iterator[CheckMessage]:
    """Yield an error if the site's URL configuration lacks ours: no image could be shown."""
    if not getattr(django_settings, "ROOT_URLCONF", None):
        return
    try:
        reverse("imagegen:file", args=["name.webp"])
    except NoReverseMatch:
        yield Error(
            "The site's URL configuration lacks the addresses of the images.",
            hint="Add path('imagegen/', include('imagegen_app.urls')) to ROOT_URLCONF's urlpatterns.",
            id="imagegen.E086",
        )


def pillow_limits() -> Iterator[CheckMessage]:
    """Yield a warning if Pillow's own limits were loosened."""
    from PIL import Image, ImageFile  # noqa: PLC0415 - faster start

    if Image.MAX_IMAGE_PIXELS is None or ImageFile.LOAD_TRUNCATED_IMAGES:
        yield CheckWarning(
            "Pillow's limits were loosened for the whole process.",
            hint="Find the package that sets MAX_IMAGE_PIXELS or LOAD_TRUNCATED_IMAGES.",
            id="imagegen.W021",
        )
