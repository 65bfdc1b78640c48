"""Tell in time what is wrong, or soon will be, with the certificate that signs the images."""

from __future__ import annotations

import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from imagegen_app import conf
from imagegen_app.services.foundation.local_times import format_day
from imagegen_app.services.gateways import signing

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Days before the certificate expires from which it is told of, by how severe that is then.
EXPIRY_DAYS: tuple[tuple[int, Literal["info", "warning", "error"]], ...] = (
    (7, "error"),
    (30, "warning"),
    (60, "info"),
)
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


@dataclass(frozen=True, slots=True)
class CertificateFinding:
    """Something about the signing certificate or a key file that a person has to change."""

    kind: Literal["unusable", "unfit", "expires", "readable"]
    level: Literal["info", "warning", "error"]
    message: str
    remedy: str


def certificate_findings() -> list[CertificateFinding]:
    """Return the findings, worst first; fast enough for a page."""
    found = [*_usability(), *_expiry(), *_readable_keys()]
    order = {"error": 0, "warning": 1, "info": 2}
    return sorted(found, key=lambda one: order[one.level])


def _usability() -> Iterator[CertificateFinding]:
    reason = signing.unusable_reason()
    if reason:
        yield CertificateFinding(
            "unusable",
            "error",
            _("No image can be signed. %(problem)s") % {"problem": reason},
            _("Jobs wait, and continue by themselves when the certificate can be used."),
        )
        return
    for problem in signing.profile_problems():
        yield CertificateFinding(
            "unfit",
            "warning",
            _("The signing certificate does not follow the C2PA profile. %(problem)s")
            % {"problem": problem},
            _("Some readers report images that are signed with it as invalid; have it replaced."),
        )


def _expiry() -> Iterator[CertificateFinding]:
    end = signing.expires_at()
    if end is None:
        return
    left = (end - timezone.now()).days
    # An expired one is reported as unusable.
    level = next((level for days, level in EXPIRY_DAYS if 0 <= left < days), None)
    if level is None:
        return
    yield CertificateFinding(
        "expires",
        level,
        ngettext(
            "The signing certificate expires in %(days)s day, on %(day)s.",
            "The signing certificate expires in %(days)s days, on %(day)s.",
            left,
        )
        % {"days": left, "day": format_day(end)},
        _("Have it renewed, and replace the files; the workers need no restart."),
    )


def _readable_keys() -> Iterator[CertificateFinding]:
    settings = conf.get()
    for name in (settings.c2pa.private_key, settings.audit.signing_key):
        if not name:
            continue
        try:
            mode = Path(name).stat().st_mode
        except OSError:
            continue
        if mode & _OTHERS:
            yield CertificateFinding(
                "readable",
                "warning",
                _("The private key file %(file)s can be read or changed by other accounts.")
                % {"file": Path(name).name},
                _("Let only the account of the server and the workers read it: chmod 600."),
            )
