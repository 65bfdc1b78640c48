from __future__ import annotations

import sys
import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from imagegen_app.imaging.decode_limits import MIB, TaskLimits
from imagegen_app.imaging.errors import InvalidImage
from imagegen_app.imaging.isolation import DecoderPool
from imagegen_app.imaging.marking import read_marking

from . import hostile_decoders, sample_images
from .sample_images import encoded, picture

if TYPE_CHECKING:
    from pathlib import Path

#: Declares so many pixels that tasks on it are heavy ones.
HEAVY = sample_images.webp_declaring(6_000, 6_000)


def test_heavy_tasks_leave_a_place_for_quick_ones() -> None:
    with DecoderPool(workers=1, timeout=5) as pool, ThreadPoolExecutor(3) as threads:
        heavy = [threads.submit(_outcome_of, pool, HEAVY) for _ in range(3)]
        while len(pool._running) + len(pool._waiting) < 3:
            time.sleep(0.01)

        answers = [pool.run_within(30, hostile_decoders.echo, bytes([n])) for n in range(5)]

        assert answers == [bytes([n]) for n in range(5)]
        assert not any(task.done() for task in heavy)
        _kill_until_done(pool, heavy)


def _outcome_of(pool: DecoderPool, data: bytes) -> str:
    with pytest.raises(InvalidImage) as caught:
        pool.run(hostile_decoders.hang_on, data)
    return caught.value.reason


def _kill_until_done(pool: DecoderPool, tasks: list[Future[str]]) -> None:
    until = time.monotonic() + 180
    while not all(task.done() for task in tasks) and time.monotonic() < until:
        for worker in list(pool._processes):
            worker._process.kill()
        time.sleep(0.05)
    assert {task.result(timeout=60) for task in tasks} == {"decoder_died"}


def _soon_slow(data: bytes | None, seconds: float) -> TaskLimits:
    return TaskLimits(seconds, seconds, 64 * MIB, quick_seconds=0.05)


def test_quick_tasks_that_turn_out_slow_make_way_for_others() -> None:
    with (
        DecoderPool(workers=1, timeout=60, limits_for=_soon_slow) as pool,
        ThreadPoolExecutor(3) as threads,
    ):
        # The first one becomes a heavy one; the others, for which there is no room, wait for it.
        slow = [threads.submit(_outcome_of, pool, b"") for _ in range(3)]
        while len(pool._running) + len(pool._waiting) < 3:
            time.sleep(0.01)

        assert pool.run(hostile_decoders.echo, b"next") == b"next"

        assert not any(task.done() for task in slow)
        assert {task.is_heavy for task in (*pool._running, *pool._waiting)} == {True}
        _kill_until_done(pool, slow)


def test_a_task_that_turned_out_slow_goes_on_where_nobody_waits() -> None:
    with DecoderPool(workers=1, limits_for=_soon_slow) as patient:
        assert patient.run(hostile_decoders.spin_for, 0.4) == "done"


def test_processes_of_heavy_tasks_give_way_and_execute_no_quick_ones() -> None:
    with DecoderPool(workers=1) as pool:
        quick = pool.run(hostile_decoders.process_of, b"")
        heavy = pool.run(hostile_decoders.process_of, HEAVY)

        assert quick != heavy
        assert pool.run(hostile_decoders.process_of, b"") == quick
        assert pool.run(hostile_decoders.process_of, HEAVY) == heavy
        assert pool.run(hostile_decoders.niceness, b"") < pool.run(hostile_decoders.niceness, HEAVY)
        assert len(pool.process_ids) == 2


def test_a_file_limits_its_task_however_it_is_handed_over() -> None:
    with DecoderPool(workers=1) as pool, pytest.raises(InvalidImage) as caught:
        pool.run(hostile_decoders.eat_on, mebibytes=200, _data=encoded(picture(), "png"))

    assert caught.value.reason == "too_much_memory"


def test_there_are_never_more_processes_than_places() -> None:
    with DecoderPool(workers=1) as pool:
        for data in (b"", HEAVY, b"", HEAVY):
            pool.run(hostile_decoders.process_of, data)
            pool.run(read_marking, encoded(picture(), "png"), "image/png")
            assert len(pool.process_ids) <= 2


def test_more_processor_time_than_allowed_ends_the_task_at_once() -> None:
    def little(data: bytes | None, seconds: float) -> TaskLimits:
        return TaskLimits(0.01, 600, 64 * MIB)

    with DecoderPool(workers=1, limits_for=little) as pool:
        with pytest.raises(InvalidImage) as caught:
            pool.run(hostile_decoders.spin)

        assert caught.value.reason == "decoder_timeout"
        # The time of one task does not count for the next.
        assert [pool.run(hostile_decoders.spin_for, 0.01) for _ in range(3)] == ["done"] * 3


def test_a_file_that_crashed_its_decoder_is_not_tried_again(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "removed by the first process"
    folder.mkdir()

    with DecoderPool(workers=1) as pool, pytest.raises(InvalidImage) as caught:
        pool.run(hostile_decoders.crash_once, str(folder))

    assert caught.value.reason == "decoder_died"
    assert not folder.exists()


def test_somebody_who_waits_gets_an_answer_when_no_decoder_is_free() -> None:
    with DecoderPool(workers=1, timeout=60) as pool, ThreadPoolExecutor(1) as thread:
        heavy = thread.submit(_outcome_of, pool, HEAVY)
        while not pool._running:
            time.sleep(0.01)

        with pytest.raises(InvalidImage) as caught:
            pool.run_within(0.05, hostile_decoders.hang_on, HEAVY)

        assert caught.value.reason == "decoder_busy"
        assert pool.run_within(30, hostile_decoders.echo, b"quick") == b"quick"
        _kill_until_done(pool, [heavy])


def test_somebody_who_waits_does_not_wait_for_a_slow_file() -> None:
    with DecoderPool(workers=1, timeout=60) as pool, pytest.raises(InvalidImage) as caught:
        pool.run_within(0.2, hostile_decoders.hang)

    assert caught.value.reason == "decoder_timeout"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux enforces RLIMIT_AS")
def test_the_memory_of_a_process_is_limited_with_all_that_it_holds() -> None:
    with DecoderPool(workers=1, memory=256 * MIB) as pool:
        peak = pool.run(hostile_decoders.eat_all)

    assert 200 < peak <= 256


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux enforces RLIMIT_AS")
def test_the_memory_of_a_task_is_limited_by_its_pixels() -> None:
    with DecoderPool(workers=1) as pool, pytest.raises(InvalidImage) as caught:
        pool.run(hostile_decoders.eat_on, encoded(picture(), "png"), 200)

    assert caught.value.reason == "too_much_memory"


def test_decoders_start_few_threads_on_servers_with_many_processors() -> None:
    with DecoderPool(workers=1) as pool:
        assert pool.run(hostile_decoders.decoder_threads) == 2


def test_an_idle_process_ends_and_is_replaced_when_it_is_needed() -> None:
    with DecoderPool(workers=1, idle_seconds=0.05) as pool:
        first = pool.run(hostile_decoders.process_id)
        (worker,) = pool._processes
        worker._process.wait(timeout=30)

        assert pool.run(hostile_decoders.process_id) != first


def test_the_marking_of_a_file_is_read_in_a_process_of_its_own() -> None:
    data = encoded(picture(), "png")

    with DecoderPool(workers=1) as pool:
        marking = pool.run(read_marking, data, "image/png")

        assert (marking.credentials.state, marking.marks.is_empty) == ("none", True)
        assert "c2pa" not in pool.run(hostile_decoders.modules)
