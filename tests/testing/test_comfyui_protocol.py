"""ComfyUI as the simulator speaks it: what it refuses, and how its queue works."""

from __future__ import annotations

import copy
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from imagegen_app.providers.families import comfy_examples
from tests.testing.conftest import Caller

GRAPH: Any = comfy_examples.WORKFLOWS["text-to-image"]["graph"]


def changed(place: str, value: Any) -> dict[str, Any]:
    """Return the graph with another value at `node.input`; None takes the input away."""
    graph: dict[str, Any] = copy.deepcopy(dict(GRAPH))
    node, _, part = place.partition(".")
    if value is None:
        del graph[node]["inputs"][part]
    else:
        graph[node]["inputs"][part] = value
    return graph


def sent(caller: Caller, graph: Any, ref: str = "") -> Any:
    document = {"prompt": graph, "prompt_id": ref or str(uuid.uuid4())}
    return caller.post("/prompt", json=document)


@pytest.mark.parametrize(
    ("place", "value", "kind"),
    [
        ("1.ckpt_name", "unknown.safetensors", "value_not_in_list"),
        ("2.text", None, "required_input_missing"),
        ("2.text", ["2", 0], "return_type_mismatch"),
        ("2.clip", ["99", 0], "bad_linked_input"),
        ("2.clip", ["1", 7], "return_type_mismatch"),
        ("2.clip", "CLIP", "bad_linked_input"),
        ("4.seed", "abc", "invalid_input_type"),
        ("4.seed", -1, "value_smaller_than_min"),
        ("4.steps", 10_001, "value_bigger_than_max"),
        ("4.denoise", 1.5, "value_bigger_than_max"),
        ("5.width", 8, "value_smaller_than_min"),
    ],
)
def test_an_input_that_is_not_valid_is_refused_by_node_and_name(
    caller: Caller, place: str, value: Any, kind: str
) -> None:
    answer = sent(caller, changed(place, value))

    node, _, name = place.partition(".")
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "prompt_outputs_failed_validation"
    problem = answer.json()["node_errors"][node]["errors"][0]
    assert (problem["type"], problem["extra_info"]["input_name"]) == (kind, name)
    assert caller.simulator.bill()["images"] == 0


def test_graphs_and_ids_are_checked(caller: Caller) -> None:
    unsaved = {name: node for name, node in GRAPH.items() if name != "7"}
    unknown = {**GRAPH, "8": {"class_type": "RunShell", "inputs": {}}}
    ref = str(uuid.uuid4())

    kinds = [
        sent(caller, graph, name).json()["error"]["type"]
        for graph, name in (
            ({}, ref),
            (unsaved, ref),
            (unknown, ref),
            (GRAPH, ref.upper()),
            (GRAPH, "job-1"),
        )
    ]

    assert kinds == [
        "prompt_no_outputs",
        "prompt_no_outputs",
        "missing_node_type",
        "invalid_prompt_id",
        "invalid_prompt_id",
    ]
    assert caller.post("/prompt", json={}).json()["error"] == "no prompt"
    assert caller.post("/prompt", content=b"{").status_code == 500
    assert caller.simulator.bill()["images"] == 0


def test_foreign_pages_and_unknown_keys_are_refused(caller: Caller) -> None:
    assert caller.get("/queue", headers={"origin": "https://evil.example"}).status_code == 403
    assert caller.get("/queue", headers={"authorization": "Bearer wrong"}).status_code == 401


def test_uploads_need_an_image_a_kind_and_a_folder_of_their_own(
    caller: Caller, picture: Callable[..., bytes]
) -> None:
    file = {"image": ("a.png", picture(), "image/png")}

    def uploaded(**fields: str) -> int:
        return caller.post("/upload/image", files=file, data=fields).status_code

    assert caller.post("/upload/image", data={"type": "input"}).status_code == 400
    assert uploaded(type="elsewhere") == 400
    assert uploaded(subfolder="../..") == 400
    assert uploaded(type="input", subfolder="imagegen") == 200


def test_the_same_id_is_run_again_and_a_call_that_is_taken_out_leaves_no_trace(
    caller: Caller,
) -> None:
    caller.simulator.script(hold_jobs=True)
    first, second = str(uuid.uuid4()), str(uuid.uuid4())
    for ref in (first, first, second):
        assert sent(caller, GRAPH, ref).json()["prompt_id"] == ref

    queue = caller.get("/queue").json()
    assert [item[1] for item in queue["queue_running"]] == [first]
    assert [item[1] for item in queue["queue_pending"]] == [second]
    assert caller.simulator.bill()["images"] == 3

    caller.post("/queue", json={"delete": [first, second]})
    queue = caller.get("/api/queue").json()
    assert [item[1] for item in queue["queue_running"]] == [first]
    assert queue["queue_pending"] == []
    assert caller.get(f"/history/{second}").json() == {}


def test_an_interrupt_without_an_id_stops_whatever_runs(caller: Caller) -> None:
    caller.simulator.script(hold_jobs=True)
    ref = str(uuid.uuid4())
    sent(caller, GRAPH, ref)

    caller.post("/interrupt", json={"prompt_id": str(uuid.uuid4())})
    assert caller.get(f"/history/{ref}").json() == {}
    caller.post("/interrupt", json={})
    messages = caller.get(f"/history/{ref}").json()[ref]["status"]["messages"]
    assert messages[-1][0] == "execution_interrupted"


def test_only_nodes_that_are_there_are_described(caller: Caller) -> None:
    assert caller.get("/object_info/RunShell").json() == {}
    assert caller.get("/object_info/SaveImage").json()["SaveImage"]["name"] == "SaveImage"
    assert caller.get("/view?filename=a.png&type=output").status_code == 404
    assert caller.get("/upload/image").status_code == 404
