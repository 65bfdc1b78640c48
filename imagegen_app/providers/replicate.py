"""Speak to Replicate: predictions of official models (`owner/name`) and of pinned versions
(`owner/name:digest`), whose inputs are named by the model's own schema.

2026-11: no idempotency key and no reference of ours. A lost call is told by its webhook, or found by
its input: without a seed of the requester's, each call has one of its own.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote

from imagegen_app.core import multipart
from imagegen_app.core.capabilities import Capabilities, InputRule, SizeRule
from imagegen_app.core.data_handling import DataFact, facts
from imagegen_app.core.errors import BadResponse, NotFound, UnsupportedParameter
from imagegen_app.core.i18n import Message, gettext_noop
from imagegen_app.core.json_paths import value_at
from imagegen_app.core.model_descriptions import ModelDescription, ModelPage
from imagegen_app.core.model_parameters import Parameter
from imagegen_app.core.types import InputRole, Operation, RecoveryMethod
from imagegen_app.providers.families import (
    described_models,
    described_requests,
    masks,
    submit_poll,
)
from imagegen_app.providers.families.named_models import CODEFORMER, wordless_operations
from imagegen_app.providers.remote import RESULT_HOSTS, asked_in_vain
from imagegen_app.providers.remote_jobs import RemoteJobs

if TYPE_CHECKING:
    from imagegen_app.core.types import Call, GenerationRequest, ImageInput, Submission
    from imagegen_app.providers.answers import SpooledAnswer

_PICTURES = frozenset({InputRole.IMAGE, InputRole.REFERENCE})
_MASKED = frozenset({Operation.GENERATE, Operation.EDIT, Operation.INPAINT})
_MINUTES = gettext_noop("Minutes that a call may take before it is stopped.")
_BLOCKED = rf"nsfw|flagged as sensitive|\(E005\)|{submit_poll.SAFETY}"
#: A small image; a model with its schema.
_DATA_URL_BYTES, _MAX_TOLD_BYTES = 190_000, 8 * 1024 * 1024
#: A wrong guess would change all but what is to be changed.
_MASKS = Parameter("list", help=gettext_noop("Models whose masks have this colour for the change."))


class Replicate(RemoteJobs):
    """An account at Replicate."""

    name: ClassVar[str] = "replicate"
    label: ClassVar[str] = "Replicate"
    needs_credential: ClassVar[bool] = True
    base_url: ClassVar[str] = "https://api.replicate.com/v1"
    key_check_path: ClassVar[str] = "/account"
    data_handling: ClassVar[Mapping[str, DataFact]] = facts(
        source="https://replicate.com/docs/topics/predictions/data-retention",
        checked_on="2026-11-27",
        input_retention=1,
        output_retention=1,
    )
    recovery: ClassVar[frozenset[RecoveryMethod]] = frozenset({RecoveryMethod.WEBHOOK})
    webhook_kind: ClassVar[str] = "Standard Webhooks"
    job_path: str = "/predictions/{ref}"
    cancel_path: str = "/predictions/{ref}/cancel"
    shape: submit_poll.JobShape = submit_poll.JobShape(
        terminal={**submit_poll.TERMINAL_WORDS, "aborted": "cancelled"},
        model_version="version",
        block_words=re.compile(_BLOCKED, re.IGNORECASE),
    )
    example_models: ClassVar[tuple[str, ...]] = ("ideogram-ai/ideogram-v3-turbo", CODEFORMER)
    options: ClassVar[Mapping[str, Parameter]] = {
        "max_minutes": Parameter("int", 1, 1440, default=60, help=_MINUTES),
        "white_masks": replace(_MASKS, default=("black-forest-labs/flux-fill", "stability-ai/")),
        "black_masks": replace(_MASKS, default=("ideogram-ai/",)),
        "result_hosts": replace(RESULT_HOSTS, default=("replicate.delivery", "api.replicate.com")),
    }

    def capabilities(self, model: str) -> Capabilities:
        has_masks, wordless = self._mask_style(model) is not None, wordless_operations(model)
        return Capabilities(
            operations=wordless or (_MASKED if has_masks else _MASKED - {Operation.INPAINT}),
            sizes=SizeRule(step=8, min_pixels=64 * 64, max_side=4096, max_ratio=4.0),
            operation_sizes=dict.fromkeys((Operation.INPAINT, *wordless), SizeRule()),
            output_formats=("png", "jpeg", "webp"),
            max_inputs=8,
            inputs=dict.fromkeys((*_PICTURES, InputRole.MASK), InputRule(max_bytes=2**25)),
            supports_mask=has_masks,
            supports_seed=True,
            promptless=wordless,
        )

    async def submit(self, request: GenerationRequest, *, answer: SpooledAnswer) -> Submission:
        self.check(request)
        del answer  # The result comes later, by `poll`.
        inputs = await self._inputs(request)
        named, _, version = request.model.partition(":")
        body: dict[str, Any] = {"input": inputs, **({"version": request.model} if version else {})}
        if request.webhook_url:
            body |= {"webhook": request.webhook_url, "webhook_events_filter": ["completed"]}
        path = "/predictions" if version else f"/models/{quote(named)}/predictions"
        headers = {"Cancel-After": f"{self.option('max_minutes')}m"}
        reply = await self.send("POST", path, document=body, headers=headers, billable=True)
        return self.accepted(reply, state={"seed": inputs.get("seed")})

    async def reconcile(
        self, call: Call, request: GenerationRequest, *, answer: SpooledAnswer
    ) -> Submission | None:
        """Adopt the only prediction with this call's own seed; that there is none proves nothing."""
        if call.ref or request.seed is not None or request.inputs:
            return None
        wanted = await self._inputs(request)
        reply, document = await self.look_up("/predictions")
        listed = submit_poll.items_of(value_at(document, "results"))
        found = [one for one in listed if value_at(one, "input") == wanted]
        if "seed" not in wanted or len(found) != 1:
            return None
        return await self.follow(found[0], reply, answer=answer, note={"seed": wanted["seed"]})

    async def list_models(self, *, search: str, page: str) -> ModelPage:
        """Return no models: those of everybody are there, and are asked about by their names."""
        del search, page
        return ModelPage()

    async def describe_model(self, model: str) -> ModelDescription:
        """Return what the model's own schema says; the provider names prices on its pages only."""
        named, _, version = model.partition(":")
        path = f"/models/{quote(named)}"
        try:
            _, document = await self.query(path, limit=_MAX_TOLD_BYTES)
            if version:
                shown = f"{path}/versions/{quote(version)}"
                _, pinned = await self.query(shown, limit=_MAX_TOLD_BYTES)
                document = {**document, "latest_version": pinned}
        except NotFound:
            return ModelDescription(is_known=False)
        return _described(document, model, known=self.capabilities(model))

    async def _takes(self, model: str) -> described_requests.TakenInputs:
        """Return what the model takes, by name."""
        named, _, version = model.partition(":")
        path = f"/models/{quote(named)}" + (f"/versions/{quote(version)}" if version else "")
        document = await self.kept_query(path, seconds=3600)
        where = ("" if version else "latest_version.") + "openapi_schema.components.schemas"
        schemas = value_at(document, where)
        takes = described_requests.taken_in(value_at(schemas, "Input"), schemas)
        if takes is None:
            raise asked_in_vain(BadResponse(detail="the model has no schema"))
        return takes

    async def _inputs(self, request: GenerationRequest) -> dict[str, Any]:
        """Return a prediction's input; refuse what the model's schema has no name for."""
        if any(one.guide is not None for one in request.inputs):
            raise UnsupportedParameter(detail="control: it cannot be weighed here")
        takes = await self._takes(request.model)
        found = described_requests.fields_of(request, takes=takes, offer=self.offer(request.model))
        if request.seed is None and "seed" in takes:
            digest = hashlib.sha256(request.idempotency_key.encode()).hexdigest()
            found["seed"] = int(digest[:7], 16)
        style, inputs = self._mask_style(request.model), request.inputs
        if style is not None:
            inputs = await asyncio.to_thread(masks.restyled, inputs, style=style)
        files = described_requests.files_of(inputs, takes=takes)
        described_requests.require_taken(found, files, takes=takes)
        for name, images in files.items():
            addresses = [await self._address(one) for one in images]
            found[name] = addresses if takes[name].is_list else addresses[0]
        return found

    async def _address(self, image: ImageInput) -> str:
        """Return a data URL of a small image, and upload a large one."""
        if len(image.data) <= _DATA_URL_BYTES:
            return image.data_url
        file = multipart.FormFile("content", "image", image.media_type, image.data)
        form = multipart.encode(fields=[], files=[file])
        reply = await self.send("POST", "/files", body=form.body, content_type=form.content_type)
        return str(value_at(self.success_of(reply), "urls.get"))

    def _mask_style(self, model: str) -> masks.MaskStyle | None:
        styles: tuple[masks.MaskStyle, ...] = ("white", "black")
        return next((s for s in styles if model.startswith(tuple(self.option(f"{s}_masks")))), None)


def _described(document: object, model: str, *, known: Capabilities) -> ModelDescription:
    """Read a model; one that is not official is called by its version, which never changes."""
    version = str(value_at(document, "latest_version.id") or "")
    schemas = value_at(document, "latest_version.openapi_schema.components.schemas")
    is_official = value_at(document, "is_official") is True
    found = ModelDescription(
        is_known=True,
        label=str(value_at(document, "name") or ""),
        version=version[:16],  # as long as a version of ours may be
        pinned_name="" if is_official or ":" in model or not version else f"{model}:{version}",
        unknown=(Message(gettext_noop("the provider names its price on the model's page only")),),
    )
    more: dict[str, Any] = {"schemas": schemas, "known": known, "operations_by_inputs": True}
    return described_models.with_schema(found, value_at(schemas, "Input"), **more)
