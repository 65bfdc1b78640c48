"""Remove what the state folder still holds of the jobs' answers: the spool and the kept answers."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from imagegen_app.models import Attempt, KeptAnswer
from imagegen_app.services.gateways import kept_files, spool

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from uuid import UUID


def folders_of(keys: Sequence[UUID]) -> list[Path]:
    """Return the folders of these jobs' answers that exist on this host."""
    attempts = Attempt.objects.filter(job_id__in=keys).order_by("pk").values_list("pk", flat=True)
    parents = (spool.folder(), kept_files.folder())
    return [
        parent / str(attempt)
        for attempt in attempts
        for parent in parents
        if (parent / str(attempt)).exists()
    ]


def remove_folders(keys: Sequence[UUID]) -> None:
    """Remove the folders of these jobs' answers on this host."""
    for folder in folders_of(keys):
        shutil.rmtree(folder, ignore_errors=True)


def other_hosts(keys: Sequence[UUID], *, this_host: str) -> list[str]:
    """Return the hosts that remove kept answers of these jobs with their next sweep."""
    rows = KeptAnswer.objects.filter(attempt__job_id__in=keys).exclude(host__in=["", this_host])
    return sorted(set(rows.values_list("host", flat=True)))
