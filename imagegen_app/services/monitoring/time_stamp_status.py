"""Tell whether images get a time stamp, and how many were signed without."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from imagegen_app import conf
from imagegen_app.core.states import WaitingReason
from imagegen_app.models import Asset, Job
from imagegen_app.services.foundation import clock
from imagegen_app.services.gateways import signing

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Images that were signed without a stamp are reported for so many days.
UNSTAMPED_DAYS = 7


@dataclass(frozen=True, slots=True)
class TimeStampFinding:
    """Something about time stamps that a person should know, or has to change."""

    level: Literal["ok", "warning", "error"]
    message: str
    remedy: str = ""


def time_stamp_findings() -> list[TimeStampFinding]:
    """Return the findings; the authority is asked for a stamp, and has half a minute to answer."""
    if not conf.get().c2pa.tsa_url:
        return [_no_authority()]
    return [*_authority(), *_waiting(), *_unstamped()]


def _no_authority() -> TimeStampFinding:
    return TimeStampFinding(
        # A development certificate proves nothing anyway.
        "warning" if conf.get().c2pa.certificate else "ok",
        _(
            "No time-stamp authority is configured: when the signing certificate has expired, its "
            "images read as intact with an expired certificate."
        ),
        _("Set IMAGEGEN['C2PA']['TSA_URL'] to an RFC 3161 authority. New images are then stamped."),
    )


def _authority() -> Iterator[TimeStampFinding]:
    try:
        found = signing.probe_time_stamp()
    except signing.CertificateUnusable:
        # Reported as such.
        return
    if found is None:
        waits = conf.get().c2pa.tsa_on_error != "sign"
        yield TimeStampFinding(
            "error" if waits else "warning",
            _("The time-stamp authority gave no valid time stamp. New images wait for it.")
            if waits
            else _("The time-stamp authority gave no valid time stamp. New images get none."),
            _("Check IMAGEGEN['C2PA']['TSA_URL'] and the authority behind it."),
        )
    elif not found.is_time_trusted:
        yield TimeStampFinding(
            "warning",
            _(
                "The certificate of the time-stamp authority is not trusted here: its time stamps "
                "do not count when the signing certificate has expired."
            ),
            _(
                "Add the authority's root certificate to the file of "
                "IMAGEGEN['C2PA']['TRUST_ANCHORS']."
            ),
        )


def _waiting() -> Iterator[TimeStampFinding]:
    waiting = Job.objects.unfinished().filter(waiting_for=WaitingReason.TIME_STAMP.value)
    images = sum(waiting.values_list("count", flat=True))
    if images:
        yield TimeStampFinding(
            "error",
            ngettext(
                "%(count)s image waits for a time stamp.",
                "%(count)s images wait for a time stamp.",
                images,
            )
            % {"count": images},
            _("They continue by themselves; or set IMAGEGEN['C2PA']['TSA_ON_ERROR'] to sign."),
        )


def _unstamped() -> Iterator[TimeStampFinding]:
    since = clock.now() - timedelta(days=UNSTAMPED_DAYS)
    count = Asset.objects.filter(
        created_at__gte=since, marked_at__isnull=False, stamped_at__isnull=True
    ).count()
    if count:
        yield TimeStampFinding(
            "warning",
            ngettext(
                "%(count)s image of the last %(days)s days was signed without a time stamp.",
                "%(count)s images of the last %(days)s days were signed without a time stamp.",
                count,
            )
            % {"count": count, "days": UNSTAMPED_DAYS},
            _("Generate what must be stamped again; a file that is published is not signed anew."),
        )
