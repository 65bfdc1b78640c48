"""Read the answers that OpenAI's Images API streams: images on their way, and the finished one."""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from imagegen_app.core.errors import ContentBlocked, OutcomeUnknown, ProviderError
from imagegen_app.core.provider_values import InvalidJson, load_json
from imagegen_app.providers.families import base64_text, openai_like
from imagegen_app.providers.families.base64_text import NotBase64
from imagegen_app.providers.families.statuses import detail_of, error_in, short_word
from imagegen_app.providers.http import EventReader

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from imagegen_app.core.types import GenerationRequest
    from imagegen_app.providers.answers import SpooledAnswer
    from imagegen_app.providers.base import PreviewHook
    from imagegen_app.providers.http import Reply
    from imagegen_app.providers.http.events import EventKind

#: How the names of finished images end: `image_generation.completed`, `image_edit.completed`.
_COMPLETED: Final = ".completed"
#: The name of an event that tells of an error, and its type where it is not wrapped in an object.
_ERROR: Final = "error"
#: A longer answer holds an image, and is no error.
_MAX_ERROR_BYTES: Final = 64 * 1024
_TYPE = re.compile(rb'"type"\s*:\s*"([\w.]{1,80})"')
#: The statuses that these codes and types have as answers of their own.
_STATUSES: Final[Mapping[str, int]] = {
    "authentication_error": 401,
    "invalid_api_key": 401,
    "invalid_request_error": 400,
    "model_not_found": 404,
    "permission_error": 403,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
}
_UNKNOWN_OUTCOME: Final = 500


def streamed(request: GenerationRequest, *, partial_images: int) -> GenerationRequest:
    """Return a request whose answer is a stream with so many images on their way."""
    asked = {"stream": True, "partial_images": partial_images}
    return replace(request, parameters={**request.parameters, **asked})


class ImageEvents(EventReader):
    """The events of one call; hands on the images on their way."""

    def __init__(self, on_preview: PreviewHook) -> None:
        self._on_preview = on_preview
        #: How many images on their way came.
        self.previews = 0
        #: Whether the answer is a stream at all: some servers answer as if it were not asked for.
        self.has_begun = False
        #: Whether the answer is an error by its name or its data.
        self.has_failed = False

    def kind_of(self, name: str, data: bytes, *, is_whole: bool) -> EventKind:
        """Return what an event is; without a name its data tells, as for OpenAI's own client."""
        self.has_begun = True
        if is_whole:
            document = _document_in(data)
            kind = short_word(document, "type")
            if document.get("error") or (document and _ERROR in {name, kind}):
                # The client takes any such event for the end of the call, whatever it is called.
                self.has_failed = True
                return "answer"
            name = name or kind
        elif not name:
            found = _TYPE.search(data)
            name = found[1].decode() if found else ""
        if name.endswith(openai_like.PARTIAL_EVENT):
            return "aside"
        if name.endswith(_COMPLETED):
            return "answer"
        # A short event of an unknown kind holds no image; a long one may be the one that is paid for.
        return "other" if is_whole else "answer"

    async def look_at(self, data: bytes) -> None:
        """Hand on an image on its way, if it can be read."""
        self.previews += 1
        image = await asyncio.to_thread(_image_in, data)
        if image:
            self._on_preview(image)


def _document_in(data: bytes) -> dict[str, Any]:
    try:
        document = load_json(data)
    except InvalidJson:
        # Such as `[DONE]`.
        return {}
    return document if isinstance(document, dict) else {}


def _image_in(data: bytes) -> bytes:
    text = _document_in(data).get("b64_json")
    try:
        return base64_text.decode(text) if isinstance(text, str) else b""
    except NotBase64:
        return b""


def error_of(
    answer: SpooledAnswer,
    reply: Reply,
    *,
    events: ImageEvents,
    classify: Callable[[Reply], ProviderError],
) -> ProviderError | None:
    """Return the error that a stream ended with, sorted by `classify` as an answer of its own.

    None if it ended with an image. What the provider had begun to make may be billed.
    """
    if answer.body_path.stat().st_size > _MAX_ERROR_BYTES:
        return None
    body = answer.read()
    document = _document_in(body)
    # What is not wrapped in an object stands beside the event's type.
    said = error_in(document)
    if not said and events.has_failed:
        said, body = document, json.dumps({"error": document}).encode()
    if not said:
        return None
    words = (short_word(said, "code").lower(), short_word(said, "type").lower())
    status = next((_STATUSES[word] for word in words if word in _STATUSES), _UNKNOWN_OUTCOME)
    error = classify(replace(reply, status=status, body=body))
    # The status is our own.
    error.status, error.detail = reply.status, f"in the stream: {detail_of(said, status=None)}"
    if isinstance(error, ContentBlocked):
        if events.previews or error.stage != "input":
            error.billed = "yes"
            error.counted = openai_like.counted_in(document)
    elif events.previews and error.billed == "no":
        error = OutcomeUnknown(
            detail=error.detail, status=error.status, request_id=error.request_id
        )
    return error
