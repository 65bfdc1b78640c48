from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imagegen_app.providers.answers import SpooledAnswer
from imagegen_app.providers.families import base64_json, base64_text
from imagegen_app.providers.families.base64_text import NotBase64

DATA = b"\x89PNG \xff\xef\xbe>>>???" * 3 + b"ab"
PLAIN = base64.b64encode(DATA).decode()
URL_SAFE = base64.urlsafe_b64encode(DATA).decode()


@pytest.mark.parametrize(
    "text",
    [
        PLAIN,
        PLAIN.rstrip("="),
        PLAIN + "==",
        URL_SAFE,
        URL_SAFE.rstrip("="),
        "\n".join(PLAIN[n : n + 16] for n in range(0, len(PLAIN), 16)) + "\r\n",
        " " + PLAIN[:7] + " \t" + PLAIN[7:],
        quote(PLAIN, safe=""),
        "data:image/png;base64," + PLAIN,
        "DATA:image/png;name=a%2Cb;charset=utf-8;BASE64," + URL_SAFE,
        "data:;base64," + quote(PLAIN, safe=""),
        "  data:image/png;base64,\n" + PLAIN,
        "data:image/png," + quote(DATA),
    ],
)
def test_every_spelling_gives_the_same_bytes(text: str) -> None:
    assert base64_text.decode(text) == DATA


@pytest.mark.parametrize(
    "text",
    [
        "A",
        "AAAAA",
        "QQ==QQ==",
        "QUJ!",
        "\u00e9",
        "data:",
        "data:image/png;base64",
        "data:" + "x" * 9000,
        "data:image/png;base64,A",
        "QUJD%2",
    ],
)
def test_what_is_damaged_is_refused(text: str) -> None:
    with pytest.raises(NotBase64):
        base64_text.decode(text)


def spellings(data: bytes) -> st.SearchStrategy[str]:
    """Write the data as base64 in one of the ways of real servers."""

    def spell(is_safe: bool, padding: str, prefix: str, is_quoted: bool, breaks: list[int]) -> str:
        encode = base64.urlsafe_b64encode if is_safe else base64.b64encode
        text = encode(data).decode()
        if padding == "none":
            text = text.rstrip("=")
        elif padding == "surplus":
            text += "="
        for at in sorted((b % (len(text) + 1) for b in breaks), reverse=True):
            text = text[:at] + "\r\n"[at % 2 :] + text[at:]
        return prefix + (quote(text, safe="") if is_quoted and prefix else text)

    return st.builds(
        spell,
        st.booleans(),
        st.sampled_from(["right", "none", "surplus"]),
        st.sampled_from(["", "data:image/png;base64,", "Data:image/webp;q=1;Base64,"]),
        st.booleans(),
        st.lists(st.integers(0, 400), max_size=4),
    )


def escaped_everywhere(text: str) -> str:
    """Write a text in JSON with an escape for each character."""
    return '"' + "".join(f"\\u{ord(c):04X}" for c in text) + '"'


JSON_SPELLINGS: dict[str, Callable[[str], str]] = {
    "plain": json.dumps,
    "slashes": lambda text: json.dumps(text).replace("/", "\\/"),
    "codes": lambda text: json.dumps(text).replace("+", "\\u002b").replace("=", "\\u003D"),
    "all": escaped_everywhere,
}


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    drawn=st.binary(min_size=30, max_size=300).flatmap(
        lambda data: st.tuples(st.just(data), spellings(data))
    ),
    written=st.sampled_from(sorted(JSON_SPELLINGS)),
    # The pieces that are read, and the length from which a text leaves the document.
    cut=st.tuples(st.integers(1, 40), st.sampled_from([24, 100_000])),
)
def test_a_spelling_is_read_the_same_in_one_piece_and_in_many(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    drawn: tuple[bytes, str],
    written: str,
    cut: tuple[int, int],
) -> None:
    data, text = drawn
    monkeypatch.setattr(base64_json, "_CHUNK", cut[0])
    monkeypatch.setattr(base64_json, "MAX_TEXT_CHARS", cut[1])
    answer = SpooledAnswer(tmp_path)
    body = '{"b64_json": ' + JSON_SPELLINGS[written](text) + "}"
    answer.body_path.write_text(body, "ascii")

    read = base64_json.load(answer)

    assert read.image(read.content["b64_json"]) == data
