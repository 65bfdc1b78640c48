"""Make images for a synchronous call: bill it, draw, and spoil the answer where it is planned."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from imagegen_app.testing.simulator import asgi, broken_answers, generation

if TYPE_CHECKING:
    from collections.abc import Callable

    from imagegen_app.core.types import GenerationRequest
    from imagegen_app.testing.simulator.faults import Fault
    from imagegen_app.testing.simulator.generation import DrawnImage
    from imagegen_app.testing.simulator.state import State

#: Successes that are none, as far as a job's creation can be one.
_STRANGE_FOR_JOBS = frozenset({"html", "not_json", "error_in_200"})


async def make_images(
    state: State,
    request: GenerationRequest,
    *,
    call_id: str,
    fault: Fault | None,
    answer_with: Callable[[list[DrawnImage]], asgi.Answer],
) -> asgi.Answer:
    """Bill a call, draw its images and return the answer, spoilt where the fault says so.

    :raises InvalidRequest: if its images cannot be drawn, such as of inputs that are no images.
    """
    billed = 1 if fault and fault.kind == "fewer_images" else request.count
    state.bill.add(
        call_id=call_id,
        key=request.idempotency_key,
        operation=request.operation.value,
        model=request.model,
        images=billed,
        prompt=request.prompt,
    )
    if fault is not None and fault.kind == "disconnect":
        return asgi.Answer(cut="before")
    await asyncio.sleep(state.script.latency)
    if fault is not None and fault.kind == "silence":
        await asyncio.sleep(fault.seconds)
    strange = strange_answer(fault)
    if strange is not None:
        return strange
    drawn = await generation.draw_images(request, fault=fault, quick=state.quick)
    answer = answer_with(drawn)
    if fault is not None and fault.kind == "other_model":
        named = request.model.encode()
        answer = replace(answer, body=answer.body.replace(named, b"another-" + named))
    return spoilt(answer, fault=fault)


async def answer_to_job(answer: asgi.Answer, *, fault: Fault | None) -> asgi.Answer:
    """Return what the caller of an accepted job gets: the answer, or none, a late or a spoilt one."""
    if fault is not None and fault.kind == "disconnect":
        return asgi.Answer(cut="before")
    if fault is not None and fault.kind == "silence":
        await asyncio.sleep(fault.seconds)
    strange = strange_answer(fault) if fault and fault.kind in _STRANGE_FOR_JOBS else None
    return strange or spoilt(answer, fault=fault)


def spoilt(answer: asgi.Answer, *, fault: Fault | None) -> asgi.Answer:
    """Return an answer whose body is broken off, stopped or encoded, if the fault asks for it."""
    if fault is not None and fault.kind == "half_answer":
        return replace(answer, cut="middle")
    if fault is not None and fault.kind == "slow_body":
        return replace(answer, stall=fault.seconds)
    if fault is not None and fault.kind == "unknown_coding":
        headers = {**answer.headers, "content-encoding": "x-contract"}
        return replace(answer, body=bytes(reversed(answer.body)), headers=headers)
    return answer


def strange_answer(fault: Fault | None) -> asgi.Answer | None:
    """Return a success that is none, if the fault asks for one."""
    kind = fault.kind if fault else ""
    if kind == "html":
        return asgi.Answer(200, broken_answers.HTML, "text/html; charset=utf-8")
    if kind == "not_json":
        return asgi.Answer(200, b'{"created": 17900000', "application/json")
    if kind == "missing_data":
        return asgi.reply({"created": int(time.time()), "data": []})
    if kind == "error_in_200" and fault is not None:
        code = fault.code or "server_error"
        return asgi.reply({"error": {"message": "simulated", "type": "error", "code": code}})
    return None
