"""Write calls to servers that speak like OpenAI, and read the images and the usage in their answers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from imagegen_app.core import multipart
from imagegen_app.core.errors import (
    BadResponse,
    ContentBlocked,
    ProviderError,
    UnsupportedParameter,
)
from imagegen_app.core.types import InputRole, Operation, ProviderResult, Usage
from imagegen_app.providers.families import base64_json, masks, results
from imagegen_app.providers.families.statuses import (
    detail_of,
    error_in,
    explicit_error,
    short_word,
    with_message,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from imagegen_app.core.types import GenerationRequest
    from imagegen_app.providers.answers import SpooledAnswer
    from imagegen_app.providers.http import Reply

#: Formats that we accept; svg is active content and gif is animated, whatever the server offers.
RASTER_FORMATS = ("png", "jpeg", "webp")
#: How the names of events end that hold an image on its way.
PARTIAL_EVENT = ".partial_image"
#: Never go onto the wire: they steer what we do ourselves.
_OURS = frozenset({"anchor"})
#: 2026-11: the multipart form of edits has no such field.
_JSON_ONLY = frozenset({"moderation"})
_VARY = "Make a variation of this image: same subject and style, another composition."
_CUT_OUT = "Remove the background. Keep the subject exactly as it is."


def is_generation(request: GenerationRequest) -> bool:
    """Tell whether a request has no images, so that it is JSON for `/images/generations`."""
    return request.operation is Operation.GENERATE and not request.inputs


def fields_of(request: GenerationRequest) -> dict[str, Any]:
    """Return the fields of a call.

    :raises UnsupportedParameter: if they do not go together.
    """
    background = request.background
    prompt = request.prompt
    if request.operation is Operation.REMOVE_BACKGROUND:
        if background not in {"", "transparent"}:
            raise UnsupportedParameter(detail="background: none is left by this operation")
        background, prompt = "transparent", prompt or _CUT_OUT
    elif request.operation is Operation.VARY:
        prompt = prompt or _VARY
    fields: dict[str, Any] = {"model": request.model, "prompt": prompt, "n": request.count}
    if request.operation is not Operation.REMOVE_BACKGROUND:
        fields["size"] = str(request.size)
    fields["output_format"] = request.output_format
    optional = {
        "quality": request.quality,
        "background": background,
        "safety_identifier": request.end_user,
    }
    fields |= {name: value for name, value in optional.items() if value}
    if "output_compression" in request.parameters and request.output_format == "png":
        raise UnsupportedParameter(detail="output_compression: for jpeg and webp only")
    return fields | {n: given for n, given in request.parameters.items() if n not in _OURS}


def body_of(
    request: GenerationRequest,
    fields: Mapping[str, Any],
    *,
    mask_name: str = "mask",
    mask_style: masks.MaskStyle = "alpha",
) -> multipart.Form:
    """Return what a call sends: JSON for a generation, a form with the images for an edit.

    Servers that copy the API have other names for a mask, and other colours in it.

    :raises InvalidRequest: if an image cannot be read or is larger than it is to become.
    :raises UnsupportedParameter: if something cannot be said of an edit.
    """
    if is_generation(request):
        body = json.dumps(fields, ensure_ascii=False).encode()
        return multipart.Form(body, "application/json")
    if lost := sorted(_JSON_ONLY & fields.keys()):
        raise UnsupportedParameter(detail=f"{lost[0]}: not taken with input images")
    inputs = masks.restyled(request.inputs, style=mask_style)
    images = [i for i in inputs if i.role is not InputRole.MASK]
    marks = [i.data for i in inputs if i.role is InputRole.MASK]
    sources = [(image.media_type, image.data) for image in images]
    if request.operation is Operation.OUTPAINT:
        anchor = str(request.parameters.get("anchor", "center"))
        wide, mask = masks.padded(images[0].data, size=request.size, anchor=anchor)
        sources[0], marks = ("image/png", wide), [mask]
    # One file goes as `image`, several as a repeated `image[]`: what the official client sends.
    name = "image" if len(sources) == 1 else "image[]"
    files = [
        multipart.FormFile(name, f"image-{n}.{kind.removeprefix('image/')}", kind, data)
        for n, (kind, data) in enumerate(sources)
    ]
    files += [multipart.FormFile(mask_name, "mask.png", "image/png", mask) for mask in marks]
    return multipart.encode(
        fields=[(key, _text(value)) for key, value in fields.items()],
        files=files,
    )


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def note_of(request: GenerationRequest, reply: Reply) -> dict[str, Any]:
    """Return what `read_images` has to know of a call."""
    return {
        "asked": request.count,
        "output_format": request.output_format,
        "headers": dict(reply.headers),
    }


def read_images(
    answer: SpooledAnswer, *, error_of: Callable[[object], Mapping[str, Any]] = error_in
) -> ProviderResult:
    """Decode an images answer; its note tells `asked`, `output_format` and `request_id`.

    `error_of` finds the error in a document, as for `statuses.classify`.

    :raises ContentBlocked: if the answer is a refusal with status 200.
    :raises BadResponse: if it is not the JSON of images, or none of them can be used.
    """
    note = answer.metadata()
    request_id = str(note.get("request_id", ""))
    try:
        return _images_in(base64_json.load(answer), answer=answer, note=note, error_of=error_of)
    except ProviderError as error:
        error.request_id = error.request_id or request_id
        raise


def items_in(document: object) -> list[object]:
    """Return the items of an answer's document if some have to be fetched; else none."""
    items = _listed(document).get("data") if isinstance(document, dict) else None
    if not isinstance(items, list) or all(results.address_of(item) is None for item in items):
        return []
    return items


