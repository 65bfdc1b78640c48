"""Speak to ComfyUI: an account's own workflows, queued under our own ids.

A model is a workflow, see `families.comfy_workflows`. A repeated id would run again, so the history and
the queue are looked through before anything is sent. Old servers give calls ids of their own: the
one that is answered counts, and a lost call is found by our mark in it. 2026-11: nothing is billed.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import uuid
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote

from imagegen_app.core import multipart
from imagegen_app.core.capabilities import Capabilities, SizeRule
from imagegen_app.core.errors import (
    NotFound,
    ProviderError,
    ProviderUnavailable,
    UnsupportedParameter,
)
from imagegen_app.core.i18n import Message, gettext_noop
from imagegen_app.core.json_paths import value_at
from imagegen_app.core.model_descriptions import ModelDescription
from imagegen_app.core.model_parameters import Parameter
from imagegen_app.core.types import ProviderResult, RecoveryMethod, Submission, SubmissionStatus
from imagegen_app.providers.families import (
    comfy_calls,
    comfy_checks,
    comfy_events,
    comfy_examples,
    comfy_slots,
    comfy_workflows,
    masks,
    own_servers,
    prompt_syntax,
    statuses,
)
from imagegen_app.providers.families.submit_poll import JobShape
from imagegen_app.providers.remote import encoded
from imagegen_app.providers.remote_jobs import RemoteJobs

if TYPE_CHECKING:
    from imagegen_app.core.data_handling import DataFact
    from imagegen_app.core.types import Call, GenerationRequest, ImageInput
    from imagegen_app.providers.answers import SpooledAnswer
    from imagegen_app.providers.base import CancelOutcome, PreviewHook, ProgressHook
    from imagegen_app.providers.families.comfy_workflows import Workflow
    from imagegen_app.providers.http import Reply

_NONE = Capabilities(operations=frozenset(), sizes=SizeRule())
_WORKFLOWS = gettext_noop("Workflows in API format by the model's name, each with its slots.")
#: From this version on, an interrupt that names a call is known to leave the others alone.
_NAMED_INTERRUPTS = (0, 3, 64)
_NODES_SECONDS, _VERSION_SECONDS = 600.0, 60.0
_RECENT = 256


class ComfyUI(RemoteJobs):
    """An account at a ComfyUI server."""

    name: ClassVar[str] = "comfyui"
    label: ClassVar[str] = "ComfyUI"
    is_self_hosted: ClassVar[bool] = True
    data_handling: ClassVar[Mapping[str, DataFact]] = own_servers.data_handling(
        source="https://github.com/comfyanonymous/ComfyUI", checked_on="2026-11-27"
    )
    recovery: ClassVar[frozenset[RecoveryMethod]] = frozenset({RecoveryMethod.CLIENT_REFERENCE})
    shape: JobShape = JobShape(
        id="prompt_id",
        terminal={"success": "succeeded", "error": "failed", "interrupted": "cancelled"},
        # The server blocks nothing itself; nodes that check or call paid models say so in words.
        block_words=re.compile(r"nsfw|moderat|safety|content policy|flagged", re.IGNORECASE),
    )
    example_models: ClassVar[tuple[str, ...]] = tuple(comfy_examples.WORKFLOWS)
    has_workflows: ClassVar[bool] = True
    has_previews: ClassVar[bool] = True
    has_progress: ClassVar[bool] = True
    has_live_polls: ClassVar[bool] = True
    options: ClassVar[Mapping[str, Parameter]] = {
        "workflows": Parameter(
            "json", high=200_000, default=comfy_examples.WORKFLOWS, help=_WORKFLOWS
        ),
        "asks_progress": own_servers.ASKS_PROGRESS,
    }

    def capabilities(self, model: str) -> Capabilities:
        try:
            return self._workflow(model).capabilities()
        except UnsupportedParameter:
            # Submitting says what is wrong with it.
            return _NONE

    @staticmethod
    def workflow_document(exported: object) -> Any:
        """Return the document of a workflow; a bare export gets the slots that can be told."""
        return comfy_slots.document_of(exported)

    @staticmethod
    def workflow_problems(document: object) -> tuple[Message, ...]:
        """Return what is wrong with a workflow by itself, whatever the server has."""
        return tuple(comfy_checks.problems_in(document))

    async def submit(
        self,
        request: GenerationRequest,
        *,
        answer: SpooledAnswer,
        on_progress: ProgressHook | None = None,
        on_preview: PreviewHook | None = None,
    ) -> Submission:
        workflow = self._workflow(request.model)
        self.check(request)
        digest = hashlib.sha256(request.idempotency_key.encode()).hexdigest()
        # A call without a seed would get the cached images of the one before.
        values = workflow.values_of(request, seed=int(digest[:8], 16))
        files = workflow.files_of(request)
        await self._require_nodes(workflow)
        ours, graph_digest = _id_of(request.idempotency_key), _digest(workflow)
        client = comfy_events.client_of(ours)
        state = {"seed": values.get("seed"), "graph": graph_digest, "nodes": workflow.outputs}
        state |= {"client": client, "cleaned": comfy_workflows.is_cleaned(request)}
        reply, job = await self._find(ours, nodes=workflow.outputs)
        if job is not None:
            job["model_version"] = graph_digest
            found = await self.follow(job, reply, answer=answer, note=state)
            return replace(found, state=state)
        for name, image in files.items():
            values[name] = await self._uploaded(name, image)
        body = {
            "prompt": workflow.filled(values, file_prefix=f"imagegen-{ours}"),
            "prompt_id": ours,
            "client_id": client,
            "extra_data": comfy_calls.marked(ours, with_previews=on_preview is not None),
        }
        reply = await self.send("POST", "/prompt", document=body, billable=True)
        accepted = self.accepted(reply, state=state)
        is_listened_for = on_progress is not None or on_preview is not None
        return replace(accepted, poll_after=0.0) if is_listened_for else accepted

    async def poll(
        self,
        call: Call,
        *,
        answer: SpooledAnswer,
        on_progress: ProgressHook | None = None,
        on_preview: PreviewHook | None = None,
    ) -> Submission:
        """Look where the call is; while it runs, listen for a while to what is told of it."""
        ref, client = _id_of(call.ref), call.state.get("client")
        find = partial(self._find, ref, nodes=call.state.get("nodes") or (), in_all=True)
        reply, job = await find()
        heard = comfy_events.Heard(call.state.get("tenth", -1))
        is_listened_for = on_progress is not None or on_preview is not None
        if is_listened_for and client and self.option("asks_progress") and _is_running(job):
            heard = await comfy_events.listen(
                self,
                ref,
                client=client,
                tenth=heard.tenth,
                is_running=lambda: self._is_running(ref),
                on_progress=on_progress,
                on_preview=on_preview,
            )
            reply, job = await find()
        if job is None:
            raise NotFound(detail="neither queued nor in the history", request_id=reply.request_id)
        job["model_version"] = call.state.get("graph")
        try:
            found = await self.follow(job, reply, answer=answer, note=call.state)
        except ProviderError as error:
            if error.is_call_outcome:
                said = statuses.detail_of(job["error"], status=None)
                error.detail = f"{error.detail}: {said}"
            raise
        if not heard.is_heard or found.status is SubmissionStatus.ANSWERED:
            return found
        # Who listens goes on at once.
        return replace(found, poll_after=0.0, state={**call.state, "tenth": heard.tenth})

    async def cancel(self, call: Call) -> CancelOutcome:
        """Take the call out of the queue; stop it only where that stops no other one."""
        ref = _id_of(call.ref)
        word = await self._word(ref)
        if word == "queued":
            await self._done("/queue", {"delete": [ref]})
            word = await self._word(ref)
            if not word:
                return "cancelled_free"
        if word != "running":
            return "too_late"
        document = await self.kept_query("/system_stats", seconds=_VERSION_SECONDS)
        if comfy_calls.version_of(value_at(document, "system.comfyui_version")) < _NAMED_INTERRUPTS:
            return "not_offered"
        await self._done("/interrupt", {"prompt_id": ref})
        return "requested"

    def read_answer(self, answer: SpooledAnswer) -> ProviderResult:
        result = super().read_answer(answer)
        return replace(
            result, resolved=prompt_syntax.noted(result.resolved, note=answer.metadata())
        )

    def error_of(self, reply: Reply) -> ProviderError:
        return statuses.classify(reply, error_of=comfy_calls.error_in)

    def _workflow(self, model: str) -> Workflow:
        """Return a model's workflow.

        :raises UnsupportedParameter: if it has none, or one that does not fit together.
        """
        document = self._document(model)
        if document is None:
            raise UnsupportedParameter(detail="workflow: the account has none for this model")
        return comfy_workflows.read(document)

    def _document(self, model: str) -> Any:
        """Return a model's workflow as it was uploaded, or else as the account's options have it."""
        named = self.option("workflows")
        named = named if isinstance(named, Mapping) else {}
        return self.account.workflows.get(model, named.get(model))

    async def describe_model(self, model: str) -> ModelDescription:
        """Return what does not fit between a model's workflow and the server, and what it can choose."""
        try:
            workflow = self._workflow(model)
        except UnsupportedParameter:
            document = self._document(model)
            wrong = tuple(comfy_checks.problems_in(document))
            none = (Message(gettext_noop("the account has no workflow of this name")),)
            return ModelDescription(problems=none if document is None else wrong)
        nodes = await self._nodes(workflow, seconds=0)
        problems = tuple(comfy_checks.problems_at(workflow.graph, workflow.slots, nodes=nodes))
        told = None if problems else workflow.capabilities_at(nodes)
        return ModelDescription(
            is_known=None if problems else True, capabilities=told, problems=problems
        )

    async def _nodes(self, workflow: Workflow, *, seconds: float) -> dict[str, object]:
        """Return how the server describes the workflow's nodes, by their class."""
        names = workflow.node_types
        paths = [f"/object_info/{quote(name, safe='')}" for name in names]
        asked = [self.kept_query(path, seconds=seconds) for path in paths]
        found = zip(names, await asyncio.gather(*asked), strict=True)
        return {name: one.get(name) if isinstance(one, dict) else None for name, one in found}

    async def _require_nodes(self, workflow: Workflow) -> None:
        """Refuse a workflow with nodes that the server has not."""
        for name, entry in (await self._nodes(workflow, seconds=_NODES_SECONDS)).items():
            if not isinstance(entry, dict):
                raise UnsupportedParameter(detail=f"workflow: the server has no node {name}")

    async def _find(
        self, ref: str, *, nodes: tuple[str, ...] = (), in_all: bool = False
    ) -> tuple[Reply, dict[str, Any] | None]:
        """Return a call's document by its id; `in_all` looks through other calls for our mark."""
        reply, history = await self.look_up(f"/history/{ref}")
        job = comfy_calls.in_history(history, ref, nodes=nodes)
        if job is None:
            reply, queue = await self.look_up("/queue")
            job = comfy_calls.in_queue(queue, ref)
            if job is None and not comfy_calls.is_queue(queue):
                # Something else answers in the server's place: it says nothing about the call.
                raise ProviderUnavailable(detail="no queue", request_id=reply.request_id)
        if job is None and in_all:
            # It may have ended between the two queries, or have an id of the server's.
            reply, history = await self.look_up(f"/history?max_items={_RECENT}")
            job = comfy_calls.in_history(history, ref, nodes=nodes)
        if job is not None and "output" in job:
            job["output"] = [self.address(path) for path in job["output"]]
        return reply, job

    async def _is_running(self, ref: str) -> bool:
        return _is_running((await self._find(ref))[1])

    async def _word(self, ref: str) -> str:
        _reply, job = await self._find(ref)
        return "" if job is None else str(job["status"])

    async def _uploaded(self, slot: str, image: ImageInput) -> str:
        """Upload an input image; return the name that the server gave it."""
        if slot == "mask":
            image = (await asyncio.to_thread(masks.restyled, [image], style="alpha"))[0]
        digest, kind = hashlib.sha256(image.data).hexdigest(), image.media_type.rpartition("/")[2]
        file = multipart.FormFile("image", f"{digest[:32]}.{kind}", image.media_type, image.data)
        fields = [("type", "input"), ("subfolder", "imagegen"), ("overwrite", "true")]
        form = multipart.encode(fields=fields, files=[file])
        reply = await self.send(
            "POST", "/upload/image", body=form.body, content_type=form.content_type
        )
        named = self.success_of(reply)
        folder, name = value_at(named, "subfolder"), value_at(named, "name")
        return f"{folder}/{name}" if folder else str(name)

    async def _done(self, path: str, document: dict[str, Any]) -> None:
        reply = await self.send("POST", path, document=document)
        if not reply.ok:
            raise self.error_of(reply)


def _is_running(job: Mapping[str, Any] | None) -> bool:
    return job is not None and job["status"] == "running"


def _id_of(key: str) -> str:
    """Return a canonical UUID for a key: itself, if it is one, as newer servers demand."""
    try:
        return str(uuid.UUID(key))
    except ValueError:
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"imagegen:{key}"))


def _digest(workflow: Workflow) -> str:
    return "sha256:" + hashlib.sha256(encoded(workflow.graph)).hexdigest()
