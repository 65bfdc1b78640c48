"""Speak Recraft's API: one call, one answer with base64 and with the credits that it cost.

2026-11: errors are often plain text, a mask has two values only, and images inside of masks change in
version 3 alone. Vector images are active content: models and styles that make them are refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar

from imagegen_app.core.capabilities import Capabilities, InputRule, SizeRule
from imagegen_app.core.data_handling import DataFact, facts
from imagegen_app.core.errors import (
    BadResponse,
    ContentBlocked,
    InvalidRequest,
    UnsupportedParameter,
)
from imagegen_app.core.i18n import gettext_noop
from imagegen_app.core.json_paths import value_at
from imagegen_app.core.model_parameters import Parameter
from imagegen_app.core.types import (
    InputRole,
    Operation,
    ProviderResult,
    RecoveryMethod,
    Usage,
)
from imagegen_app.providers.families import (
    base64_json,
    costs,
    described_models,
    masks,
    operation_fields,
    resolutions,
    results,
    statuses,
)
from imagegen_app.providers.families.submit_poll import items_of
from imagegen_app.providers.remote_images import RemoteImages

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from imagegen_app.core.errors import ProviderError
    from imagegen_app.core.model_descriptions import ModelDescription
    from imagegen_app.core.types import GenerationRequest, ProviderImage, Submission
    from imagegen_app.providers.answers import SpooledAnswer
    from imagegen_app.providers.http import Reply

_DRAWN = "prompt model n random_seed controls block_nsfw calculate_features"
#: The path of each operation, and the fields that it takes beside those of all.
_PATHS: Mapping[Operation, tuple[str, str]] = {
    Operation.GENERATE: ("generations", f"{_DRAWN} size negative_prompt style style_id"),
    Operation.EDIT: ("imageToImage", f"{_DRAWN} image_url strength negative_prompt style style_id"),
    Operation.INPAINT: ("inpaint", f"{_DRAWN} image_url mask_url negative_prompt style style_id"),
    Operation.ERASE: ("eraseRegion", "image_url mask_url"),
    Operation.REMOVE_BACKGROUND: ("removeBackground", "image_url"),
    Operation.UPSCALE: ("crispUpscale", "image_url"),
}
_ALONE = frozenset({Operation.ERASE, Operation.REMOVE_BACKGROUND, Operation.UPSCALE})
_WRITTEN = frozenset({Operation.GENERATE, Operation.EDIT, Operation.INPAINT})
_CONTROLS = frozenset({"colors", "background_color", "no_text", "artistic_level"})


_SIZES_3 = resolutions.listed(
    "1024x1024 1365x1024 1536x1024 1820x1024 2048x1024 1434x1024 1280x1024 1707x1024"
)
_SIZES_4 = resolutions.listed(
    "1024x1024 1216x896 1280x832 1152x896 1280x896 1344x768 1536x768", single="832x1344"
)
_SIZES_PRO = resolutions.listed(
    "2048x2048 2432x1792 2560x1664 2304x1792 2560x1792 2688x1536 3072x1536", single="1664x2688"
)
_COLOURS = {
    "colors": Parameter(
        "list",
        high=10,
        help=gettext_noop("Colours to prefer, such as #1a2b3c."),
        operations=_WRITTEN,
    ),
    "background_color": Parameter(
        "text", help=gettext_noop("The colour of the background."), operations=_WRITTEN
    ),
    "strength": Parameter(
        "float",
        low=0.0,
        high=1.0,
        default=0.5,
        help=gettext_noop("How much of the image is changed."),
        operations=frozenset({Operation.EDIT}),
    ),
    "mode": Parameter(
        "choice",
        choices=("crisp", "creative"),
        default="crisp",
        help=gettext_noop("Whether detail is only sharpened or invented, too."),
        operations=frozenset({Operation.UPSCALE}),
    ),
}
_STYLED = _COLOURS | {
    "style": Parameter("text", operations=_WRITTEN),
    "style_id": Parameter(
        "text", help=gettext_noop("The ID of a style of your own."), operations=_WRITTEN
    ),
    "artistic_level": Parameter("int", low=0, high=5, operations=_WRITTEN),
    "no_text": Parameter("bool", help=gettext_noop("Draw no letters."), operations=_WRITTEN),
}
_RASTER = InputRule(max_bytes=10 * 2**20, max_pixels=16_000_000, max_side=4096, max_count=1)
#: In pixels, of an input image.
_MIN_SIDE = 256
_MASK = InputRule(formats=("png",), max_bytes=10 * 2**20, max_count=1)


@dataclass(frozen=True, slots=True)
class _Family:
    operations: frozenset[Operation]
    sizes: SizeRule
    max_prompt_chars: int
    is_styled: bool


_OLD = _Family(_ALONE | {Operation.GENERATE}, _SIZES_3, 1000, is_styled=True)
_V3 = _Family(_ALONE | _WRITTEN, _SIZES_3, 1000, is_styled=True)
_V4 = _Family(_ALONE | {Operation.GENERATE, Operation.EDIT}, _SIZES_4, 10_000, is_styled=False)
_PRO = _Family(_V4.operations, _SIZES_PRO, 10_000, is_styled=False)
#: The first pattern that matches a model's name decides; an unknown one is taken for version 4.
_FAMILIES: tuple[tuple[str, _Family], ...] = (
    (r"recraftv2|recraft20b|refm1", _OLD),
    (r"recraftv3", _V3),
    (r"recraftv\w+_pro", _PRO),
    (r"", _V4),
)
_VECTOR_STYLE = re.compile(r"vector|icon\b", re.IGNORECASE)
_VECTOR = re.compile(rb"\s*<(?:\?xml|svg|!)", re.IGNORECASE)
_COLOUR = re.compile(r"#?([0-9a-fA-F]{2})([0-9a-fA-F]{2})([0-9a-fA-F]{2})")
#: There is no code for it everywhere.
_BLOCKED = re.compile(rb"nsfw|moderat|content policy", re.IGNORECASE)
_CONTENT_CODES = statuses.CONTENT_CODES | {"prompt_moderation", "image_moderation"}
_QUOTA_CODES = statuses.QUOTA_CODES | {"not_enough_credits", "insufficient_credits"}
_UNSAFE_SCORE = 0.5
#: A list of models.
_MAX_LIST_BYTES = 8 * 1024 * 1024


class Recraft(RemoteImages):
    """An account at Recraft."""

    name: ClassVar[str] = "recraft"
    label: ClassVar[str] = "Recraft"
    needs_credential: ClassVar[bool] = True
    base_url: ClassVar[str] = "https://external.api.recraft.ai/v1"
    key_check_path: ClassVar[str] = "/users/me"
    data_handling: ClassVar[Mapping[str, DataFact]] = facts(
        source="https://www.recraft.ai/docs/api-reference/zero-data-retention",
        checked_on="2026-11-27",
        zero_retention="setting",
    )
    recovery: ClassVar[frozenset[RecoveryMethod]] = frozenset()
    example_models: ClassVar[tuple[str, ...]] = ("recraftv3", "recraftv4_1", "recraftv4_1_pro")

    def capabilities(self, model: str) -> Capabilities:
        family = next(one for start, one in _FAMILIES if re.match(start, model))
        operations = frozenset() if model.endswith("_vector") else family.operations
        return Capabilities(
            operations=operations,
            sizes=family.sizes,
            operation_sizes=dict.fromkeys(operations - {Operation.GENERATE}, SizeRule()),
            max_count=6,
            max_prompt_chars=family.max_prompt_chars,
            output_formats=("png", "webp"),
            max_inputs=1,
            inputs={InputRole.IMAGE: _RASTER, InputRole.MASK: _MASK},
            supports_mask=True,
            supports_seed=True,
            supports_negative_prompt=family.is_styled,
            promptless=operations & _ALONE,
            parameters=_STYLED if family.is_styled else _COLOURS,
        )

    async def describe_model(self, model: str) -> ModelDescription:
        """Return whether the account has a model, and what one image of it costs."""
        _, document = await self.query("/models", limit=_MAX_LIST_BYTES)
        return described_models.of_recraft(
            document, model, source=self.address("/models"), now=self.account.clock()
        )

    async def submit(self, request: GenerationRequest, *, answer: SpooledAnswer) -> Submission:
        self.check(request)
        path, _ = _PATHS[request.operation]
        if request.parameters.get("mode") == "creative":
            path = "creativeUpscale"
        reply = await self.send(
            "POST",
            # Never the credits of a person's subscription.
            f"/images/{path}?billing=api",
            document=await self.build(_document, request),
            answer=answer,
            billable=True,
        )
        return await self.complete(reply, answer=answer, note={"seed": request.seed})

    def items_in(self, document: object) -> Sequence[object]:
        return _items(document)

    def read_answer(self, answer: SpooledAnswer) -> ProviderResult:
        read, note = base64_json.load(answer), answer.metadata()
        items = _items(read.content)
        own = results.alone(items, seed=note.get("seed"))

        def image(item: object, n: int) -> ProviderImage:
            found = results.image_of(item, n, read=read, answer=answer, note=note, own=own)
            if _VECTOR.match(found.data[:100]):
                raise BadResponse(detail="a vector image instead of pixels")
            return found

        if not items:
            raise self._error_inside(read.content)
        images, unusable = results.read_each(
            items, image, filtered=[_is_withheld(item) for item in items]
        )
        credits_ = costs.units_at(read.content, "credits") or Decimal(0)
        return ProviderResult(
            images,
            usage=Usage(images=len(items), credits=credits_),
            reported_cost=costs.cost_at(read.content, "credits", units_a_dollar=1000),
            unusable=unusable,
        )

    def error_of(self, reply: Reply) -> ProviderError:
        error = statuses.classify(
            reply,
            content_codes=_CONTENT_CODES,
            quota_codes=_QUOTA_CODES,
            error_of=lambda document: document if isinstance(document, dict) else {},
        )
        if isinstance(error, InvalidRequest) and _BLOCKED.search(reply.body):
            return statuses.instead(error, ContentBlocked, stage="input")
        return error

    def _error_inside(self, document: object) -> ProviderError:
        found = statuses.explicit_error(
            document if isinstance(document, dict) else {}, content_codes=_CONTENT_CODES
        )
        error = found or BadResponse(detail="no images in the answer")
        error.billed = "yes"
        return statuses.with_message(error, document)


def _items(document: object) -> tuple[Any, ...]:
    return items_of(value_at(document, "data") or value_at(document, "image"))


def _is_withheld(item: object) -> bool:
    """Return whether an item has a score instead of its image."""
    score = value_at(item, "features.nsfw_score")
    has_image = bool(value_at(item, "b64_json") or value_at(item, "url"))
    return not has_image and isinstance(score, int | float) and score >= _UNSAFE_SCORE


def _document(request: GenerationRequest) -> dict[str, Any]:
    _, taken = _PATHS[request.operation]
    parameters = dict(request.parameters)
    if _VECTOR_STYLE.search(str(parameters.get("style", ""))):
        raise UnsupportedParameter(detail="style: vector images are not taken")
    if request.operation is Operation.GENERATE and request.inputs:
        raise UnsupportedParameter(detail="inputs: not taken by this operation")
    if {one.role for one in request.inputs} - {InputRole.IMAGE, InputRole.MASK}:
        raise UnsupportedParameter(detail="inputs: references are not taken")
    if any(min(one.size.width, one.size.height) < _MIN_SIDE for one in request.inputs):
        # Larger ones than it takes were made smaller before.
        raise UnsupportedParameter(detail=f"inputs: a side has less than {_MIN_SIDE} pixels")
    images, mask = masks.split(request.inputs, style="white", is_binary=True)
    usual, wanted = operation_fields.asked(request, count="n", seed="random_seed")
    values: dict[str, Any] = {
        **parameters,
        **usual,
        "prompt": request.prompt,
        "model": request.model,
        "size": str(request.size),
        "controls": _controls(parameters) or None,
        "strength": parameters.get("strength", _COLOURS["strength"].default),
        "image_url": images[0].data_url if images else None,
        "mask_url": mask.data_url if mask is not None else None,
        "block_nsfw": True,
        "calculate_features": True,
    }
    wanted["mask_url"] = mask is not None
    fields = operation_fields.chosen(values, taken=taken.split(), wanted=wanted)
    return fields | {"response_format": "b64_json", "image_format": request.output_format}


def _controls(parameters: Mapping[str, Any]) -> dict[str, Any]:
    given = {name: value for name, value in parameters.items() if name in _CONTROLS}
    if "colors" in given:
        given["colors"] = [_colour(text) for text in given["colors"]]
    if "background_color" in given:
        given["background_color"] = _colour(given["background_color"])
    return given


def _colour(text: object) -> dict[str, list[int]]:
    match = _COLOUR.fullmatch(str(text))
    if match is None:
        raise UnsupportedParameter(detail="colors: to be written as #1a2b3c")
    return {"rgb": [int(part, 16) for part in match.groups()]}
