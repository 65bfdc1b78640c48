"""Speak to Black Forest Labs: FLUX models, each at a path of its own, submitted and polled.

2026-11: no idempotency key, no look-up and no cancel; how webhooks are signed is not documented, so
none is asked for. Results live ten minutes, so they are fetched by the poll that sees them.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar, Literal
from urllib.parse import quote, urlsplit

from imagegen_app.core import errors
from imagegen_app.core.capabilities import ANY_SIZE, Capabilities, InputRule, SizeRule
from imagegen_app.core.i18n import gettext_noop
from imagegen_app.core.json_paths import value_at
from imagegen_app.core.model_parameters import Parameter
from imagegen_app.core.provider_values import clean_number
from imagegen_app.core.types import InputRole, Operation, ProviderResult
from imagegen_app.providers.families import costs, masks, resolutions, statuses, submit_poll
from imagegen_app.providers.http import Auth
from imagegen_app.providers.remote import RESULT_HOSTS
from imagegen_app.providers.remote_jobs import RemoteJobs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagegen_app.core.types import Call, GenerationRequest, Submission
    from imagegen_app.providers.answers import SpooledAnswer
    from imagegen_app.providers.credentials import Credential
    from imagegen_app.providers.http import Reply

_WIDE = ("21:9", "2:1", "16:9", "3:2", "7:5", "4:3", "5:4")
_RATIOS = ("1:1", *_WIDE, "9:21", "1:2", "9:16", "2:3", "5:7", "3:4", "4:5")
_SIDES = {"768sq": 768, "1k": 1024, "1.5k": 1536, "2k": 2048, "4k": 4096}
_UPSAMPLING = {"prompt_upsampling": Parameter("bool")}
_FINE = {"steps": Parameter("int", 15, 50), "guidance": Parameter("float", 1.5, 100)}
_DEV = {"steps": Parameter("int", 1, 50), "guidance": Parameter("float", 1.5, 5)}
_FLEX = {"steps": Parameter("int", 1, 50), "guidance": Parameter("float", 1.5, 10)}
_PROMPTED = {"image_prompt_strength": Parameter("float", 0, 1)}
_ULTRA = {"raw": Parameter("bool"), **_PROMPTED}
_ANCHORS = ("center", "left", "right", "top", "bottom")
_ANCHOR = {"anchor": Parameter("choice", choices=_ANCHORS, default="center")}
_TOLERANCE = gettext_noop("How much the content filter lets pass; 0 is the strictest.")
#: 2026-11: 20 MB as base64, and 16 megapixels.
_FILES = InputRule(max_bytes=15_000_000, max_pixels=16_000_000)
_FREE = frozenset({Operation.GENERATE, Operation.EDIT})
_GENERATE = frozenset({Operation.GENERATE})


_SIDED = SizeRule(step=16, min_pixels=64 * 64, max_pixels=4_000_000)


@dataclass(frozen=True, slots=True)
class _Line:
    """What the models of one line take, and by which names."""

    operations: frozenset[Operation] = _FREE
    sizes: SizeRule = _SIDED
    #: The field of the first image; those after it are numbered, or in one list with it.
    images: str = "input_image"
    most: int = 8
    tolerance: int = 5
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    #: Whether it takes a seed and a format, as all but FLUX 3 do.
    has_seed: bool = True


_SQUARES = SizeRule(step=32, min_pixels=256 * 256, max_side=1440, max_ratio=1440 / 256)
_SHAPED = resolutions.size_rule(_RATIOS, {"": 1024})
_LARGE = resolutions.size_rule(_RATIOS, {"": 2048})
_FLUX_3 = resolutions.size_rule(_RATIOS, _SIDES)
_FILL, _EXPAND = frozenset({Operation.INPAINT}), frozenset({Operation.OUTPAINT})
#: The first entry that a model's name begins with decides; an unknown one is taken for FLUX 2.
_LINES: Mapping[str, _Line] = {
    "flux-3": _Line(_FREE, _FLUX_3, "images", 10, 4, has_seed=False),
    "flux-2-flex": _Line(parameters=_FLEX | _UPSAMPLING),
    "flux-2-klein": _Line(most=4),
    "flux-kontext": _Line(_FREE, _SHAPED, most=4, tolerance=6, parameters=_UPSAMPLING),
    "flux-pro-1.1-ultra-finetuned": _Line(
        _GENERATE, _LARGE, "image_prompt", 1, 6, _PROMPTED | _UPSAMPLING
    ),
    "flux-pro-1.1-ultra": _Line(_GENERATE, _LARGE, "image_prompt", 1, 6, _ULTRA | _UPSAMPLING),
    "flux-pro-1.1": _Line(_GENERATE, _SQUARES, "image_prompt", 1, 6, _UPSAMPLING),
    "flux-dev": _Line(_GENERATE, _SQUARES, "image_prompt", 1, 6, _DEV | _UPSAMPLING),
    "flux-pro-1.0-fill": _Line(_FILL, SizeRule(), "image", 1, 6, _FINE | _UPSAMPLING),
    "flux-pro-1.0-expand": _Line(_EXPAND, ANY_SIZE, "image", 1, 6, _ANCHOR | _FINE | _UPSAMPLING),
    "": _Line(),
}
_STAGES: Mapping[str, Literal["input", "output"]] = {
    "request moderated": "input",
    "content moderated": "output",
}
_FORBIDDEN = 403
#: Seconds to wait after a rate limit that names no time, and before the first poll.
_USUAL_WAIT, _FIRST_POLL = 5.0, 1.0
_MAX_EDGE = 2048


class BlackForestLabs(RemoteJobs):
    """An account at Black Forest Labs."""

    name: ClassVar[str] = "bfl"
    label: ClassVar[str] = "Black Forest Labs (FLUX)"
    needs_credential: ClassVar[bool] = True
    base_url: ClassVar[str] = "https://api.bfl.ai"
    key_check_path: ClassVar[str] = "/v1/credits"
    #: 2026-11: those of regions and of single clusters.
    hosts: ClassVar[tuple[str, ...]] = ("api.*.bfl.ai",)
    example_models: ClassVar[tuple[str, ...]] = (
        "flux-2-pro",
        "flux-pro-1.0-fill",
        "flux-pro-1.0-expand",
    )
    options: ClassVar[Mapping[str, Parameter]] = {
        "result_hosts": replace(RESULT_HOSTS, default=("bfl.ai", "blob.core.windows.net")),
    }
    shape: submit_poll.JobShape = submit_poll.JobShape(
        output="result.sample", error="details", terminal={"ready": "succeeded"}
    )

    def auth_with(self, credential: Credential) -> Auth:
        return Auth(credential, header="x-key", scheme="")

    def capabilities(self, model: str) -> Capabilities:
        line = _line(model)
        has_mask = line.operations == _FILL
        roles = (InputRole.IMAGE, InputRole.REFERENCE, *((InputRole.MASK,) if has_mask else ()))
        strictness = Parameter("int", 0, line.tolerance, default=2, help=_TOLERANCE)
        return Capabilities(
            operations=line.operations,
            sizes=line.sizes,
            max_prompt_chars=32_000,
            # 2026-11: FLUX 3 takes no format.
            output_formats=("png", "jpeg", "webp") if line.has_seed else ("png",),
            max_inputs=line.most,
            inputs=dict.fromkeys(roles, _FILES),
            supports_mask=has_mask,
            supports_seed=line.has_seed,
            # 2026-11, as documented: a seed is “for reproducibility”.
            is_reproducible=line.has_seed,
            parameters={**line.parameters, "safety_tolerance": strictness},
            max_loras=1 if model.endswith("-finetuned") else 0,
            lora_weights=(0.0, 2.0),
        )

    async def check_key(self) -> bool:
        try:
            return await super().check_key()
        except errors.PermissionDenied as error:
            # Every valid key may ask this; a wrong one gets no 401 here.
            raise errors.AuthenticationFailed(detail=error.detail, status=error.status) from None

    async def submit(self, request: GenerationRequest, *, answer: SpooledAnswer) -> Submission:
        self.check(request)
        del answer  # The result comes later, by `poll`.
        body = await self.build(_body, request)
        path = f"/v1/{quote(request.model, safe='')}"
        reply = await self.send("POST", path, document=body, billable=True)
        if reply.status == _FORBIDDEN:
            # Either the key is wrong, or it may not use this model.
            probe = await self.send("GET", "/v1/credits")
            kind = errors.PermissionDenied if probe.ok else errors.AuthenticationFailed
            raise statuses.instead(self.error_of(reply), kind)
        submission = self.accepted(reply)
        document = self.document_of(reply)
        return replace(
            submission,
            poll_after=submission.poll_after or _FIRST_POLL,
            state={"polling_url": str(value_at(document, "polling_url") or "")},
            reported_cost=costs.cost_at(document, "cost", units_a_dollar=100),
        )

    async def poll(self, call: Call, *, answer: SpooledAnswer) -> Submission:
        reply, document = await self._state_of(call)
        return await self.follow(document, reply, answer=answer)

    async def _state_of(self, call: Call) -> tuple[Reply, Any]:
        """Ask where the provider says, without the key unless it is meant for that host."""
        own = f"{self.base}/v1/get_result?id={quote(call.ref, safe='')}"
        url = str(call.state.get("polling_url", ""))
        if not self._is_theirs(url):
            return await self.query(own)
        if self.auth is not None and self.auth.credential.allows(url):
            return await self.query(url)
        try:
            return await self.query(url, with_key=False)
        except (errors.AuthenticationFailed, errors.PermissionDenied):
            return await self.query(own)

    async def follow(
        self,
        document: object,
        reply: Reply,
        *,
        answer: SpooledAnswer,
        note: Mapping[str, Any] | None = None,
    ) -> Submission:
        error = _end(document)
        if error is not None:
            raise error
        return await super().follow(document, reply, answer=answer, note=note)

    def read_answer(self, answer: SpooledAnswer) -> ProviderResult:
        result, document = submit_poll.read_with_document(answer, shape=self.shape)
        seed, prompt = value_at(document, "result.seed"), value_at(document, "result.prompt")
        image = replace(
            result.images[0],
            seed=seed if type(seed) is int else None,
            revised_prompt=prompt if isinstance(prompt, str) else "",
        )
        counted = replace(result.usage, credits=costs.units_at(document, "cost") or Decimal(0))
        cost = costs.cost_at(document, "cost", units_a_dollar=100)
        return replace(result, images=(image,), usage=counted, reported_cost=cost)

    def error_of(self, reply: Reply) -> errors.ProviderError:
        try:
            document = self.document_of(reply)
        except errors.BadResponse:
            document = None
        # The state of a task that failed may come with the status of an error.
        ended = _end(document)
        if ended is not None:
            return ended
        said = clean_number(value_at(document, "retry_after"), low=0.0, high=900.0)
        wait = said or _USUAL_WAIT
        return statuses.classify(reply, error_of=statuses.complaint_in, usual_wait=wait)

    def _is_theirs(self, url: str) -> bool:
        if url.startswith(self.base + "/"):
            return True
        try:
            parts = urlsplit(url)
        except ValueError:
            return False
        return parts.scheme == "https" and f".{parts.netloc}".endswith(".bfl.ai")


def _line(model: str) -> _Line:
    return next(line for start, line in _LINES.items() if model.startswith(start))


def _body(request: GenerationRequest) -> dict[str, Any]:
    """Return what is sent.

    :raises UnsupportedParameter: if it cannot be said.
    """
    line, is_tuned = _line(request.model), request.model.endswith("-finetuned")
    body = {"prompt": request.prompt, **request.parameters, **_shape(request, line=line)}
    body.pop("anchor", None)
    if line.has_seed:
        body |= {"output_format": request.output_format, "seed": request.seed}
    else:
        # Else the prompt is looked up on the web, by text and by image.
        body["grounding"] = False
    if is_tuned and not request.loras:
        raise errors.UnsupportedParameter(detail="loras: needed for this model")
    for lora in request.loras:
        body |= {"finetune_id": lora.name, "finetune_strength": lora.weight}
    images, mask = masks.split(request.inputs, style="white")
    texts = [one.base64_text for one in images]
    names = [line.images, *(f"{line.images}_{n}" for n in range(2, len(texts) + 1))]
    body |= {"images": texts} if line.images == "images" else dict(zip(names, texts, strict=False))
    body["mask"] = None if mask is None else mask.base64_text
    return {name: value for name, value in body.items() if value not in (None, "", [])}


def _shape(request: GenerationRequest, *, line: _Line) -> dict[str, Any]:
    """Return how the size is told.

    :raises UnsupportedParameter: if it cannot be made of the image.
    """
    size = request.size
    if line.sizes.ratios:
        found = {"aspect_ratio": line.sizes.ratio_of(size)}
        named = {"resolution": resolutions.nearest(size, _SIDES)}
        return found if line.has_seed else found | named
    if line.operations in {_FREE, _GENERATE}:
        return {"width": size.width, "height": size.height}
    first = next(one for one in request.inputs if one.role is not InputRole.MASK)
    if line.operations == _EXPAND:
        anchor = str(request.parameters.get("anchor", "center"))
        edges = masks.edges(first.size, size=size, anchor=anchor)
        if max(edges.values()) > _MAX_EDGE:
            raise errors.UnsupportedParameter(detail=f"size: at most {_MAX_EDGE} more at an edge")
        return dict(edges)
    if not SizeRule(ratios=(f"{first.width}:{first.height}",)).ratio_of(size):
        raise errors.UnsupportedParameter(detail="size: the result is as large as the image")
    return {}


def _end(document: object) -> errors.ProviderError | None:
    """Return how a task ended, if it ended badly."""
    said = value_at(document, "status")
    word = said.strip().lower() if isinstance(said, str) else ""
    error: errors.ProviderError | None = None
    if word in _STAGES:
        reasons = value_at(document, "details.Moderation Reasons")
        stage = _STAGES[word]
        error = errors.ContentBlocked(
            stage=stage,
            categories=tuple(reasons) if isinstance(reasons, list) else (),
            detail=word,
            billed="yes" if stage == "output" else "no",
        )
    elif word in {"error", "failed"}:
        error = errors.BadResponse(detail="the task failed")
    elif word == "task not found":
        # Expired, or not there yet: that does not tell how it ended.
        return errors.NotFound(detail=word)
    if error is not None:
        statuses.with_message(error, value_at(document, "details"))
        error.is_call_outcome = True
    return error
