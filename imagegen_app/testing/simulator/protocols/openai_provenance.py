"""Answer OpenAI's check of provenance for the protocol `openai`: which marks a file bears."""

from __future__ import annotations

import asyncio
import io
import time
from typing import TYPE_CHECKING, Final

from PIL import Image

from imagegen_app.testing.simulator import asgi, forms
from imagegen_app.testing.simulator.making import spoilt, strange_answer
from imagegen_app.testing.simulator.refusals import Refused, broken_off, refuse_as_planned

if TYPE_CHECKING:
    from imagegen_app.testing.simulator.state import State

PATH: Final = "/v1/content_provenance_checks"
_FORMATS = frozenset({"GIF", "JPEG", "PNG", "WEBP"})


async def check_provenance(call: asgi.Call, *, state: State) -> asgi.Answer:
    """Tell which marks a file bears.

    A watermark cannot be seen here: every image has one, unless the script says `no_marks`. OpenAI's
    own Content Credentials are in none, unless it says `all_marks`; those of others count as none.

    :raises Refused: if the call is not one.
    """
    if call.method != "POST":
        raise Refused(405, "method_not_allowed", "Only POST is allowed.")
    fault = state.script.next("marks")
    broken = broken_off(fault, state=state)
    if broken is not None:
        return broken
    data = _file(call)
    refuse_as_planned(fault)
    if fault is not None and fault.kind == "silence":
        await asyncio.sleep(fault.seconds)
    strange = strange_answer(fault)
    if strange is not None:
        return strange
    is_marked = fault is None or fault.kind != "no_marks"
    has_manifest = fault is not None and fault.kind == "all_marks"
    state_of_others = "valid" if b"c2pa" in data else "not_present"
    known = {"model": "gpt-image-2.6-flare", "generated_at": "2026-11-27T12:00:00Z"}
    answer = {
        "object": "content_provenance_check",
        "created_at": int(time.time()),
        "results": [
            {
                "type": "c2pa",
                "outcome": "detected" if has_manifest else "not_detected",
                "validation_state": "trusted" if has_manifest else state_of_others,
                "issuer": "OpenAI" if has_manifest else None,
                **(known if has_manifest else dict.fromkeys(known)),
            },
            {
                "type": "synthid",
                "outcome": "detected" if is_marked else "not_detected",
                **(known if is_marked else dict.fromkeys(known)),
            },
        ],
    }
    return spoilt(asgi.reply(answer), fault=fault)


def _file(call: asgi.Call) -> bytes:
    try:
        form = forms.parse(call.body, content_type=call.headers.get("content-type", ""))
        names = [name for name, _media_type, _data in form.files]
        if form.fields or names != ["file"]:
            raise Refused(400, "invalid_value", "Exactly one part, file, is expected.")
        data = form.files[0][2]
        with Image.open(io.BytesIO(data)) as image:
            is_known = image.format in _FORMATS
    except (ValueError, OSError):
        raise Refused(400, "invalid_image_file", "The file cannot be read.") from None
    if not is_known:
        raise Refused(400, "unsupported_image_media_type", "The format is not supported.")
    return data
