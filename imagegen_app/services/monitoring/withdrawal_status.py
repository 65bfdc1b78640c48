"""Say what withdrawals and erasures still have to do outside of the database, and why it waits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db.models import Q
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from imagegen_app.models import OutboxEntry
from imagegen_app.services.foundation import clock
from imagegen_app.services.gateways import cache_purge

if TYPE_CHECKING:
    from datetime import datetime

    from imagegen_app.models import Asset

#: The code of a failure of a storage that holds files of the site.
STORAGE_FAILED = "storage"
#: What is outstanding for longer is reported, though nothing failed: no worker may be running.
LATE_SECONDS = 600


@dataclass(frozen=True, slots=True)
class Outstanding:
    """One thing that a withdrawal or an erasure still has to do."""

    kind: str
    message: str
    #: Why the last try failed; empty before the first.
    problem: str
    #: None where the storage is asked at each clearing run.
    next_try: datetime | None
    failures: int


@dataclass(frozen=True, slots=True)
class LateWithdrawals:
    """How many images, or files of them, are not gone everywhere, and what to do."""

    message: str
    remedy: str


def outstanding(asset: Asset) -> list[Outstanding]:
    """Return what the withdrawal of an asset, or an erasure, still has to do."""
    found = [
        Outstanding(
            entry.kind,
            _message(entry.kind),
            problem_text(entry.problem),
            entry.due_at,
            entry.failures,
        )
        for entry in OutboxEntry.objects.filter(asset=asset).order_by("pk")
    ]
    copies = sum(placed.has_copy_to_delete for placed in asset.placements.all())
    if copies:
        message = ngettext(
            "%(count)s copy is not deleted yet: its storage failed.",
            "%(count)s copies are not deleted yet: their storage failed.",
            copies,
        )
        found.append(Outstanding("files", message % {"count": copies}, "", None, 1))
    return found


def late_withdrawals() -> list[LateWithdrawals]:
    """Return what has failed or waits for long, in one query; each kind with its last problem."""
    late = OutboxEntry.objects.filter(Q(failures__gt=0) | Q(created_at__lt=clock.ago(LATE_SECONDS)))
    problems: dict[str, str] = {}
    images: dict[str, set[object]] = {}
    for kind, asset, problem in late.order_by("pk").values_list("kind", "asset", "problem")[:1000]:
        problems[kind] = problem or problems.get(kind, "")
        images.setdefault(kind, set()).add(asset)
    return [_late(kind, len(images[kind]), problem_text(problems[kind])) for kind in images]


def problem_text(code: str) -> str:
    """Return why a try failed, for people; empty for none."""
    if not code:
        return ""
    return {
        cache_purge.NO_ANSWER: _("The site's function did not return in time."),
        cache_purge.STILL_RUNNING: _("An earlier call of the site's function still runs."),
        cache_purge.UNUSABLE: _("IMAGEGEN['PURGE'] cannot be used; see manage.py check."),
        STORAGE_FAILED: _("A storage of the site's files failed."),
    }.get(code) or _("It failed with %(error)s.") % {"error": code}


def _message(kind: str) -> str:
    if kind == "purge":
        return _("The site's caches may still hold files of the image.")
    if kind == "former":
        return _("The site's files are being searched for copies that tell an erased text.")
    if kind == "delete":
        return _("A copy that told an erased text was replaced, and is not deleted yet.")
    return _("The site's files are being searched for copies of the image.")


def _late(kind: str, count: int, problem: str) -> LateWithdrawals:
    if kind == "purge":
        message = ngettext(
            "Files of %(count)s image that was withdrawn or rewritten may still be in the site's caches.",
            "Files of %(count)s images that were withdrawn or rewritten may still be in the site's caches.",
            count,
        )
        remedy = _("Repair the function in IMAGEGEN['PURGE']; a worker calls it again.")
    elif kind == "copies":
        message = ngettext(
            "Copies of %(count)s withdrawn image are still being looked for.",
            "Copies of %(count)s withdrawn images are still being looked for.",
            count,
        )
        remedy = _("Start a worker, or repair the storage of the site's files.")
    else:
        message = ngettext(
            "Copies of %(count)s image may still tell an erased text.",
            "Copies of %(count)s images may still tell an erased text.",
            count,
        )
        remedy = _("Start a worker, or repair the storage of the site's files.")
    return LateWithdrawals(f"{message % {'count': count}} {problem}".strip(), remedy)
