"""Speak to Stability's image services on Amazon Bedrock: JSON in, one image inside of JSON out.

A model is a service, which generates, or alters an image in one way. Blocks come inside of a success.
2026-11: no idempotency key and no look-up, so a lost answer stays unknown.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Literal
from urllib.parse import quote

from imagegen_app.core.capabilities import ANY_SIZE, Capabilities, InputRule, SizeRule
from imagegen_app.core.data_handling import DataFact, facts
from imagegen_app.core.errors import BadResponse, ContentBlocked, UnsupportedParameter
from imagegen_app.core.i18n import gettext_noop
from imagegen_app.core.json_paths import value_at
from imagegen_app.core.model_parameters import Parameter
from imagegen_app.core.types import InputRole, Operation, ProviderImage, ProviderResult
from imagegen_app.providers.families import aws, base64_json, masks, stable_image
from imagegen_app.providers.remote import Remote

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagegen_app.core.errors import Billed, ProviderError
    from imagegen_app.core.types import GenerationRequest, Submission
    from imagegen_app.providers.answers import SpooledAnswer
    from imagegen_app.providers.credentials import Credential
    from imagegen_app.providers.http import Auth, Reply

_TEXTS = "prompt negative_prompt seed"
_STYLED = f"{_TEXTS} style_preset"
_TRANSFER = f"{_TEXTS} style_strength composition_fidelity change_strength"
_BOTH = (Operation.GENERATE, Operation.EDIT)
#: By a part of the model's name: its operations, and the fields that it takes beside its images.
_SERVICES: Mapping[str, tuple[tuple[Operation, ...], str]] = {
    "sd3-": (_BOTH, f"{_TEXTS} aspect_ratio mode strength"),
    "image-ultra": (_BOTH, f"{_TEXTS} aspect_ratio strength"),
    "image-core": ((Operation.GENERATE,), f"{_TEXTS} aspect_ratio"),
    "image-inpaint": ((Operation.INPAINT,), f"{_STYLED} grow_mask"),
    "image-erase-object": ((Operation.ERASE,), "seed grow_mask"),
    "outpaint": ((Operation.OUTPAINT,), "prompt seed style_preset creativity anchor"),
    "image-search-replace": ((Operation.REPLACE,), f"{_STYLED} grow_mask search_prompt"),
    "image-search-recolor": ((Operation.RECOLOUR,), f"{_STYLED} grow_mask select_prompt"),
    "image-remove-background": ((Operation.REMOVE_BACKGROUND,), ""),
    "fast-upscale": ((Operation.UPSCALE,), ""),
    "conservative-upscale": ((Operation.UPSCALE,), f"{_TEXTS} creativity"),
    "creative-upscale": ((Operation.UPSCALE,), f"{_STYLED} creativity"),
    "image-control-sketch": ((Operation.CONTROL,), _STYLED),
    "image-control-structure": ((Operation.CONTROL,), _STYLED),
    "image-style-guide": ((Operation.CONTROL,), f"{_STYLED} aspect_ratio"),
    # It alters the image that it is handed, so what it makes is labelled as an edit.
    "style-transfer": ((Operation.EDIT,), _TRANSFER),
}
_KINDS = {
    "image-control-sketch": "sketch",
    "image-control-structure": "structure",
    "image-style-guide": "style",
}
_GUIDES = {**dict.fromkeys(_KINDS, InputRole.CONTROL), "style-transfer": InputRole.STYLE}
_PARAMETERS = {
    **stable_image.PARAMETERS,
    **dict.fromkeys(("style_strength", "composition_fidelity"), Parameter("float", 0, 1)),
    "change_strength": Parameter("float", 0.1, 1),
}
#: Two of them fit into a body of 25 MB as base64.
_FILE = InputRule(max_bytes=8 * 1024 * 1024, max_pixels=9_437_184, max_count=1)
_SMALL_FILES = {
    "fast-upscale": replace(_FILE, max_pixels=1_048_576, max_side=1536),
    "creative-upscale": replace(_FILE, max_pixels=1_048_576),
}
_MORE_FORMATS: Mapping[str, tuple[str, ...]] = {"image-ultra": (), "image-core": ()}
_REGION = re.compile(r"\bbedrock-runtime(?:-fips)?\.([a-z0-9-]+)\.")
#: By the end of a reason: where what was filtered came from, and whether it is billed.
_FILTERED: Mapping[str, tuple[Literal["input", "output", "unknown"], Billed]] = {
    "prompt": ("input", "no"),
    "input image": ("input", "no"),
    "output image": ("output", "unknown"),
    "": ("unknown", "unknown"),
}


class Bedrock(Remote):
    """An account at AWS, in one region."""

    name: ClassVar[str] = "bedrock"
    label: ClassVar[str] = "Amazon Bedrock (Stability)"
    needs_credential: ClassVar[bool] = True
    base_url: ClassVar[str] = "https://bedrock-runtime.us-west-2.amazonaws.com"
    #: 2026-11: one in each region. With `s3` in its place, a bucket of anybody's would be one too.
    hosts: ClassVar[tuple[str, ...]] = ("bedrock-runtime.{region}.amazonaws.com",)
    data_handling: ClassVar[Mapping[str, DataFact]] = facts(
        source="https://docs.aws.amazon.com/bedrock/latest/userguide/data-retention.html",
        checked_on="2026-11-27",
        zero_retention="setting",
    )
    request_id_header: ClassVar[str] = aws.REQUEST_ID_HEADER
    kept_headers: ClassVar[frozenset[str]] = frozenset({aws.ERROR_HEADER})
    example_models: ClassVar[tuple[str, ...]] = (
        "stability.stable-image-ultra-v1:1",
        "stability.stable-image-core-v1:1",
        "stability.sd3-5-large-v1:0",
        # These services are offered by way of inference profiles only.
        *(f"us.stability.stable-{part}-v1:0" for part in [*_SERVICES][3:]),
    )
    options: ClassVar[Mapping[str, Parameter]] = {
        "region": Parameter(
            default="",
            help=gettext_noop(
                "The region that calls are signed for, where the base URL names none."
            ),
        ),
        "models": Parameter(
            "json",
            default={},
            help=gettext_noop(
                "The model behind an inference profile, by the profile, where its name does not tell it."
            ),
        ),
    }

    def auth_with(self, credential: Credential) -> Auth:
        named = _REGION.search(self.base)
        region = named[1] if named else self.option("region")
        return aws.AwsAuth(credential, service="bedrock", region=region)

    def capabilities(self, model: str) -> Capabilities:
        name, operations, fields = self._service(model)
        roles = (InputRole.IMAGE, InputRole.MASK, _GUIDES.get(name, InputRole.IMAGE))
        parameters = {one: rule for one, rule in _PARAMETERS.items() if one in fields}
        if "creativity" in fields:
            parameters["creativity"] = Parameter("float", 0.1, 1 if name == "outpaint" else 0.5)
        return Capabilities(
            operations=frozenset(operations),
            sizes=stable_image.RATIOS if "aspect_ratio" in fields else SizeRule(),
            operation_sizes={Operation.EDIT: SizeRule(), Operation.OUTPAINT: ANY_SIZE},
            max_prompt_chars=stable_image.MAX_PROMPT_CHARS,
            output_formats=("png", "jpeg", *_MORE_FORMATS.get(name, ("webp",))),
            max_inputs={"image-core": 0, "style-transfer": 2}.get(name, 1),
            inputs=dict.fromkeys(roles, _SMALL_FILES.get(name, _FILE)),
            supports_mask=name in {"image-inpaint", "image-erase-object"},
            supports_seed="seed" in fields,
            supports_negative_prompt="negative_prompt" in fields,
            promptless=frozenset() if "prompt" in fields else frozenset(operations),
            control_kinds=(_KINDS[name],) if name in _KINDS else (),
            parameters=parameters,
        )

    def _service(self, model: str) -> tuple[str, tuple[Operation, ...], list[str]]:
        hidden = self.option("models")
        shown = str(hidden.get(model, model)) if isinstance(hidden, dict) else model
        name = next((part for part in _SERVICES if part in shown), "image-core")
        operations, fields = _SERVICES[name]
        return name, operations, fields.split()

    async def submit(self, request: GenerationRequest, *, answer: SpooledAnswer) -> Submission:
        self.check(request)
        document = await self.build(self._document, request)
        path = f"/model/{quote(request.model, safe='')}/invoke"
        reply = await self.send("POST", path, document=document, answer=answer, billable=True)
        return await self.kept(reply, answer=answer)

    def _document(self, request: GenerationRequest) -> dict[str, object]:
        name, _, fields = self._service(request.model)
        stable_image.check_images(request, min_side=32 if name == "fast-upscale" else 64)
        is_edit, guide = request.operation is Operation.EDIT, stable_image.guide_of(request)
        said = {
            "prompt": request.prompt,
            "negative_prompt": request.negative_prompt,
            "seed": stable_image.seed_of(request),
            "mode": "image-to-image" if is_edit else "text-to-image",
            "strength": _PARAMETERS["strength"].default if is_edit else None,
            "aspect_ratio": None if is_edit else stable_image.RATIOS.ratio_of(request.size),
        }
        document = {one: value for one, value in said.items() if value and one in fields}
        document |= {"output_format": request.output_format, **request.parameters}
        if guide is not None:
            document |= stable_image.strength_of(guide, kind=_KINDS.get(name, ""))
        if name == "outpaint":
            anchor = str(document.pop("anchor", "center"))
            document |= stable_image.growth(request, anchor=anchor)
        image = "init_image" if name == "style-transfer" else "image"
        names = {InputRole.MASK: "mask", InputRole.STYLE: "style_image"}
        for one in masks.restyled(request.inputs, style="white"):
            document[names.get(one.role, image)] = one.base64_text
        if name == "style-transfer" and not {"init_image", "style_image"} <= document.keys():
            raise UnsupportedParameter(detail="style_images: an image and a style are needed")
        return document

    def read_answer(self, answer: SpooledAnswer) -> ProviderResult:
        read = base64_json.load(answer)
        lists = (value_at(read.content, name) for name in ("finish_reasons", "images", "seeds"))
        reason, image, seed = (one[0] if isinstance(one, list) and one else None for one in lists)
        if isinstance(reason, str) and reason.startswith("Filter reason"):
            end = next(end for end in _FILTERED if reason.endswith(end))
            stage, billed = _FILTERED[end]
            raise ContentBlocked(stage=stage, detail=f"filtered: {end}", billed=billed)
        if reason:
            raise BadResponse(detail="the model failed", billed="unknown")
        number = re.fullmatch(r"\d{1,10}", str(seed))
        return ProviderResult(
            (ProviderImage(read.image(image), seed=int(number[0]) if number else None),)
        )

    def error_of(self, reply: Reply) -> ProviderError:
        return aws.error_of(reply)
