from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from imagegen_app.imaging.content_credentials import read_content_credentials
from imagegen_app.imaging.errors import InvalidImage
from imagegen_app.imaging.isolation import MIB, DecoderPool, PoolClosed
from imagegen_app.imaging.pipeline import prepare

from . import hostile_decoders, sample_images
from .sample_images import OPTIONS, encoded, picture

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def pool() -> Iterator[DecoderPool]:
    with DecoderPool(workers=2, timeout=20) as pool:
        yield pool


@pytest.fixture
def impatient_pool() -> Iterator[DecoderPool]:
    with DecoderPool(workers=1, timeout=0.3) as pool:
        yield pool


@pytest.mark.parametrize("name", sample_images.FORMATS)
def test_a_decoder_process_gives_the_same_result_as_this_process(
    pool: DecoderPool, name: str
) -> None:
    data = encoded(picture(), name)

    assert pool.run(prepare, data, OPTIONS) == prepare(data, OPTIONS)


def test_an_error_from_a_decoder_process_has_its_reason_and_detail(pool: DecoderPool) -> None:
    with pytest.raises(InvalidImage) as caught:
        pool.run(hostile_decoders.refuse)

    assert (caught.value.reason, caught.value.detail) == ("svg", "a detail")
    with pytest.raises(InvalidImage) as caught:
        pool.run(prepare, b"<svg/>", OPTIONS)
    assert caught.value.reason == "svg"


def test_a_crash_is_an_error_and_does_not_affect_the_next_image(
    impatient_pool: DecoderPool,
) -> None:
    with pytest.raises(InvalidImage) as caught:
        impatient_pool.run(hostile_decoders.die)

    assert caught.value.reason == "decoder_died"
    assert impatient_pool.run(hostile_decoders.echo, b"next") == b"next"


def test_an_image_is_tried_again_after_one_crash(
    impatient_pool: DecoderPool, tmp_path: Path
) -> None:
    folder = tmp_path / "removed by the first process"
    folder.mkdir()

    assert impatient_pool.run(hostile_decoders.die_once, str(folder)) == "alive"
    assert not folder.exists()


def test_a_default_socket_time_out_does_not_affect_decoder_processes() -> None:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(5)
    try:
        with DecoderPool(workers=1, timeout=20) as pool:
            assert pool.run(hostile_decoders.echo, b"picture") == b"picture"
    finally:
        socket.setdefaulttimeout(before)


@pytest.mark.parametrize("slow", [hostile_decoders.hang, hostile_decoders.spin])
def test_a_time_out_is_an_error_and_does_not_affect_the_next_image(
    impatient_pool: DecoderPool, slow: object
) -> None:
    with pytest.raises(InvalidImage) as caught:
        impatient_pool.run(slow)  # type: ignore[arg-type]  # both are functions

    assert caught.value.reason == "decoder_timeout"
    assert impatient_pool.run(hostile_decoders.echo, b"next") == b"next"


def test_a_stuck_decoder_process_does_not_block_the_other_one() -> None:
    with DecoderPool(workers=2, timeout=30) as pool, ThreadPoolExecutor(1) as thread:
        # Both processes are started before one of them hangs.
        ready = {pool.run(hostile_decoders.process_id) for _ in range(2)}
        stuck = thread.submit(_outcome, pool)

        answers = [pool.run(hostile_decoders.echo, bytes([n])) for n in range(20)]

        assert ready
        assert answers == [bytes([n]) for n in range(20)]
        assert not stuck.done()
        # The task is tried once more in a new process, which must be killed, too.
        until = time.monotonic() + 180
        while not stuck.done() and time.monotonic() < until:
            for worker in list(pool._processes):
                worker._process.kill()
            time.sleep(0.1)
        assert stuck.result(timeout=60) == "decoder_died"


def _outcome(pool: DecoderPool) -> str:
    with pytest.raises(InvalidImage) as caught:
        pool.run(hostile_decoders.hang)
    return caught.value.reason


def test_a_decoder_process_that_died_while_idle_is_replaced(impatient_pool: DecoderPool) -> None:
    impatient_pool.run(hostile_decoders.echo, b"")
    (worker,) = impatient_pool._processes
    worker._process.kill()
    worker._process.wait()

    assert impatient_pool.run(hostile_decoders.echo, b"next") == b"next"


def test_decoder_processes_are_reused(impatient_pool: DecoderPool) -> None:
    assert len({impatient_pool.run(hostile_decoders.process_id) for _ in range(5)}) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux enforces RLIMIT_AS")
def test_more_memory_than_allowed_is_refused() -> None:
    with DecoderPool(workers=1, memory=256 * MIB) as pool:
        assert pool.run(hostile_decoders.eat, 100) == 100 * MIB

        with pytest.raises(InvalidImage) as caught:
            pool.run(hostile_decoders.eat, 400)

        assert caught.value.reason == "too_much_memory"
        assert pool.run(hostile_decoders.eat, 100) == 100 * MIB


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux enforces RLIMIT_AS")
def test_the_memory_of_a_refused_image_is_free_for_the_next_one() -> None:
    with DecoderPool(1) as pool:
        for _ in range(2):
            with pytest.raises(InvalidImage):
                pool.run(hostile_decoders.eat_and_refuse, 200)
        first = pool.process_ids

        assert pool.run(hostile_decoders.eat, 250) == 250 * MIB
        assert pool.process_ids == first


