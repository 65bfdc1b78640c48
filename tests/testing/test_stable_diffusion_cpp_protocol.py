"""stable-diffusion.cpp's jobs as the simulator speaks them: what it refuses, and its queue."""

from __future__ import annotations

from typing import Any

import pytest

from tests.testing.conftest import Caller

PATH = "/sd-cpp/sdcpp/v1"
GOOD: dict[str, Any] = {"prompt": "a mug", "width": 64, "height": 64, "batch_count": 1}


@pytest.mark.parametrize(
    "changes",
    [
        {"unknown": 1},
        {"prompt": ""},
        {"width": "64"},
        {"width": 8},
        {"height": 8192},
        {"batch_count": 9},
        {"batch_count": True},
        {"strength": 2},
        {"seed": 1.5},
        {"sample_params": {"steps": 3}},
        {"sample_params": {"sample_steps": "3"}},
        {"sample_params": {"sample_method": "no-such"}},
        {"sample_params": {"scheduler": "no-such"}},
        {"sample_params": {"guidance": {"cfg": 3}}},
        {"lora": [{"path": "../secret.safetensors", "multiplier": 1}]},
        {"lora": [{"name": "mugs"}]},
        {"init_image": "no base64!"},
        {"mask_image": "aGVsbG8="},
        {"output_format": "gif"},
    ],
)
def test_what_the_server_would_refuse_or_ignore_is_refused(
    caller: Caller, changes: dict[str, Any]
) -> None:
    answer = caller.post(f"{PATH}/img_gen", json=GOOD | changes)

    assert answer.status_code == 400
    assert isinstance(answer.json()["error"], str)
    assert caller.simulator.bill()["images"] == 0


@pytest.mark.parametrize("body", [b"", b"{"])
def test_what_is_no_json_is_refused(caller: Caller, body: bytes) -> None:
    assert caller.post(f"{PATH}/img_gen", content=body).status_code == 400


def test_one_job_is_drawn_at_a_time_and_the_next_one_is_first_in_the_queue(caller: Caller) -> None:
    caller.simulator.script(hold_jobs=True)

    ids = [caller.post(f"{PATH}/img_gen", json=GOOD).json()["id"] for _ in range(3)]
    jobs = [caller.get(f"{PATH}/jobs/{one}").json() for one in ids]

    assert [job["status"] for job in jobs] == ["generating", "queued", "queued"]
    assert [job["queue_position"] for job in jobs] == [0, 1, 2]
    assert caller.post(f"{PATH}/jobs/{ids[0]}/cancel").status_code == 409
    cancelled = caller.post(f"{PATH}/jobs/{ids[1]}/cancel").json()
    assert (cancelled["status"], cancelled["error"]["code"]) == ("cancelled", "cancelled")
    assert caller.get(f"{PATH}/jobs/{ids[2]}").json()["queue_position"] == 1
    assert caller.simulator.bill()["images"] == 2


def test_a_full_queue_takes_no_more(caller: Caller) -> None:
    caller.simulator.script(hold_jobs=True)

    answers = [caller.post(f"{PATH}/img_gen", json=GOOD) for _ in range(65)]

    assert {answer.status_code for answer in answers[:-1]} == {202}
    assert (answers[-1].status_code, answers[-1].json()) == (429, {"error": "job queue is full"})


def test_a_job_that_is_not_there_is_not_found(caller: Caller) -> None:
    for answer in (caller.get(f"{PATH}/jobs/job_1"), caller.post(f"{PATH}/jobs/job_1/cancel")):
        assert (answer.status_code, answer.json()) == (404, {"error": "job not found"})
