"""Read ComfyUI's answers: its queue and history, where only our own calls may be looked at, and errors."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from imagegen_app.core.json_paths import value_at
from imagegen_app.providers.families import statuses

_MARK = "extra_pnginfo.imagegen.job"
#: A call is a list: its number, id, graph, further data and outputs.
_NUMBER, _ID, _DATA = 0, 1, 3


def marked(ref: str, *, with_previews: bool = False) -> dict[str, Any]:
    """Return the further data by which a call is found where the server gave it an id of its own.

    Servers make previews only where they were started so, or the call asks for them.
    """
    data: dict[str, Any] = {"extra_pnginfo": {"imagegen": {"job": ref}}}
    return data | {"preview_method": "auto"} if with_previews else data


def is_queue(document: object) -> bool:
    """Return whether a document is that of the queue, whatever is in it."""
    parts = ("queue_running", "queue_pending")
    return all(isinstance(value_at(document, part), list) for part in parts)


def in_queue(queue: object, ref: str) -> dict[str, Any] | None:
    """Return the document of a call that waits or runs; None where it is not in the queue."""
    running = _calls(value_at(queue, "queue_running"))
    pending = sorted(_calls(value_at(queue, "queue_pending")), key=lambda call: call[_NUMBER])
    for n, call in enumerate((*running, *pending)):
        if _is_ours(call, ref):
            word = "running" if n < len(running) else "queued"
            return {"prompt_id": call[_ID], "status": word, "queue_position": n}
    return None


def in_history(history: object, ref: str, *, nodes: Sequence[str] = ()) -> dict[str, Any] | None:
    """Return the document of a call that has ended, without its graph; None where there is none.

    Its results are paths below the base URL: of the images that `nodes` gave, or of all that are
    saved.
    """
    for name, entry in history.items() if isinstance(history, dict) else ():
        if name == ref or _is_ours(value_at(entry, "prompt"), ref):
            return _ended(name, entry, nodes)
    return None


def version_of(text: object) -> tuple[int, ...]:
    """Return the numbers of a version; a text that is none comes before every version."""
    return tuple(int(part) for part in re.findall(r"\d{1,6}", str(text or ""))[:3])


def error_in(document: object) -> dict[str, Any]:
    """Return a refusal's type, and the first node and input that it complains about."""
    error = statuses.error_in(document)
    by_node = value_at(document, "node_errors")
    for node, complaint in by_node.items() if isinstance(by_node, dict) else ():
        for one in value_at(complaint, "errors") or ():
            name = value_at(one, "extra_info.input_name")
            return {**error, "code": value_at(one, "type"), "param": f"{node}.{name}"}
    return error


def _ended(ref: str, entry: object, nodes: Sequence[str]) -> dict[str, Any]:
    status, said = value_at(entry, "status.status_str"), value_at(entry, "status.messages")
    listed = said if isinstance(said, list) else []
    events = {str(one[0]): one[1] for one in listed if isinstance(one, list) and len(one) > 1}
    failed, outputs = events.get("execution_error"), value_at(entry, "outputs")
    kind = str(value_at(failed, "exception_type") or "")
    return {
        "prompt_id": ref,
        "status": "interrupted" if "execution_interrupted" in events else status or "running",
        "output": [
            f"/view?{urlencode(_file(image))}"
            for node, output in (outputs.items() if isinstance(outputs, dict) else ())
            for image in _listed(value_at(output, "images"))
            if (node in nodes if nodes else value_at(image, "type") == "output")
        ],
        "error": {
            # Another call may well fit into the memory.
            "code": "overloaded" if "OutOfMemory" in kind else kind,
            "type": value_at(failed, "node_type"),
            "message": value_at(failed, "exception_message"),
        },
    }


def _calls(listed: object) -> list[Any]:
    found = [one for one in _listed(listed) if isinstance(one, list) and len(one) > _DATA]
    return [one for one in found if type(one[_NUMBER]) in {int, float}]


def _is_ours(call: object, ref: str) -> bool:
    if not isinstance(call, list) or len(call) <= _DATA:
        return False
    return ref in {str(call[_ID]), str(value_at(call[_DATA], _MARK))}


def _file(image: object) -> dict[str, str]:
    return {name: str(value_at(image, name) or "") for name in ("filename", "subfolder", "type")}


def _listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
