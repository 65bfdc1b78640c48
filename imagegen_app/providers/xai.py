"""Speak to xAI: Grok's images, made and edited by JSON, with the exact price in each answer.

Synchronous. 2026-11: no idempotency key, no look-up, so a lost answer stays unknown. Images that are
sent along with a generation are ignored without a word, and billed: only an edit may have them.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from imagegen_app.core.capabilities import Capabilities, InputRule, SizeRule
from imagegen_app.core.data_handling import DataFact, facts
from imagegen_app.core.errors import (
    AuthenticationFailed,
    BadResponse,
    ContentBlocked,
    ProviderError,
    QuotaExhausted,
    UnsupportedParameter,
)
from imagegen_app.core.json_paths import value_at
from imagegen_app.core.provider_values import InvalidJson, clean_count, load_json
from imagegen_app.core.types import (
    Cost,
    InputRole,
    Operation,
    ProviderImage,
    ProviderResult,
    Usage,
)
from imagegen_app.providers.families import base64_json, openai_like, resolutions, results, statuses
from imagegen_app.providers.remote_images import RemoteImages

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagegen_app.core.types import GenerationRequest, Submission
    from imagegen_app.providers.answers import SpooledAnswer
    from imagegen_app.providers.http import Reply

_WIDE = ("4:3", "3:2", "16:9", "2:1", "19.5:9", "20:9")
_RATIOS = ("1:1", *_WIDE, "3:4", "2:3", "9:16", "1:2", "9:19.5", "9:20")
_SIDES = {"1k": 1024, "2k": 2048}
#: The first entry that a model's name begins with decides: qualities, and images of one edit. An
#: unknown model is taken for one of the newest line.
_MODELS: Mapping[str, tuple[tuple[str, ...], int]] = {
    "grok-imagine-image-2": (("low", "medium"), 5),
    "grok-imagine-image": ((), 3),
    "": (("low", "medium"), 5),
}
#: What is taken where no quality is chosen; it is always said, since the price depends on it.
_USUAL = {Operation.GENERATE: "low", Operation.EDIT: "medium"}
_FILES = InputRule(formats=openai_like.RASTER_FORMATS, max_bytes=20 * 1024 * 1024)
#: Texts beside the images of an answer that explain nothing.
_FACTS = frozenset({"created", "error", "id", "model", "object"})
#: What is chosen for a call, and kept with its answer.
_CHOSEN = frozenset({"aspect_ratio", "quality", "resolution"})
_NO_KEY = re.compile(rb"(?:incorrect|invalid) api key", re.IGNORECASE)
#: How a text begins that has no code of its own: 2026-11, as they are answered.
_OUTPUT_BLOCKED = re.compile(
    r"(?:generated images? )?rejected by content moderation", re.IGNORECASE
)
_INPUT_BLOCKED = re.compile(r"content violates usage guidelines", re.IGNORECASE)
_CHECK = re.compile(r"\bSAFETY_CHECK_TYPE_\w{1,40}")
_USED_UP = re.compile(
    r"(?:your|the) team\b[^.]{0,80}\bused all available credits"
    r"|your newly created teams?\b[^.]{0,40}\bany credits",
    re.IGNORECASE,
)
_TICKS = 10**10
_MAX_TICKS = _TICKS * 100_000
_BAD_REQUEST = 400


class XAI(RemoteImages):
    """An account at xAI."""

    name: ClassVar[str] = "xai"
    label: ClassVar[str] = "xAI (Grok)"
    needs_credential: ClassVar[bool] = True
    base_url: ClassVar[str] = "https://api.x.ai/v1"
    key_check_path: ClassVar[str] = "/models"
    data_handling: ClassVar[Mapping[str, DataFact]] = facts(
        source="https://docs.x.ai/docs/faq/security",
        checked_on="2026-11-27",
        input_retention=720,
        output_retention=720,
        zero_retention="setting",
        training="opt_in",
    )
    names_models: ClassVar[bool] = True
    example_models: ClassVar[tuple[str, ...]] = ("grok-imagine-image-2.0",)

    def capabilities(self, model: str) -> Capabilities:
        qualities, most = _line(model)
        return Capabilities(
            operations=frozenset({Operation.GENERATE, Operation.EDIT}),
            sizes=resolutions.size_rule(_RATIOS, _SIDES),
            max_count=10,
            max_prompt_chars=8000,
            qualities=qualities,
            # 2026-11: what comes is a JPEG, and no other format can be asked for.
            output_formats=("jpeg",),
            max_inputs=most,
            inputs=dict.fromkeys((InputRole.IMAGE, InputRole.REFERENCE), _FILES),
        )

    async def submit(self, request: GenerationRequest, *, answer: SpooledAnswer) -> Submission:
        self.check(request)
        body = await self.build(_body, request)
        path = "/images/edits" if request.inputs else "/images/generations"
        reply = await self.send("POST", path, document=body, answer=answer, billable=True)
        sent = {name: body[name] for name in _CHOSEN & body.keys()}
        note = {"asked": request.count, "sent": sent}
        return await self.complete(reply, answer=answer, note=note)

    def error_of(self, reply: Reply) -> ProviderError:
        error = statuses.classify(reply, error_of=_error_in)
        if reply.status == _BAD_REQUEST and _NO_KEY.search(reply.body):
            # A wrong key is a bad request here, and only a sentence says so.
            return statuses.instead(error, AuthenticationFailed)
        return _told_by_text(reply, error)

    def read_answer(self, answer: SpooledAnswer) -> ProviderResult:
        read, note = base64_json.load(answer), answer.metadata()
        items, cost = value_at(read.content, "data"), _cost(read.content)

        def image(item: object, n: int) -> ProviderImage:
            if _is_withheld(item):
                raise BadResponse(detail="withheld by the provider's moderation")
            return results.image_of(item, n, read=read, answer=answer, note=note, claimed="jpeg")

        listed = items if isinstance(items, list) else []
        if all(map(_is_withheld, listed)):
            error = _without_images(read.content, is_withheld=bool(listed), cost=cost)
            error.counted = None if cost is None else ProviderResult((), reported_cost=cost)
            error.request_id = str(note.get("request_id", ""))
            raise error
        images, unusable = results.read_each(listed, image)
        sent, asked = value_at(note, "sent"), note.get("asked")
        resolved = dict(sent) if isinstance(sent, dict) else {}
        if isinstance(asked, int) and asked > len(images):
            resolved["count"] = f"{len(images)} of {asked}"
        return ProviderResult(
            images=images,
            usage=Usage(images=len(images) + len(unusable)),
            model_version=statuses.short_word(read.content, "model"),
            reported_cost=cost,
            resolved=resolved,
            unusable=unusable,
        )


def _line(model: str) -> tuple[tuple[str, ...], int]:
    return next(line for start, line in _MODELS.items() if model.startswith(start))


def _body(request: GenerationRequest) -> dict[str, Any]:
    """Return what is sent.

    :raises UnsupportedParameter: if a generation has images.
    """
    if request.inputs and request.operation is Operation.GENERATE:
        raise UnsupportedParameter(detail="inputs: ignored in a generation; ask for an edit")
    size, (qualities, _) = request.size, _line(request.model)
    body: dict[str, Any] = {
        "model": request.model,
        "prompt": request.prompt,
        "n": request.count,
        "response_format": "b64_json",
        "aspect_ratio": SizeRule(ratios=_RATIOS).ratio_of(size),
        "resolution": resolutions.nearest(size, _SIDES),
    }
    if qualities:
        body["quality"] = request.quality or _USUAL[request.operation]
    if request.end_user:
        body["user"] = request.end_user
    images = [{"type": "image_url", "url": one.data_url} for one in request.inputs]
    if images:
        body |= {"images": images} if len(images) > 1 else {"image": images[0]}
    return body


def _error_in(document: object) -> dict[str, Any]:
    """Return the words of an error, which has one of three forms."""
    error = statuses.error_in(document)
    return {"code": value_at(document, "code"), **error}


def _told_by_text(reply: Reply, error: ProviderError) -> ProviderError:
    """Return what a refusal means whose status tells another thing, by how its text begins."""
    try:
        document = load_json(reply.body)
    except InvalidJson:
        return error
    said = str(statuses.error_in(document).get("message") or "")
    if _USED_UP.match(said):
        return statuses.instead(error, QuotaExhausted)
    if _INPUT_BLOCKED.match(said):
        # There may be a fee for it, which the answer does not tell.
        found = tuple(_CHECK.findall(said[:1000]))
        return statuses.instead(
            error, ContentBlocked, stage="input", categories=found, billed="unknown"
        )
    if not _OUTPUT_BLOCKED.match(said):
        return error
    cost = _cost(document)
    billed: Literal["yes", "no"] = "no" if cost is not None and not cost.amount else "yes"
    blocked = statuses.instead(error, ContentBlocked, stage="output", billed=billed)
    if cost is not None:
        blocked.counted = ProviderResult((), reported_cost=cost)
    return blocked


def _is_withheld(item: object) -> bool:
    has_image = value_at(item, "b64_json") or value_at(item, "url")
    return value_at(item, "respect_moderation") is False and not has_image


def _cost(document: object) -> Cost | None:
    ticks = clean_count(value_at(document, "usage.cost_in_usd_ticks"), most=_MAX_TICKS)
    return None if ticks is None else Cost(Decimal(ticks) / _TICKS, "USD")


def _without_images(document: object, *, is_withheld: bool, cost: Cost | None) -> ProviderError:
    """Return why an answer has no images, and whether it was billed nevertheless."""
    billed: Literal["yes", "no"] = "no" if cost is not None and not cost.amount else "yes"
    if is_withheld:
        return ContentBlocked(stage="output", detail="respect_moderation", billed=billed)
    names = document.keys() if isinstance(document, dict) else ()
    explained = [n for n in names if n not in _FACTS and isinstance(value_at(document, n), str)]
    if explained:
        blocked = ContentBlocked(stage="input", detail="a reason instead of images", billed=billed)
        return statuses.with_message(blocked, [value_at(document, name) for name in explained])
    return BadResponse(detail="no images in the answer", billed=billed)
