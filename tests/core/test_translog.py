from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagegen_app.core import translog
from imagegen_app.core.translog import (
    EMPTY_ROOT,
    TILE_WIDTH,
    Frontier,
    Gap,
    MissingTile,
    TileId,
    TileReader,
    TreeError,
    consistency_proof,
    grow_tiles,
    inclusion_proof,
    leaf_hash,
    tile_widths,
    verify_bodies,
    verify_consistency,
    verify_inclusion,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

# The leaves and roots that the implementations of RFC 6962 test themselves with.
CLASSIC_LEAVES = [
    bytes.fromhex(text).decode("ascii")
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
CLASSIC_ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
CLASSIC_INCLUSION = {
    (0, 1): [],
    (0, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (5, 8): [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 3): ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"],
}
CLASSIC_CONSISTENCY = {
    (1, 1): [],
    (1, 8): CLASSIC_INCLUSION[0, 8],
    (6, 8): [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 5): [
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}

LEAVES = [leaf_hash(f"body {n}") for n in range(3000)]


def rfc_root(leaves: Sequence[bytes]) -> bytes:
    """Compute the root as RFC 9162 section 2.1.1 defines it."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    left, right = rfc_root(leaves[:k]), rfc_root(leaves[k:])
    return hashlib.sha256(b"\x01" + left + right).digest()


def rfc_inclusion(index: int, leaves: Sequence[bytes]) -> list[bytes]:
    """Compute PATH of RFC 9162 section 2.1.3.1."""
    if len(leaves) == 1:
        return []
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    if index < k:
        return [*rfc_inclusion(index, leaves[:k]), rfc_root(leaves[k:])]
    return [*rfc_inclusion(index - k, leaves[k:]), rfc_root(leaves[:k])]


def rfc_consistency(old: int, leaves: Sequence[bytes], *, whole: bool = True) -> list[bytes]:
    """Compute SUBPROOF of RFC 9162 section 2.1.4.1."""
    if old == len(leaves):
        return [] if whole else [rfc_root(leaves)]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    if old <= k:
        return [*rfc_consistency(old, leaves[:k], whole=whole), rfc_root(leaves[k:])]
    return [*rfc_consistency(old - k, leaves[k:], whole=False), rfc_root(leaves[:k])]


class Store:
    """Stores tiles in memory, as the database does."""

    def __init__(self) -> None:
        self.tiles: dict[TileId, bytes] = {}
        self.size = 0
        self.reads = 0

    def fetch(self, tile: TileId) -> bytes:
        self.reads += 1
        return self.tiles.get(tile, b"")

    def append(self, leaves: Sequence[bytes]) -> dict[TileId, bytes]:
        changed = grow_tiles(size=self.size, leaves=leaves, fetch=self.fetch)
        self.tiles.update(changed)
        self.size += len(leaves)
        return changed

    @classmethod
    def holding(cls, leaves: Sequence[bytes]) -> Store:
        store = cls()
        store.append(leaves)
        return store


STORE = Store.holding(LEAVES)


def frontier_of(leaves: Sequence[bytes]) -> Frontier:
    frontier = Frontier()
    frontier.extend(leaves)
    return frontier


def hexes(proof: Sequence[bytes]) -> list[str]:
    return [item.hex() for item in proof]


# The known vectors


@pytest.mark.parametrize("size", range(9))
def test_roots_equal_the_known_vectors(size: int) -> None:
    hashes = [leaf_hash(body) for body in CLASSIC_LEAVES[:size]]

    assert frontier_of(hashes).root().hex() == CLASSIC_ROOTS[size]
    assert TileReader(Store.holding(hashes).fetch).root(size).hex() == CLASSIC_ROOTS[size]
    assert verify_bodies(enumerate(CLASSIC_LEAVES[:size])).root.hex() == CLASSIC_ROOTS[size]


@pytest.mark.parametrize(("leaf", "expected"), CLASSIC_INCLUSION.items())
def test_inclusion_proofs_equal_the_known_vectors(
    leaf: tuple[int, int], expected: list[str]
) -> None:
    index, size = leaf
    tiles = TileReader(Store.holding([leaf_hash(body) for body in CLASSIC_LEAVES]).fetch)

    assert hexes(inclusion_proof(tiles, index=index, size=size)) == expected


@pytest.mark.parametrize(("sizes", "expected"), CLASSIC_CONSISTENCY.items())
def test_consistency_proofs_equal_the_known_vectors(
    sizes: tuple[int, int], expected: list[str]
) -> None:
    old_size, size = sizes
    tiles = TileReader(Store.holding([leaf_hash(body) for body in CLASSIC_LEAVES]).fetch)

    assert hexes(consistency_proof(tiles, old_size=old_size, size=size)) == expected


# Compared with the definitions of RFC 9162, for every small size


@pytest.mark.parametrize("size", range(71))
def test_every_root_and_proof_of_a_small_log_equals_that_of_rfc_9162(size: int) -> None:
    leaves, tiles = LEAVES[:size], TileReader(STORE.fetch)
    root = rfc_root(leaves)

    assert frontier_of(leaves).root() == tiles.root(size) == root
    for index in range(size):
        proof = inclusion_proof(tiles, index=index, size=size)
        assert proof == rfc_inclusion(index, leaves)
        assert verify_inclusion(index=index, size=size, leaf=leaves[index], proof=proof, root=root)
    for old_size in range(1, size + 1):
        proof = consistency_proof(tiles, old_size=old_size, size=size)
        assert proof == rfc_consistency(old_size, leaves)
        assert verify_consistency(
            old_size=old_size,
            size=size,
            old_root=rfc_root(leaves[:old_size]),
            root=root,
            proof=proof,
        )


@given(st.integers(1, len(LEAVES)), st.data())
def test_roots_and_proofs_of_larger_logs_verify(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    old_size = data.draw(st.integers(0, size))
    tiles, root = TileReader(STORE.fetch), frontier_of(LEAVES[:size]).root()
    old_root = frontier_of(LEAVES[:old_size]).root()

    inclusion = inclusion_proof(tiles, index=index, size=size)
    consistency = consistency_proof(tiles, old_size=old_size, size=size)

    assert tiles.root(size) == root == rfc_root(LEAVES[:size])
    assert tiles.leaf(index) == LEAVES[index]
    assert verify_inclusion(index=index, size=size, leaf=LEAVES[index], proof=inclusion, root=root)
    assert verify_consistency(
        old_size=old_size, size=size, old_root=old_root, root=root, proof=consistency
    )


# What must not verify


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8, 13, 33])
def test_an_inclusion_proof_is_valid_for_one_leaf_index_and_root_only(size: int) -> None:
    tiles, root = TileReader(STORE.fetch), frontier_of(LEAVES[:size]).root()
    for index in range(size):
        proof = inclusion_proof(tiles, index=index, size=size)
        valid: dict[str, Any] = {
            "index": index,
            "size": size,
            "leaf": LEAVES[index],
            "proof": proof,
            "root": root,
        }
        forgeries: list[dict[str, Any]] = [
            {"leaf": LEAVES[index + 1]},
            {"root": LEAVES[-1]},
            {"index": -1},
            {"index": size},
            {"proof": [*proof, LEAVES[0]]},
            {"proof": [*proof, b"short"]},
            {"proof": LEAVES[:66]},
            *({"index": other} for other in range(size) if other != index),
            *({"proof": [*proof[:k], LEAVES[-1], *proof[k + 1 :]]} for k in range(len(proof))),
            *({"proof": [*proof[:k], proof[k][:31], *proof[k + 1 :]]} for k in range(len(proof))),
            *({"proof": proof[:k]} for k in range(len(proof))),
        ]

        assert verify_inclusion(**valid)
        for forgery in forgeries:
            assert not verify_inclusion(**valid | forgery), forgery


@pytest.mark.parametrize("size", [2, 3, 5, 8, 13, 33])
def test_a_consistency_proof_is_valid_for_its_two_logs_only(size: int) -> None:
    tiles, root = TileReader(STORE.fetch), frontier_of(LEAVES[:size]).root()
    for old_size in range(1, size):
        old_root = frontier_of(LEAVES[:old_size]).root()
        proof = consistency_proof(tiles, old_size=old_size, size=size)
        valid: dict[str, Any] = {
            "old_size": old_size,
            "size": size,
            "old_root": old_root,
            "root": root,
            "proof": proof,
        }
        forgeries: list[dict[str, Any]] = [
            {"old_root": LEAVES[-1]},
            {"root": LEAVES[-1]},
            {"old_size": -1},
            {"old_size": 0},
            {"old_size": size},
            {"old_size": size + 1},
            {"proof": []},
            {"proof": [*proof, LEAVES[0]]},
            {"proof": LEAVES[:66]},
            *({"proof": [*proof[:k], LEAVES[-1], *proof[k + 1 :]]} for k in range(len(proof))),
            *({"proof": [*proof[:k], proof[k][:31], *proof[k + 1 :]]} for k in range(len(proof))),
            *({"proof": proof[:k]} for k in range(len(proof))),
        ]

        assert verify_consistency(**valid)
        for forgery in forgeries:
            assert not verify_consistency(**valid | forgery), forgery


def test_every_log_is_consistent_with_the_empty_one_and_itself() -> None:
    root = frontier_of(LEAVES[:5]).root()

    def is_consistent(old_size: int, old_root: bytes, proof: Sequence[bytes] = ()) -> bool:
        return verify_consistency(
            old_size=old_size, size=5, old_root=old_root, root=root, proof=proof
        )

    assert is_consistent(0, EMPTY_ROOT)
    assert not is_consistent(0, root)
    assert not is_consistent(0, EMPTY_ROOT, [root])
    assert is_consistent(5, root)
    assert not is_consistent(5, EMPTY_ROOT)
    assert not is_consistent(5, root, [root])
    assert consistency_proof(TileReader(STORE.fetch), old_size=0, size=5) == []


def test_a_rewritten_log_has_no_consistency_proof_for_the_old_one() -> None:
    old_root = frontier_of(LEAVES[:300]).root()
    rewritten = [*LEAVES[:100], leaf_hash("another history"), *LEAVES[101:700]]
    tiles = TileReader(Store.holding(rewritten).fetch)

    proof = consistency_proof(tiles, old_size=300, size=700)

    assert not verify_consistency(
        old_size=300, size=700, old_root=old_root, root=tiles.root(700), proof=proof
    )


# Frontier


@given(st.integers(0, 600))
def test_a_frontier_read_from_bytes_is_equal_and_can_grow(size: int) -> None:
    frontier = frontier_of(LEAVES[:size])

    again = Frontier.from_bytes(frontier.to_bytes())
    again.add(LEAVES[size])

    assert again.root() == rfc_root(LEAVES[: size + 1])
    assert frontier.size == size
    assert len(frontier.to_bytes()) == 8 + 32 * size.bit_count()


@pytest.mark.parametrize(
    "data", [b"", b"\x00" * 7, b"\x00" * 9, (1).to_bytes(8, "big"), b"\xff" * (8 + 64 * 32)]
)
def test_damaged_frontier_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(TreeError):
        Frontier.from_bytes(data)


@pytest.mark.parametrize(
    ("size", "stack"), [(-1, (LEAVES[0],)), (1, ()), (0, (LEAVES[0],)), (1, (b"short",))]
)
def test_an_invalid_frontier_is_refused(size: int, stack: tuple[bytes, ...]) -> None:
    with pytest.raises(TreeError):
        Frontier(size, stack)


def test_a_refused_leaf_does_not_change_the_frontier() -> None:
    frontier = frontier_of(LEAVES[:3])

    with pytest.raises(TreeError):
        frontier.extend([LEAVES[3], b"short"])

    assert frontier == frontier_of(LEAVES[:3])


# Tiles


@given(st.lists(st.integers(0, 700), max_size=6))
def test_tiles_do_not_depend_on_how_the_leaves_were_grouped(steps: list[int]) -> None:
    store = Store()
    for step in steps:
        before = store.size
        changed = store.append(LEAVES[before : before + step])
        widths = tile_widths(size=store.size, since=before)
        assert {tile: len(data) // 32 for tile, data in changed.items()} == widths

    at_once = Store.holding(LEAVES[: store.size])
    assert store.tiles == at_once.tiles
    assert TileReader(store.fetch).root(store.size) == rfc_root(LEAVES[: store.size])


def test_three_levels_of_tiles_have_the_right_hashes() -> None:
    size = TILE_WIDTH**2 + TILE_WIDTH + 1
    leaves = [n.to_bytes(32, "big") for n in range(size)]
    store = Store.holding(leaves[: size - 300])

    store.append(leaves[size - 300 :])

    assert len(store.tiles[TileId(1, 0)]) == TILE_WIDTH * 32
    assert len(store.tiles[TileId(1, 1)]) == 32
    assert store.tiles[TileId(2, 0)] == frontier_of(leaves[: TILE_WIDTH**2]).root()
    assert set(store.tiles) == set(tile_widths(size=size))
    tiles = TileReader(store.fetch)
    root = frontier_of(leaves).root()
    store.reads = 0
    proof = inclusion_proof(tiles, index=70, size=size)
    assert store.reads <= 5
    assert verify_inclusion(index=70, size=size, leaf=leaves[70], proof=proof, root=root)


def test_one_more_leaf_changes_one_tile_unless_the_tile_becomes_full() -> None:
    assert tile_widths(size=256, since=256) == {}
    assert tile_widths(size=256, since=254) == {TileId(0, 0): 256, TileId(1, 0): 1}
    assert tile_widths(size=258, since=257) == {TileId(0, 1): 2}


def test_a_log_does_not_shrink() -> None:
    with pytest.raises(TreeError):
        tile_widths(size=1, since=2)
    with pytest.raises(TreeError):
        consistency_proof(TileReader(STORE.fetch), old_size=3, size=2)


@pytest.mark.parametrize(("index", "size"), [(-1, 5), (5, 5), (0, 0)])
def test_a_missing_leaf_has_no_inclusion_proof(index: int, size: int) -> None:
    with pytest.raises(TreeError):
        inclusion_proof(TileReader(STORE.fetch), index=index, size=size)


def test_the_error_names_the_missing_tile() -> None:
    store = Store.holding(LEAVES[:600])
    del store.tiles[TileId(0, 1)]

    with pytest.raises(MissingTile, match="tile 1 of level 0") as caught:
        inclusion_proof(TileReader(store.fetch), index=300, size=600)

    assert caught.value.tile == TileId(0, 1)


def test_a_tile_that_is_too_short_is_refused() -> None:
    store = Store.holding(LEAVES[:10])
    store.tiles[TileId(0, 0)] = store.tiles[TileId(0, 0)][:-1]

    with pytest.raises(MissingTile):
        store.append(LEAVES[10:11])


def test_hashes_of_a_killed_sealing_process_are_overwritten() -> None:
    store = Store.holding(LEAVES[:10])
    store.tiles[TileId(0, 0)] += b"\xee" * 64

    store.append(LEAVES[10:11])

    assert store.tiles[TileId(0, 0)] == b"".join(LEAVES[:11])


@pytest.mark.parametrize(
    ("tile", "width", "path"),
    [
        (TileId(0, 0), 256, "tile/0/000"),
        (TileId(0, 67), 17, "tile/0/067.p/17"),
        (TileId(3, 1_234_067), 256, "tile/3/x001/x234/067"),
    ],
)
def test_a_tile_has_the_file_name_of_the_c2sp_layout(tile: TileId, width: int, path: str) -> None:
    assert tile.path(width=width) == path


@pytest.mark.parametrize("width", [0, 257])
def test_an_invalid_tile_width_is_refused(width: int) -> None:
    with pytest.raises(TreeError):
        TileId(0, 0).path(width=width)


# Bodies


def test_bodies_give_the_root_and_a_frontier_to_continue_from() -> None:
    rows = [(n, f"body {n}") for n in range(1000)]

    first = verify_bodies(rows[:600])
    rest = verify_bodies(rows[600:], start=first.frontier)

    assert (first.size, first.gap) == (600, None)
    assert (rest.size, rest.gap) == (1000, None)
    assert rest.root == rfc_root(LEAVES[:1000])
    assert first.root == rfc_root(LEAVES[:600])


@pytest.mark.parametrize(
    ("numbers", "gap"),
    [
        ([0, 1, 3, 4], Gap(expected=2, found=3)),
        ([1], Gap(expected=0, found=1)),
        ([0, 1, 1], Gap(expected=2, found=1)),
        ([0, 1, 5, 9], Gap(expected=2, found=5)),
    ],
)
def test_the_first_gap_is_reported_and_the_bodies_before_it_are_hashed(
    numbers: list[int], gap: Gap
) -> None:
    walk = verify_bodies((n, f"body {n}") for n in numbers)

    assert walk.gap == gap
    assert walk.root == rfc_root(LEAVES[: gap.expected])


def test_a_changed_body_changes_the_root() -> None:
    rows = [(n, f"body {n}") for n in range(100)]
    changed = [*rows[:50], (50, "body 5O"), *rows[51:]]

    assert verify_bodies(changed).root != verify_bodies(rows).root


def test_leaf_and_node_hashes_differ() -> None:
    left, right = LEAVES[:2]

    assert translog.node_hash(left, right) != hashlib.sha256(b"\x00" + left + right).digest()
    assert leaf_hash("é") == hashlib.sha256(b"\x00\xc3\xa9").digest()
