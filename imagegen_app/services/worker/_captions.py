"""Ask the site's captioner for an alternative text of a new image, and pay for it once."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Final, NamedTuple

from imagegen_app.services.gateways import captioning, storage
from imagegen_app.services.gateways.captioning import NO_SUGGESTION, Suggestion

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imagegen_app.providers.answers import SpooledAnswer
    from imagegen_app.services.worker._ingest import IngestedImage

#: Seconds for describing the images of one answer; those beyond get no suggestion.
MAX_SECONDS = 60.0
#: Media types that are decoded soonest, best first, and the preferred width.
_READABLE = ("image/jpeg", "image/png", "image/webp")
_READABLE_WIDTH = 640
#: Beside the answer, until its rows are written: a worker that is killed in between has paid for the
#: texts already. Named like all that is made from an answer, so that a kept one does not hold it.
_REMEMBERED: Final = "decoded-captions.json"


class SentFile(NamedTuple):
    """A file of an image, of which the captioner gets a small copy."""

    key: str
    media_type: str
    #: In pixels.
    width: int


def with_suggestions(
    images: list[IngestedImage], purpose: str, *, answer: SpooledAnswer
) -> list[IngestedImage]:
    """Return the images of an answer with suggested texts, as far as the time suffices.

    Of images that are the same to the byte the first is described, and pays for all of them.
    """
    until = time.monotonic() + MAX_SECONDS
    described: list[IngestedImage] = []
    paid: set[str] = set()
    for image in images:
        if time.monotonic() < until:
            image = _with_suggestion(image, purpose, answer)  # noqa: PLW2901 - the same image, with a text
            if image.original.sha256 in paid:
                free = replace(image.caption, cost=Decimal(0))
                image = replace(image, caption=free)  # noqa: PLW2901 - as above
            paid.add(image.original.sha256)
        described.append(image)
    return described


def _with_suggestion(image: IngestedImage, purpose: str, answer: SpooledAnswer) -> IngestedImage:
    """Return an image with a suggested text, made from its smallest file that is large enough."""
    remembered = _remembered(answer)
    suggestion = remembered.get(image.original.sha256) or _described(image, purpose)
    if suggestion != NO_SUGGESTION and image.original.sha256 not in remembered:
        _remember(answer, remembered | {image.original.sha256: suggestion})
    return replace(image, caption=captioning.screened(suggestion))


def _described(image: IngestedImage, purpose: str) -> Suggestion:
    files = [SentFile(f.key, f.media_type, f.width) for f in (*image.renditions, image.master)]
    data = data_to_send(files)
    return captioning.suggest(data, purpose=purpose) if data else NO_SUGGESTION


def data_to_send(files: Sequence[SentFile]) -> bytes:
    """Return the bytes of the smallest file that is large enough; empty if none can be read."""
    readable = [f for f in files if f.media_type in _READABLE]
    if not readable:
        return b""
    widest = max(f.width for f in readable)
    enough = [f for f in readable if f.width >= min(_READABLE_WIDTH, widest)]
    file = min(enough, key=lambda f: (f.width, _READABLE.index(f.media_type)))
    try:
        return storage.get(file.key)
    except storage.StorageFailed:
        return b""


def _remembered(answer: SpooledAnswer) -> dict[str, Suggestion]:
    """Return what an earlier reading of the answer has paid for, by the hash of the original."""
    try:
        document = json.loads(answer.read(part=_REMEMBERED))
        return {
            sha256: Suggestion(
                text=one["text"],
                captioner=one["captioner"],
                cost=Decimal(one["cost"]),
                model=one["model"],
            )
            for sha256, one in document.items()
        }
    except (OSError, ValueError, LookupError, TypeError, AttributeError, InvalidOperation):
        # None yet, or half of a file: then they are asked for again.
        return {}


def _remember(answer: SpooledAnswer, suggestions: dict[str, Suggestion]) -> None:
    document = {
        sha256: {
            "text": one.text,
            "captioner": one.captioner,
            "cost": str(one.cost),
            "model": one.model,
        }
        for sha256, one in suggestions.items()
    }
    # Without it an image is described twice after a crash, which is no reason to lose it.
    with suppress(OSError):
        partial = answer.folder / f"{_REMEMBERED}.partial"
        partial.write_text(json.dumps(document), "utf-8")
        partial.rename(answer.folder / _REMEMBERED)