def test_an_image_that_needs_too_much_memory_is_refused() -> None:
    data = encoded(sample_images.flat("RGB", "red", (6000, 6000)), "png")

    with DecoderPool(workers=1, memory=64 * MIB) as pool, pytest.raises(InvalidImage) as caught:
        pool.run(prepare, data, OPTIONS)

    assert caught.value.reason == "too_much_memory"


def test_an_unexpected_exception_is_an_invalid_image_that_names_its_class(
    pool: DecoderPool, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(InvalidImage) as caught:
        pool.run(hostile_decoders.raise_unexpected)

    assert (caught.value.reason, caught.value.detail) == ("damaged", "KeyError")


def test_an_answer_can_contain_our_own_classes_only(pool: DecoderPool) -> None:
    with pytest.raises(InvalidImage) as caught:
        pool.run(hostile_decoders.answer_with_other_class)

    assert caught.value.reason == "decoder_died"
    assert pool.run(hostile_decoders.echo, b"next") == b"next"


def test_a_decoder_process_has_neither_django_nor_secrets(
    pool: DecoderPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")

    with DecoderPool(workers=1) as fresh:
        assert "OPENAI_API_KEY" not in fresh.run(hostile_decoders.environment)
        fresh.run(prepare, encoded(picture(), "png"), OPTIONS)
        assert "django" not in fresh.run(hostile_decoders.modules)


def test_a_decoder_process_cannot_write_files(pool: DecoderPool, tmp_path: Path) -> None:
    with pytest.raises(InvalidImage):
        pool.run(hostile_decoders.write_file, str(tmp_path / "stolen"))

    assert not (tmp_path / "stolen").exists() or (tmp_path / "stolen").stat().st_size == 0


def test_tasks_and_answers_may_be_megabytes_long(pool: DecoderPool) -> None:
    data = os.urandom(1024) * 40_000

    assert pool.run(hostile_decoders.echo, data) == data


def test_many_threads_share_a_pool(pool: DecoderPool) -> None:
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda n: pool.run(hostile_decoders.echo, b"%d" % n), range(64)))

    assert answers == [b"%d" % n for n in range(64)]


def test_a_closed_pool_refuses_tasks_and_leaves_no_process() -> None:
    pool = DecoderPool(workers=2)
    process = pool.run(hostile_decoders.process_id)

    pool.close()
    pool.close()

    with pytest.raises(PoolClosed):
        pool.run(hostile_decoders.echo, b"")
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


FORKED = """
import os, sys, threading
from imagegen_app.imaging.errors import InvalidImage
from imagegen_app.imaging.isolation import DecoderPool
from tests.imaging import hostile_decoders
pool = DecoderPool(workers=1, timeout=20)
parents = pool.run(hostile_decoders.process_id)
busy = threading.Thread(target=lambda: pool.run(hostile_decoders.echo, b"x" * 50_000_000))
busy.start()
child = os.fork()
if child == 0:
    own = pool.run(hostile_decoders.process_id)
    ok = own != parents and pool.run(hostile_decoders.echo, b"a") == b"a"
    pool.close()
    os._exit(0 if ok else 3)
busy.join()
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert pool.run(hostile_decoders.process_id) == parents
pool.close()
"""


def test_a_pool_created_before_a_fork_works_in_both_processes() -> None:
    # In another process, since the test runner has threads and cannot be forked safely.
    subprocess.run([sys.executable, "-W", "ignore", "-c", FORKED], check=True, timeout=60, cwd=ROOT)


ORPHANED = """
import os, signal
from imagegen_app.imaging.errors import InvalidImage
from imagegen_app.imaging.isolation import DecoderPool
from tests.imaging import hostile_decoders
pool = DecoderPool(workers=1)
print(pool.run(hostile_decoders.process_id), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_decoder_process_ends_when_its_parent_is_killed() -> None:
    answer = subprocess.run(
        [sys.executable, "-c", ORPHANED], stdout=subprocess.PIPE, check=False, timeout=60, cwd=ROOT
    )
    orphan = int(answer.stdout)

    until = time.monotonic() + 180
    while Path(f"/proc/{orphan}/cmdline").exists() and time.monotonic() < until:
        if not Path(f"/proc/{orphan}/cmdline").read_bytes():
            break
        threading.Event().wait(0.02)

    assert time.monotonic() < until


def test_content_credentials_can_be_read_in_a_decoder_process(pool: DecoderPool) -> None:
    data = encoded(picture(), "png")

    assert pool.run(read_content_credentials, data, "image/png").state == "none"
