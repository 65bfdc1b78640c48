from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from imagegen_app.core.notes import (
    MAX_NOTE_CHARS,
    MAX_SIGNATURES,
    Checkpoint,
    MalformedNote,
    NotSigned,
    parse_checkpoint,
    parse_note,
    parse_vkey,
    sign_checkpoint,
    sign_note,
    verify_checkpoint,
    verify_note,
    vkey,
)
from imagegen_app.core.translog import EMPTY_ROOT, leaf_hash

if TYPE_CHECKING:
    from collections.abc import Callable

# The example of the signed-note format's first implementation.
PETERS_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
PETERS_NOTE = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
    "\n"
    "\u2014 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6"
    "KE6RyyBwJnAM=\n"
)
# The key of the Go checksum database.
SUMDB_KEY = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"

ORIGIN = "site.example/imagegen"
KEY = Ed25519PrivateKey.from_private_bytes(b"\x07" * 32)
VKEY = vkey(ORIGIN, KEY.public_key().public_bytes_raw())
OTHER_KEY = Ed25519PrivateKey.from_private_bytes(b"\x08" * 32)
ROOT = leaf_hash("body")
NOTE = sign_checkpoint(origin=ORIGIN, size=42, root=ROOT, private_key=KEY)


def test_a_note_signed_by_another_implementation_verifies() -> None:
    assert verify_note(PETERS_NOTE, PETERS_KEY).text.startswith("If you think")


@pytest.mark.parametrize("line", [PETERS_KEY, SUMDB_KEY, VKEY])
def test_a_verifier_key_is_unchanged_after_parsing_and_printing(line: str) -> None:
    key = parse_vkey(f" {line}\n")

    assert str(key) == line == vkey(key.name, key.public_key)


def test_a_checkpoint_has_exactly_the_c2sp_format() -> None:
    key = parse_vkey(VKEY)
    text = f"{ORIGIN}\n42\n{base64.b64encode(ROOT).decode()}\n"
    signature = base64.b64encode(key.key_id + KEY.sign(text.encode())).decode()

    assert f"{text}\n\u2014 {ORIGIN} {signature}\n" == NOTE


def test_a_verified_checkpoint_equals_the_signed_one() -> None:
    assert verify_checkpoint(NOTE, VKEY) == Checkpoint(ORIGIN, 42, ROOT)


def test_a_checkpoint_may_have_further_lines() -> None:
    checkpoint = Checkpoint(ORIGIN, 0, EMPTY_ROOT, ("timestamp 1",))

    note = sign_note(checkpoint.text(), name=ORIGIN, private_key=KEY)

    assert verify_checkpoint(note, VKEY) == checkpoint


def test_a_signature_by_another_key_is_ignored() -> None:
    witness = sign_note(parse_note(NOTE).text, name="witness.example", private_key=OTHER_KEY)
    both = NOTE + witness.rpartition("\n\n")[2]

    assert verify_checkpoint(both, VKEY).size == 42
    assert [signature.name for signature in parse_note(both).signatures] == [
        ORIGIN,
        "witness.example",
    ]


@pytest.mark.parametrize(
    "forge",
    [
        lambda: NOTE.replace("\n42\n", "\n43\n"),
        lambda: NOTE.replace(ORIGIN + "\n42", "other.example\n42"),
        lambda: sign_checkpoint(origin=ORIGIN, size=42, root=ROOT, private_key=OTHER_KEY),
        lambda: sign_checkpoint(origin="other", size=42, root=ROOT, private_key=KEY),
        lambda: PETERS_NOTE,
    ],
    ids=["other size", "other origin", "other key", "other key name", "note of another log"],
)
def test_a_forged_checkpoint_is_refused(forge: Callable[[], str]) -> None:
    with pytest.raises(NotSigned):
        verify_checkpoint(forge(), VKEY)


def test_a_signature_under_our_key_id_by_another_key_is_refused() -> None:
    parsed = parse_note(NOTE)
    line = base64.b64encode(parse_vkey(VKEY).key_id + OTHER_KEY.sign(parsed.text.encode()))

    with pytest.raises(NotSigned, match="does not match"):
        verify_note(f"{parsed.text}\n\u2014 {ORIGIN} {line.decode()}\n", VKEY)


