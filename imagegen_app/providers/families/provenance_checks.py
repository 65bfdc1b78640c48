"""Write and read OpenAI's check of provenance, which looks for marks of its own in a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from imagegen_app.core import multipart
from imagegen_app.core.checked_marks import MAX_RESULTS, CheckedMark
from imagegen_app.core.errors import BadResponse
from imagegen_app.core.provider_values import InvalidJson, load_json

if TYPE_CHECKING:
    from imagegen_app.core.multipart import Form
    from imagegen_app.providers.http import Reply

PATH: Final = "/content_provenance_checks"
#: 2026-11: what the endpoint takes of images.
_EXTENSIONS: Final = {"image/png": "png", "image/jpeg": "jpg", "image/webp": "webp"}
_OUTCOMES: Final = {"detected": True, "not_detected": False}


def can_read(media_type: str) -> bool:
    """Return whether the check takes images of this type."""
    return media_type in _EXTENSIONS


def form_of(data: bytes, media_type: str) -> Form:
    """Return the body of a call about one file."""
    name = f"image.{_EXTENSIONS[media_type]}"
    return multipart.encode(fields=[], files=[multipart.FormFile("file", name, media_type, data)])


def read_results(reply: Reply) -> tuple[CheckedMark, ...]:
    """Return what was looked for, and whether it was found.

    :raises BadResponse: if the answer does not say so: nothing is then known, and nothing is told.
    """
    try:
        document = load_json(reply.body)
    except InvalidJson:
        document = None
    rows = document.get("results") if isinstance(document, dict) else None
    if not isinstance(rows, list) or not rows or len(rows) > MAX_RESULTS:
        raise BadResponse(detail="the check names no results", request_id=reply.request_id)
    return tuple(_mark(row, reply) for row in rows)


def _mark(row: Any, reply: Reply) -> CheckedMark:
    kind = row.get("type") if isinstance(row, dict) else None
    outcome = row.get("outcome") if isinstance(row, dict) else None
    if not isinstance(kind, str) or not isinstance(outcome, str) or outcome not in _OUTCOMES:
        raise BadResponse(
            detail="a result of the check says neither found nor not", request_id=reply.request_id
        )
    state = row.get("validation_state")
    return CheckedMark(
        kind=kind,
        is_found=_OUTCOMES[outcome],
        state="" if state == "not_present" else state,
        issuer=row.get("issuer"),
        model=row.get("model"),
        generated_at=row.get("generated_at"),
    )
