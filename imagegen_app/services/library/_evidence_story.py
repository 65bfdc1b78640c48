"""Write the page of an evidence pack that a lawyer reads and prints: one file, nothing to load."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING, Any

from django.template.loader import render_to_string
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from imagegen_app.core.actors import Person
from imagegen_app.models import AuditEvent
from imagegen_app.services.audit import descriptions
from imagegen_app.services.gateways import publication_status
from imagegen_app.services.library import pictures, provider_marks, summary

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from django.db.models import QuerySet

    from imagegen_app.core.actors import Actor
    from imagegen_app.core.log_restores import AcceptedRestore
    from imagegen_app.models import Asset, FormerFile, JobInput

#: Media types that every browser and printer shows.
_SHOWN = {"jpg": "image/jpeg", "jpeg": "image/jpeg", "png": "image/png", "webp": "image/webp"}
#: A larger picture is not put into the page.
_MAX_PICTURE_BYTES = 2 * 1024 * 1024
_STYLE = "imagegen_app/evidence/story.css"


@dataclass(frozen=True, slots=True)
class PackedInput:
    """An input image in the pack."""

    entry: JobInput
    #: Its file in the pack; empty if the storage no longer holds it.
    name: str


def write_story(
    asset: Asset,
    *,
    reader: Actor,
    files: Mapping[str, bytes],
    hashes: Mapping[str, str],
    inputs: Sequence[PackedInput],
    former: QuerySet[FormerFile],
    credentials: str,
    vkey: str,
    restores: Sequence[AcceptedRestore],
) -> bytes:
    """Return the page; `files` are those of the pack so far, with the exported events.

    `former` are the files of the image and of its ancestors as they were before an erasure;
    `restores` are those of the log.
    """
    reviewer = asset.reviewed_by
    # All of it, the sentences too: the page says that its times are UTC.
    with timezone.override(UTC):
        context: dict[str, Any] = {
            "asset": asset,
            "language": translation.get_language() or "en",
            "is_rtl": translation.get_language_bidi(),
            "style": _data_uri("text/css", render_to_string(_STYLE).encode()),
            "picture": _picture(files),
            "now": timezone.now(),
            "sentences": summary.summarize(reader, asset),
            "label": pictures.label_text(asset),
            "credentials": credentials,
            "provider_marks": provider_marks.lines(asset),
            "approver": summary.display_name(reviewer) if asset.reviewed_at else "",
            "maker": _actor_name(reader),
            "published": _published(asset, files),
            "placements": asset.placements.select_related("placed_by").order_by("pk"),
            "inputs": inputs,
            "events": _events(files["events.jsonl"]),
            "former": former.select_related("asset", "rendition").order_by("pk"),
            "hashes": sorted(hashes.items()),
            "vkey": vkey,
            "restores": [publication_status.restore_warning(one) for one in restores],
        }
        return render_to_string("imagegen_app/evidence/story.html", context).encode()


def _published(asset: Asset, files: Mapping[str, bytes]) -> list[tuple[str, int, int, int]]:
    """Return name, width, height and bytes of the published files, largest first."""
    found = [
        (name, asset.width, asset.height, len(data))
        for name, data in files.items()
        if name.startswith("master.")
    ]
    for name, data in files.items():
        if name.startswith("renditions/"):
            width, _cross, height = (
                name.removeprefix("renditions/").partition(".")[0].partition("x")
            )
            found.append((name, int(width), int(height), len(data)))
    return sorted(found, key=lambda one: (-one[1], one[0]))


def _events(lines: bytes) -> list[descriptions.EventDescription]:
    uids = [json.loads(line)["uid"] for line in lines.splitlines()]
    found = descriptions.describe_events(AuditEvent.objects.filter(uid__in=uids))
    return sorted(found, key=lambda one: -1 if one.seq is None else one.seq)


def _picture(files: Mapping[str, bytes]) -> str:
    """Return a picture of the image that is part of the page; empty if none is small enough."""
    fitting = [
        (len(data), name)
        for name, data in files.items()
        if name.startswith(("renditions/", "master."))
        and name.rpartition(".")[2] in _SHOWN
        and len(data) <= _MAX_PICTURE_BYTES
    ]
    if not fitting:
        return ""
    _size, name = max(fitting)
    return _data_uri(_SHOWN[name.rpartition(".")[2]], files[name])


def _data_uri(media_type: str, data: bytes) -> str:
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"


def _actor_name(actor: Actor) -> str:
    return summary.display_name(actor.user) if isinstance(actor, Person) else _("The system")
