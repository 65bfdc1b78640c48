"""The script in an evidence pack follows the log's keys and growth, and has an answer to any file."""

from __future__ import annotations

import hashlib
import io
import itertools
import json
import zipfile
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from imagegen_app.core import log_keys, notes, translog
from imagegen_app.services.library import _pack_verifier
from imagegen_app.services.library._pack_verifier import Broken, Keys

if TYPE_CHECKING:
    from pathlib import Path

ORIGIN = "test.example/log"


class Tree:
    """A log of numbered events, which may be rewritten from an entry on."""

    def __init__(self, size: int, *, rewritten_from: int = 10**6) -> None:
        leaves = [
            translog.leaf_hash(f"{number}{'x' * (number >= rewritten_from)}")
            for number in range(size)
        ]
        tiles = translog.grow_tiles(size=0, leaves=leaves, fetch=lambda _tile: b"")
        self.size = size
        self.tiles = translog.TileReader(lambda tile: tiles.get(tile, b""))

    def head(self, size: int) -> tuple[int, bytes]:
        return size, self.tiles.root(size)

    def proof(self, old: int) -> list[bytes]:
        return translog.consistency_proof(self.tiles, old_size=old, size=self.size)


def continues(old: tuple[int, bytes], new: tuple[int, bytes], path: list[bytes]) -> bool:
    try:
        _pack_verifier.check_continues(old, new, path)
    except Broken:
        return False
    return True


def test_growth_is_proved_for_all_sizes() -> None:
    for size in range(1, 40):
        tree = Tree(size)
        for old in range(size + 1):
            assert continues(tree.head(old), tree.head(size), tree.proof(old)), (old, size)


def test_a_rewritten_or_shortened_log_does_not_continue_the_old_one() -> None:
    for size, old in itertools.combinations(range(17, 0, -1), 2):
        honest, rewritten = Tree(size), Tree(size, rewritten_from=old - 1)
        path = rewritten.proof(old)

        assert not continues(honest.head(old), rewritten.head(size), path), (old, size)
        assert not continues(honest.head(size), honest.head(old), honest.proof(old))
        assert not continues(honest.head(old), honest.head(size), [])
        assert not continues(honest.head(old), honest.head(size), [*honest.proof(old), bytes(32)])
        assert not continues(honest.head(old), honest.head(size), honest.proof(old)[:-1])


class Log:
    """Keys that replaced each other at some sizes of the log."""

    def __init__(self, *sizes: int) -> None:
        self.keys = [Ed25519PrivateKey.generate() for _size in (*sizes, None)]
        self.lines = [notes.vkey(ORIGIN, key.public_key().public_bytes_raw()) for key in self.keys]
        self.handovers = [
            log_keys.sign_handover(
                origin=ORIGIN, size=size, root=hashlib.sha256(b"").digest(), old=old, new=new
            ).note
            for size, (old, new) in zip(sizes, itertools.pairwise(self.keys), strict=True)
        ]

    def signed(self, number: int, size: int) -> str:
        return notes.sign_checkpoint(
            origin=ORIGIN, size=size, root=bytes(32), private_key=self.keys[number]
        )


@pytest.mark.parametrize("trusted", [0, 1, 2])
def test_each_key_of_the_log_leads_to_all_others_for_their_sizes_alone(trusted: int) -> None:
    log = Log(10, 20)
    keys = Keys(log.lines[trusted], log.handovers)

    for number, (first, last) in enumerate([(0, 10), (10, 20), (20, 999)]):
        for size in (first, last):
            assert keys.checkpoint(log.signed(number, size), "It")[0] == size
        for size in {first - 1, last + 1} - {-1, 1000}:
            with pytest.raises(Broken, match="not signed by a key of the log"):
                keys.checkpoint(log.signed(number, size), "It")
    assert [key for key, _first, _last in keys.ranges] == [
        _pack_verifier.parse_key(line) for line in log.lines
    ]


def test_a_handover_that_one_key_did_not_sign_leads_nowhere() -> None:
    log, other = Log(10), Log(10)
    forged = log.handovers[0].rpartition("\n\u2014")[0] + "\n"

    with pytest.raises(Broken, match="A handover is not signed"):
        Keys(log.lines[0], [forged])
    # One between keys of somebody else counts for nothing.
    assert len(Keys(log.lines[0], other.handovers).ranges) == 1


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"[]",
        b"null",
        b"1",
        b'"x"',
        b"{}",
        b"[" * 100_000,
        b'{"format":"imagegen-audit-proofs-1"}',
    ],
)
def test_a_pack_of_any_content_gets_an_answer_and_no_traceback(
    header: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "events.proofs.jsonl").write_bytes(header)

    status = _pack_verifier.main([str(tmp_path)])

    assert status == 1
    assert capsys.readouterr().out.startswith("FAIL ")


@pytest.mark.parametrize(("offset", "value"), [(8, 1), (10, 99)])
def test_an_encrypted_or_unknown_zip_file_gets_an_answer(
    offset: int, value: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("events.proofs.jsonl", json.dumps({}))
    data = bytearray(out.getvalue())
    data[data.index(b"PK\1\2") + offset] = value
    path = tmp_path / "pack.zip"
    path.write_bytes(data)

    assert _pack_verifier.main([str(path)]) == 1
    assert "FAIL The pack cannot be read" in capsys.readouterr().out


def restore_entry(body: str, tree: Tree, leaf: int) -> dict[str, object]:
    path = translog.inclusion_proof(tree.tiles, index=leaf, size=tree.size)
    return {"seq": leaf, "body": body, "proof": [one.hex() for one in path]}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("5", "cannot be read"),
        ('{"type":"log.verified","data":{}}', "cannot be read"),
        ('{"type":"log.restore_accepted","data":{}}', "not the one in the signed log"),
    ],
)
def test_a_restore_that_is_not_in_the_signed_log_is_refused(body: str, words: str) -> None:
    tree = Tree(9)

    with pytest.raises(Broken, match=words):
        _pack_verifier.check_restores([restore_entry(body, tree, 5)], *tree.head(9))