def _images_in(
    read: base64_json.Document,
    *,
    answer: SpooledAnswer,
    note: Mapping[str, Any],
    error_of: Callable[[object], Mapping[str, Any]],
) -> ProviderResult:
    document = _listed(read.content)
    items = document.get("data") if isinstance(document, dict) else None
    if not isinstance(items, list) or not items:
        nothing = BadResponse(detail="no images in the answer")
        raise _error_inside(error_of(document), document) or nothing
    resolved = {
        name: short_word(document, name)
        for name in ("size", "quality", "background", "output_format")
        if short_word(document, name)
    }
    claimed = resolved.get("output_format") or str(note.get("output_format", ""))
    try:
        images, unusable = results.read_each(
            items,
            lambda item, n: results.image_of(
                item, n, read=read, answer=answer, note=note, claimed=claimed
            ),
        )
    except BadResponse as nothing:
        # An error beside images counts only if none of them can be used.
        raise _error_inside(error_of(document), document) or nothing from None
    asked = note.get("asked")
    if isinstance(asked, int) and asked > len(images):
        resolved["count"] = f"{len(images)} of {asked}"
    return ProviderResult(
        images=images,
        usage=usage_of(document.get("usage"), images=len(images) + len(unusable)),
        model_version=short_word(document, "model"),
        resolved=resolved,
        unusable=unusable,
    )


def _listed(document: Any) -> Any:
    """Return a document that lists its images; an event of a stream is its only image itself.

    :raises BadResponse: if that is an image on its way.
    """
    is_image = isinstance(document, dict) and bool({"b64_json", "url"} & document.keys())
    if not is_image or "data" in document:
        return document
    if str(document.get("type", "")).endswith(PARTIAL_EVENT):
        raise BadResponse(detail="only an unfinished image came")
    return {**document, "data": [document]}


def _error_inside(error: Mapping[str, Any], document: object) -> ProviderError | None:
    """Return the error of an answer that claims success, if it holds one, with what it counts."""
    if not error:
        return None
    found = explicit_error(error)
    if isinstance(found, ContentBlocked):
        # Unlike a refusal with an error's status: the images were made, and then filtered.
        found.billed = "yes"
        found.counted = counted_in(document)
    nearer = found or BadResponse(detail="error inside a success: " + detail_of(error, status=None))
    return with_message(nearer, error)


def counted_in(document: object) -> ProviderResult:
    """Return what a document without usable images counts."""
    counts = document.get("usage") if isinstance(document, dict) else None
    return ProviderResult(images=(), usage=usage_of(counts, images=0))


def usage_of(document: object, *, images: int) -> Usage:
    """Read the token counts of an answer; what is missing or odd counts as zero."""
    if not isinstance(document, dict):
        return Usage(images=images)
    inputs = document.get("input_tokens_details")
    outputs = document.get("output_tokens_details")
    text, image = _count(inputs, "text_tokens"), _count(inputs, "image_tokens")
    drawn, written = _count(outputs, "image_tokens"), _count(outputs, "text_tokens")
    # Without details, all of the input is text, and the rest of the output is images.
    text = text if text or image else _count(document, "input_tokens")
    drawn = drawn or max(0, _count(document, "output_tokens") - written)
    cached_text, cached_image = _cached(inputs, text=text, image=image)
    return Usage(
        input_text_tokens=text - cached_text,
        cached_input_text_tokens=cached_text,
        input_image_tokens=image - cached_image,
        cached_input_image_tokens=cached_image,
        output_image_tokens=drawn,
        output_text_tokens=written,
        images=images,
    )


def _cached(inputs: object, *, text: int, image: int) -> tuple[int, int]:
    """Return how many of the text and image tokens of an input were cached."""
    cached = _count(inputs, "cached_tokens")
    details = inputs.get("cached_tokens_details") if isinstance(inputs, dict) else None
    cached_text, cached_image = _count(details, "text_tokens"), _count(details, "image_tokens")
    if not cached_text and not cached_image:
        # Without details: the text comes first in what a provider caches.
        cached_text, cached_image = cached, max(0, cached - text)
    return min(cached_text, text), min(cached_image, image)


def _count(document: object, name: str) -> int:
    value = document.get(name) if isinstance(document, dict) else None
    return value if type(value) is int and 0 <= value < 1 << 40 else 0
