from __future__ import annotations

import base64
import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imagegen_app.core.errors import BadResponse
from imagegen_app.providers.answers import SpooledAnswer
from imagegen_app.providers.families import base64_json
from imagegen_app.providers.families.base64_json import load

Spooled = Callable[..., SpooledAnswer]
#: Longer than a text that stays, and no multiple of three or of a chunk.
LARGE = bytes(range(256)) * 1201 + b"end"
TEXT = base64.b64encode(LARGE).decode()


def body_of(*items: Any) -> bytes:
    return json.dumps({"data": list(items)}).encode()


@pytest.mark.parametrize("size", [3, 24_000, 24_576, 24_577, 49_152, 65_536, 300_001])
@pytest.mark.parametrize("escape", [False, True])
@pytest.mark.parametrize("prefix", ["", "data:image/png;base64,"])
@pytest.mark.parametrize("room", [0, 30_000, 10**7])
def test_an_image_of_any_size_is_read_whole(
    spooled: Spooled,
    monkeypatch: pytest.MonkeyPatch,
    *,
    size: int,
    escape: bool,
    prefix: str,
    room: int,
) -> None:
    monkeypatch.setattr(base64_json, "MAX_KEPT_BYTES", room)
    data = (b"\xff\xef\xbe" * (size // 3 + 1))[:size]
    body = body_of({"b64_json": prefix + base64.b64encode(data).decode()}, {"after": 1})
    if escape:
        body = body.replace(b"/", b"\\/")

    read = load(spooled(body))

    assert read.image(read.content["data"][0]["b64_json"]) == data
    assert read.content["data"][1] == {"after": 1}


@pytest.mark.parametrize(
    ("room", "parts"),
    [
        (0, ["body", "decoded-0", "decoded-1"]),
        (len(LARGE) - 1, ["body", "decoded-0", "decoded-1"]),
        (len(LARGE), ["body", "decoded-1"]),
        (2 * len(LARGE), ["body"]),
    ],
)
def test_a_long_image_leaves_the_document_and_becomes_a_part_where_memory_has_no_room(
    spooled: Spooled, monkeypatch: pytest.MonkeyPatch, room: int, parts: list[str]
) -> None:
    monkeypatch.setattr(base64_json, "MAX_KEPT_BYTES", room)
    answer = spooled(body_of({"b64_json": TEXT}, {"b64_json": TEXT}))

    read = load(answer)

    assert list(answer.parts()) == parts
    assert len(json.dumps(read.content)) < 200
    assert [read.image(item["b64_json"]) for item in read.content["data"]] == [LARGE, LARGE]


@pytest.mark.parametrize(
    "text",
    [
        TEXT[:-3],
        TEXT + "AAAA" if TEXT.endswith("=") else TEXT + "A",
        TEXT[:70_000] + "=" + TEXT[70_001:],
        TEXT[:70_000] + "!" + TEXT[70_000:],
        TEXT[:70_000] + "\u00e9" + TEXT[70_000:],
        "data:" + TEXT.replace(",", ""),
        "<" * 100_000,
    ],
)
@pytest.mark.parametrize("room", [0, 10**7])
def test_a_long_text_that_is_no_image_is_refused_where_one_is_wanted(
    spooled: Spooled, monkeypatch: pytest.MonkeyPatch, text: str, room: int
) -> None:
    monkeypatch.setattr(base64_json, "MAX_KEPT_BYTES", room)
    answer = spooled(body_of({"b64_json": text, "revised_prompt": "kept"}))

    read = load(answer)

    assert read.content["data"][0]["revised_prompt"] == "kept"
    with pytest.raises(BadResponse):
        read.image(read.content["data"][0]["b64_json"])
    assert list(answer.parts()) == ["body"]


def test_a_long_text_elsewhere_does_no_harm(spooled: Spooled) -> None:
    body = body_of({"b64_json": TEXT, "revised_prompt": "word, " * 20_000})

    read = load(spooled(body))

    assert read.image(read.content["data"][0]["b64_json"]) == LARGE


@pytest.mark.parametrize("room", [0, 10**7])
def test_an_image_over_its_cap_is_refused(
    spooled: Spooled, monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    monkeypatch.setattr(base64_json, "MAX_KEPT_BYTES", room)
    monkeypatch.setattr(base64_json, "MAX_IMAGE_BYTES", len(LARGE) - 1)
    read = load(spooled(body_of({"b64_json": TEXT})))

    with pytest.raises(BadResponse) as caught:
        read.image(read.content["data"][0]["b64_json"])
    assert caught.value.detail == "an image is too large"


@pytest.mark.parametrize(
    "body",
    [TEXT.encode(), b'{"a": "' + TEXT.encode(), b"[" * 200_000, b"1" * 5_000_000, b"\\" * 99],
)
def test_what_is_no_json_is_refused(spooled: Spooled, body: bytes) -> None:
    with pytest.raises(BadResponse):
        load(spooled(body))


def test_a_marker_cannot_be_forged_from_outside(spooled: Spooled) -> None:
    read = load(spooled(body_of({"b64_json": TEXT}, {"b64_json": "<0>"})))

    with pytest.raises(BadResponse):
        read.image("<0>")


@pytest.mark.parametrize(("room", "held"), [(0, 0), (10**7, 1)])
def test_reading_takes_next_to_no_memory_beside_the_image(
    spooled: Spooled, monkeypatch: pytest.MonkeyPatch, room: int, held: int
) -> None:
    monkeypatch.setattr(base64_json, "MAX_KEPT_BYTES", room)
    image = bytes(1_800_000)
    answer = spooled(body_of({"b64_json": base64.b64encode(image).decode()}))
    load(answer)

    tracemalloc.start()
    load(answer)
    _now, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < held * len(image) + len(image) // 4


texts = st.text(st.sampled_from(list('aé/"\\\n\t😀{}[],:')), max_size=60)
documents = st.recursive(
    st.none() | st.booleans() | st.integers() | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(document=documents, ascii_only=st.booleans(), chunk=st.integers(1, 9))
def test_what_is_short_is_read_as_json_reads_it(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    document: Any,
    ascii_only: bool,
    chunk: int,
) -> None:
    monkeypatch.setattr(base64_json, "_CHUNK", chunk)
    answer = SpooledAnswer(tmp_path)
    answer.body_path.write_bytes(json.dumps(document, ensure_ascii=ascii_only).encode())

    assert load(answer).content == document


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(min_size=30, max_size=200), chunk=st.integers(1, 40), escape=st.booleans())
def test_an_image_is_read_whole_wherever_it_is_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: bytes, chunk: int, escape: bool
) -> None:
    monkeypatch.setattr(base64_json, "_CHUNK", chunk)
    monkeypatch.setattr(base64_json, "MAX_TEXT_CHARS", 24)
    body = body_of({"b64_json": base64.b64encode(data).decode()})
    answer = SpooledAnswer(tmp_path)
    answer.body_path.write_bytes(body.replace(b"/", b"\\/") if escape else body)

    read = load(answer)

    assert read.image(read.content["data"][0]["b64_json"]) == data
