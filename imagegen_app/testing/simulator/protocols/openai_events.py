"""Write OpenAI's answers as a stream of events: images on their way, and the finished one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from imagegen_app.core.types import Operation
from imagegen_app.testing.simulator import asgi, generation
from imagegen_app.testing.simulator.refusals import Refused

if TYPE_CHECKING:
    from imagegen_app.core.types import GenerationRequest

MEDIA_TYPE = "text/event-stream"
_MAX_PARTIAL_IMAGES = 3
#: How unclear the first image on its way is.
_BLUR = 32
_BOOLEANS: Mapping[Any, bool] = {True: True, False: False, "true": True, "false": False}
#: What each event repeats of the answer.
_REPEATED = ("background", "output_format", "quality", "size")


@dataclass(frozen=True, slots=True)
class Streaming:
    """How the answer is streamed."""

    partial_images: int = 0

    def answer(
        self,
        document: Mapping[str, Any],
        *,
        request: GenerationRequest,
        image: generation.DrawnImage,
        pause: float = 0.0,
    ) -> asgi.Answer:
        """Return the stream of an answer with one image."""
        kind = _kind(request)
        said = {name: document[name] for name in _REPEATED} | {"created_at": document["created"]}
        finished = {**said, **document["data"][0], "usage": document["usage"]}
        last = _event(f"{kind}.completed", finished)
        return self._stream(said, last, request=request, image=image, pause=pause)

    def error(
        self,
        document: Mapping[str, Any],
        *,
        request: GenerationRequest,
        image: generation.DrawnImage,
    ) -> asgi.Answer:
        """Return a stream that ends in an error, although it began as a success."""
        said = dict.fromkeys(_REPEATED, "auto") | {"output_format": "png", "created_at": 0}
        last = b"data: " + json.dumps(document).encode() + b"\n\n"
        return self._stream(said, last, request=request, image=image)

    def _stream(
        self,
        said: Mapping[str, Any],
        last: bytes,
        *,
        request: GenerationRequest,
        image: generation.DrawnImage,
        pause: float = 0.0,
    ) -> asgi.Answer:
        """Return a stream of images on their way, each clearer than the one before, and a last event."""
        # Until it is finished, the stream says what was asked for.
        asked = {**said, "quality": request.quality or "auto", "size": str(request.size)}
        pieces, ends = [], []
        for n in range(self.partial_images):
            rough = generation.blurred(image, radius=_BLUR >> n)
            text = generation.base64_of(rough, fault=None)
            event = {**asked, "b64_json": text, "partial_image_index": n}
            pieces.append(_event(f"{_kind(request)}.partial_image", event))
            ends.append(sum(map(len, pieces)))
        body = b"".join([*pieces, last])
        return asgi.Answer(200, body, MEDIA_TYPE, pauses_after=tuple(ends), pause=pause)


def streaming_of(document: Mapping[str, Any]) -> Streaming | None:
    """Return how the caller wants its answer streamed; None where it does not.

    :raises Refused: if it cannot be streamed like that.
    """
    stream, partial = document.get("stream", False), document.get("partial_images", 0)
    if stream not in _BOOLEANS:
        raise Refused(400, "invalid_type", "stream: expected a boolean", param="stream")
    if not str(partial).isdecimal() or int(partial) > _MAX_PARTIAL_IMAGES:
        raise Refused(400, "invalid_value", "from 0 to 3", param="partial_images")
    if not _BOOLEANS[stream]:
        if "partial_images" in document:
            message = "partial_images is only supported with stream"
            raise Refused(400, "invalid_value", message, param="partial_images")
        return None
    if int(document.get("n", 1)) != 1:
        raise Refused(400, "invalid_value", "Streaming is only supported with n=1.", param="n")
    return Streaming(int(partial))


def _kind(request: GenerationRequest) -> str:
    return "image_generation" if request.operation is Operation.GENERATE else "image_edit"


def _event(name: str, data: Mapping[str, Any]) -> bytes:
    return f"event: {name}\ndata: {json.dumps({'type': name, **data})}\n\n".encode()
