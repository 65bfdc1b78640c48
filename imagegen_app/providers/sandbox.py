"""Draw images in this process: no key, no network, no cost, and always the same answer.

For demos, for tests, and for trying out templates before money is spent.
"""

from __future__ import annotations

import asyncio
import json
import math
from typing import TYPE_CHECKING, Any, ClassVar

from imagegen_app.core.capabilities import Capabilities, InputRule, SizeRule
from imagegen_app.core.data_handling import DataFact, facts
from imagegen_app.core.errors import BadResponse
from imagegen_app.core.failpoints import failpoint
from imagegen_app.core.i18n import gettext_noop
from imagegen_app.core.model_parameters import Parameter
from imagegen_app.core.provider_values import load_json
from imagegen_app.core.types import (
    InputRole,
    Operation,
    ProviderImage,
    ProviderResult,
    RecoveryMethod,
    Submission,
    SubmissionStatus,
    Usage,
)
from imagegen_app.providers.base import Account
from imagegen_app.providers.drawing import rendering
from imagegen_app.providers.families import results
from imagegen_app.providers.remote import Remote

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from imagegen_app.core.types import GenerationRequest
    from imagegen_app.providers.answers import SpooledAnswer

CAPABILITIES = Capabilities(
    operations=frozenset(Operation),
    sizes=SizeRule(step=8, min_pixels=64 * 64, max_side=2048),
    max_count=8,
    max_prompt_chars=32_000,
    qualities=("auto", "low", "medium", "high"),
    output_formats=("png", "jpeg", "webp"),
    backgrounds=("auto", "opaque", "transparent"),
    max_inputs=8,
    inputs={role: InputRule(max_bytes=32 * 1024 * 1024) for role in InputRole},
    supports_mask=True,
    supports_seed=True,
    is_reproducible=True,
    supports_negative_prompt=True,
    parameters={
        "anchor": Parameter(
            "choice",
            choices=("center", "left", "right", "top", "bottom"),
            default="center",
            help=gettext_noop("Where the image stays when it is extended."),
            operations=frozenset({Operation.OUTPAINT}),
        ),
        "style": Parameter("text"),
        "strength": Parameter("float", low=0.0, high=1.0),
    },
    control_kinds=("canny", "depth", "pose", "scribble"),
    max_loras=4,
)
_MAX_IMAGE_BYTES = 32 * 1024 * 1024


class Sandbox(Remote):
    """An adapter without a provider."""

    name: ClassVar[str] = "sandbox"
    label: ClassVar[str] = "Sandbox (draws locally, no key, no cost)"
    is_remote: ClassVar[bool] = False
    data_handling: ClassVar[Mapping[str, DataFact]] = facts(
        source="imagegen_app.providers.sandbox",
        checked_on="2026-11-27",
        input_retention=0,
        output_retention=0,
        zero_retention="always",
        training="no",
        marks=[],
    )
    #: Repeating a call costs nothing and gives the same images, however late.
    recovery: ClassVar[frozenset[RecoveryMethod]] = frozenset({RecoveryMethod.IDEMPOTENCY_KEY})
    idempotency_seconds: ClassVar[float] = math.inf
    example_models: ClassVar[tuple[str, ...]] = ("sandbox-1",)
    options: ClassVar[Mapping[str, Parameter]] = {
        "latency": Parameter(
            "float", low=0, high=600, default=0.0, help=gettext_noop("Seconds that a call takes.")
        )
    }

    def __init__(self, account: Account | None = None) -> None:
        super().__init__(account or Account())

    def capabilities(self, model: str) -> Capabilities:
        del model
        return CAPABILITIES

    async def submit(self, request: GenerationRequest, *, answer: SpooledAnswer) -> Submission:
        self.check(request)
        failpoint("submit.half_body")
        if latency := self.option("latency"):
            await asyncio.sleep(latency)
        seed = rendering.first_seed(request)
        items = []
        for n in range(request.count):
            data = await asyncio.to_thread(rendering.render_image, request, seed=seed + n)
            part = f"image-{n}"
            await answer.write(_once(data), limit=_MAX_IMAGE_BYTES, part=part)
            items.append({"part": part, "seed": seed + n})
        failpoint("submit.after_send_before_answer")
        body = {"images": items, "format": request.output_format}
        await answer.write(_once(json.dumps(body).encode()), limit=_MAX_IMAGE_BYTES)
        await asyncio.to_thread(answer.finish, {"asked": request.count, "request_id": ""})
        return Submission(SubmissionStatus.ANSWERED)

    def read_answer(self, answer: SpooledAnswer) -> ProviderResult:
        try:
            body = load_json(answer.read())
            items, media_type = list(body["images"]), f"image/{body['format']}"
        except (OSError, ValueError, LookupError, TypeError):
            raise BadResponse(detail="the sandbox's answer is damaged") from None
        images, unusable = results.read_each(
            items, lambda item, _n: _image(item, answer=answer, media_type=media_type)
        )
        return ProviderResult(
            images=images,
            usage=Usage(images=len(items)),
            model_version="sandbox-1",
            unusable=unusable,
        )


def _image(item: Any, *, answer: SpooledAnswer, media_type: str) -> ProviderImage:
    try:
        data = answer.read(part=item["part"])
        return ProviderImage(data=data, claimed_media_type=media_type, seed=item["seed"])
    except (OSError, LookupError, TypeError):
        raise BadResponse(detail="an image of the sandbox is missing") from None


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data
