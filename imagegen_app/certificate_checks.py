"""Check the certificates and keys that sign images and the log, for `manage.py check`."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from django.core.checks import CheckMessage, Error
from django.core.checks import Info as CheckInfo
from django.core.checks import Warning as CheckWarning

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imagegen_app import conf
    from imagegen_app.services.monitoring.certificate_status import CertificateFinding


def certificate_warnings(settings: conf.Settings) -> Iterator[CheckMessage]:
    """Yield what is wrong with the certificates and key files, as information and warnings."""
    # No errors here: the workers have to start, so that jobs can wait and say what for.
    for one in _certificate_findings(settings):
        if one.kind == "readable":
            yield CheckWarning(
                one.message,
                hint="Let only the account of the server and the workers read it: chmod 600.",
                id="imagegen.W062",
            )
        elif one.kind == "expires" and one.level == "info":
            yield CheckInfo(
                one.message,
                hint="Order its renewal; the files can be replaced without a restart.",
                id="imagegen.W061",
            )
        elif one.kind == "expires":
            yield CheckWarning(
                one.message,
                hint="Have it renewed now, and replace the files; no restart is needed.",
                id="imagegen.W061",
            )
        else:
            yield CheckWarning(
                one.message,
                hint="Have it replaced or corrected; jobs wait while it cannot be used.",
                id="imagegen.W060",
            )


def time_stamp_errors(settings: conf.Settings) -> Iterator[CheckMessage]:
    """Yield what is not valid in the settings of time stamps."""
    url = urlsplit(settings.c2pa.tsa_url)
    if settings.c2pa.tsa_url and not (url.scheme in {"http", "https"} and url.hostname):
        yield Error(
            "IMAGEGEN['C2PA']['TSA_URL'] is not the URL of a time-stamp authority.",
            hint="Write http://host/path or https://host/path, as the authority names it.",
            id="imagegen.E064",
        )
    if settings.c2pa.tsa_on_error not in {"wait", "sign"}:
        yield Error(
            f"IMAGEGEN['C2PA']['TSA_ON_ERROR'] is {settings.c2pa.tsa_on_error!r}, which is unknown.",
            hint="Use wait (images wait for their stamp) or sign (they are signed without).",
            id="imagegen.E064",
        )


def certificate_errors(settings: conf.Settings) -> Iterator[CheckMessage]:
    """Yield what must be mended before a release goes to production."""
    for one in _certificate_findings(settings):
        if one.level == "error":
            yield Error(
                one.message,
                hint="Have the certificate renewed before images are published with this release.",
                id="imagegen.E063",
            )


def _certificate_findings(settings: conf.Settings) -> list[CertificateFinding]:
    """Return what is wrong with the configured certificate and keys; [] without any of them."""
    if not (settings.c2pa.certificate or settings.audit.signing_key):
        return []
    from imagegen_app.services.monitoring import certificate_status  # noqa: PLC0415 - faster start

    return certificate_status.certificate_findings()
