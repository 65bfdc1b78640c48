from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from imagegen_app.core import log_keys, notes

ORIGIN = "test.example/log"
FIRST, SECOND, THIRD = (Ed25519PrivateKey.generate() for _ in range(3))


def line(key: Ed25519PrivateKey) -> str:
    return notes.vkey(ORIGIN, key.public_key().public_bytes_raw())


def signed(key: Ed25519PrivateKey, size: int) -> str:
    return notes.sign_checkpoint(origin=ORIGIN, size=size, root=b"r" * 32, private_key=key)


def handed_over(old: Ed25519PrivateKey, new: Ed25519PrivateKey, size: int) -> log_keys.Handover:
    return log_keys.sign_handover(origin=ORIGIN, size=size, root=b"r" * 32, old=old, new=new)


CHAIN = (handed_over(FIRST, SECOND, 10), handed_over(SECOND, THIRD, 20))


@pytest.mark.parametrize("trusted", [FIRST, SECOND, THIRD])
def test_every_key_of_a_log_leads_to_all_others(trusted: Ed25519PrivateKey) -> None:
    ring = log_keys.KeyRing(line(trusted), CHAIN)

    assert [(entry.vkey, entry.first, entry.last) for entry in ring.keys] == [
        (line(FIRST), 0, 10),
        (line(SECOND), 10, 20),
        (line(THIRD), 20, None),
    ]
    assert ring.is_retired == (trusted is not THIRD)


@pytest.mark.parametrize(
    ("key", "size", "counts"),
    [
        (FIRST, 0, True),
        (FIRST, 10, True),
        (FIRST, 11, False),
        (SECOND, 9, False),
        (SECOND, 10, True),
        (THIRD, 19, False),
        (THIRD, 1000, True),
    ],
)
def test_a_key_counts_for_its_own_sizes_only(
    key: Ed25519PrivateKey, size: int, counts: bool
) -> None:
    ring = log_keys.KeyRing(line(THIRD), CHAIN)

    if counts:
        assert ring.verify_checkpoint(signed(key, size)).size == size
    else:
        with pytest.raises(notes.NotSigned, match="other sizes"):
            ring.verify_checkpoint(signed(key, size))


def test_a_handover_is_itself_a_checkpoint_of_both_keys() -> None:
    for key in (FIRST, SECOND):
        assert notes.verify_checkpoint(CHAIN[0].note, line(key)).size == 10


def test_a_handover_needs_both_signatures() -> None:
    text, _empty, signatures = CHAIN[0].note.partition("\n\n")

    for kept in signatures.splitlines(keepends=True):
        with pytest.raises(notes.NotSigned):
            log_keys.read_handover(f"{text}\n\n{kept}")


def test_a_plain_checkpoint_is_no_handover() -> None:
    with pytest.raises(notes.MalformedNote, match="no other key"):
        log_keys.read_handover(signed(FIRST, 10))


def test_a_key_is_not_handed_over_to_itself() -> None:
    with pytest.raises(notes.MalformedNote, match="the old one"):
        handed_over(FIRST, FIRST, 3)


def test_handovers_between_other_keys_lead_nowhere() -> None:
    own, other = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()

    ring = log_keys.KeyRing(line(THIRD), [handed_over(own, other, 5), *CHAIN])

    assert len(ring.keys) == 3
    with pytest.raises(notes.NotSigned, match="no signature"):
        ring.verify_checkpoint(signed(other, 5))


def test_keys_that_are_handed_over_in_a_circle_end() -> None:
    ring = log_keys.KeyRing(line(FIRST), [*CHAIN, handed_over(THIRD, FIRST, 30)])

    assert len(ring.keys) == 3