def test_a_key_verifies_checkpoints_of_its_own_log_only() -> None:
    other = Checkpoint("other.example", 42, ROOT).text()
    note = sign_note(other, name=ORIGIN, private_key=KEY)

    assert verify_note(note, VKEY).text == other
    with pytest.raises(NotSigned, match="another log"):
        verify_checkpoint(note, VKEY)


@pytest.mark.parametrize(
    "note",
    [
        "",
        "\n",
        "text\n",
        "text\n\n",
        "text\n\n\u2014 name AAAAAAA=",
        "text\n\n\u2014 name\n",
        "text\n\n\u2014 name \n",
        "text\n\n\u2014 name AAAA\n",
        "text\n\n\u2014 name AAAAAA==\n",
        "text\n\n\u2014 name AAAAAAB=\n",
        "text\n\n\u2014 name AAAAAA!A\n",
        "text\n\n\u2014 name ÄAAAAAA=\n",
        "text\n\n\u2014 na+me AAAAAAA=\n",
        "text\n\n\u2014  AAAAAAA=\n",
        "text\n\n- name AAAAAAA=\n",
        "te\x07xt\n\n\u2014 name AAAAAAA=\n",
        "te\rxt\n\n\u2014 name AAAAAAA=\n",
        "te\ud800xt\n\n\u2014 name AAAAAAA=\n",
        "text\n\n" + "\u2014 name AAAAAAA=\n" * (MAX_SIGNATURES + 1),
        "t" * MAX_NOTE_CHARS + "\n\n\u2014 name AAAAAAA=\n",
    ],
)
def test_a_malformed_note_is_refused(note: str) -> None:
    with pytest.raises(MalformedNote):
        parse_note(note)


def test_a_note_may_contain_empty_lines() -> None:
    note = sign_note("one\n\ntwo\n", name=ORIGIN, private_key=KEY)

    assert verify_note(note, VKEY).text == "one\n\ntwo\n"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "o\n1",
        "o\n1\n",
        "\n1\n{root}\n",
        "o\n01\n{root}\n",
        "o\n-1\n{root}\n",
        "o\n\u0661\n{root}\n",
        "o\n9223372036854775808\n{root}\n",
        "o\n1\nAAAA\n",
        "o\n1\nnot base64\n",
        "o\n1\n{root}\n\n",
    ],
)
def test_a_malformed_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(MalformedNote):
        parse_checkpoint(text.replace("{root}", base64.b64encode(ROOT).decode()))


@pytest.mark.parametrize(
    ("origin", "size", "root"),
    [("", 1, ROOT), ("a\nb", 1, ROOT), (ORIGIN, -1, ROOT), (ORIGIN, 1, b""), ("a b", 1, ROOT)],
)
def test_an_invalid_checkpoint_is_not_signed(origin: str, size: int, root: bytes) -> None:
    with pytest.raises(MalformedNote):
        sign_checkpoint(origin=origin, size=size, root=root, private_key=KEY)


def test_a_line_break_in_the_origin_cannot_forge_another_size() -> None:
    root = base64.b64encode(ROOT).decode()

    with pytest.raises(MalformedNote):
        Checkpoint(f"{ORIGIN}\n9\n{root}", 1, ROOT).text()


@pytest.mark.parametrize("text", ["", "no end", "bell \x07\n"])
def test_a_text_with_an_unfinished_line_or_control_characters_is_not_signed(text: str) -> None:
    with pytest.raises(MalformedNote):
        sign_note(text, name=ORIGIN, private_key=KEY)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "name",
        "name+c74f20a3",
        "name+c74f20a3+",
        PETERS_KEY.replace("c74f20a3", "c74f20a4"),
        PETERS_KEY.replace("c74f20a3", "C74F20A3"),
        PETERS_KEY.replace("Peter", "Paul"),
        "PeterNeumann+c74f20a3+AQAA",
        "PeterNeumann+c74f20a3+AhpcAhpc",
        PETERS_KEY.replace("PeterNeumann", ""),
        PETERS_KEY.replace("PeterNeumann", "Peter Neumann"),
        PETERS_KEY.replace("PeterNeumann", "P" * 201),
    ],
)
def test_a_malformed_verifier_key_is_refused(line: str) -> None:
    with pytest.raises(MalformedNote):
        parse_vkey(line)
