"""Prove that a log only grows: a Merkle tree over event bodies (hashes and proofs of RFC 9162).

The tree is stored as its `Frontier` (log2 n hashes, for appending), its tiles (C2SP `tlog-tiles`,
for proofs) and the bodies themselves (for verification). `notes.py` signs statements about it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

HASH_BYTES: Final = 32
#: Hashes in a full tile.
TILE_WIDTH: Final = 256
#: Levels of the tree that one level of tiles holds.
TILE_HEIGHT: Final = 8
#: The most leaves of a log.
MAX_SIZE: Final = (1 << 63) - 1
_MAX_PROOF_HASHES = 65
_SIZE_BYTES = 8

EMPTY_ROOT: Final = hashlib.sha256(b"").digest()

#: Returns a tile's hashes, joined; empty bytes where there is no such tile.
FetchTile = Callable[["TileId"], bytes]


class TreeError(ValueError):
    """The arguments or the stored data are not valid for a tree."""


class MissingTile(TreeError):
    """A tile is absent, or shorter than the log's size requires."""

    def __init__(self, tile: TileId) -> None:
        super().__init__(f"tile {tile.index} of level {tile.level} is absent or too short")
        self.tile = tile


def leaf_hash(body: str) -> bytes:
    """Return the hash of a leaf: of the body's text, byte for byte."""
    return hashlib.sha256(b"\x00" + body.encode()).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node."""
    return hashlib.sha256(b"\x01" + left + right).digest()


@dataclass(slots=True)
class Frontier:
    """The right edge of a tree: enough to append leaves and compute the root (a compact range)."""

    #: Number of leaves.
    size: int = 0
    #: Roots of the perfect subtrees from left to right, largest first: one per set bit of size.
    stack: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.size <= MAX_SIZE or len(self.stack) != self.size.bit_count():
            raise TreeError("the frontier's hashes do not fit its size")
        if any(len(item) != HASH_BYTES for item in self.stack):
            raise TreeError("every hash has 32 bytes")

    def add(self, leaf: bytes) -> None:
        """Append one leaf hash.

        :raises TreeError: if its length is not that of a hash.
        """
        self.extend((leaf,))

    def extend(self, leaves: Iterable[bytes]) -> None:
        """Append leaf hashes in order; on an error nothing is appended.

        :raises TreeError: if the length of one is not that of a hash.
        """
        stack, size = list(self.stack), self.size
        for leaf in leaves:
            if len(leaf) != HASH_BYTES:
                raise TreeError("every hash has 32 bytes")
            node, ones = leaf, size
            while ones & 1:
                node, ones = node_hash(stack.pop(), node), ones >> 1
            stack.append(node)
            size += 1
        self.stack, self.size = tuple(stack), size

    def root(self) -> bytes:
        """Return the hash of the whole tree."""
        return _fold(self.stack)

    def to_bytes(self) -> bytes:
        """Return the frontier as its size (8 bytes, big-endian) and its hashes."""
        return self.size.to_bytes(_SIZE_BYTES, "big") + b"".join(self.stack)

    @classmethod
    def from_bytes(cls, data: bytes) -> Frontier:
        """Read what `to_bytes` wrote.

        :raises TreeError: if the length does not fit the size.
        """
        size, rest = int.from_bytes(data[:_SIZE_BYTES], "big"), data[_SIZE_BYTES:]
        if len(data) != _SIZE_BYTES + size.bit_count() * HASH_BYTES:
            raise TreeError("the frontier's hashes do not fit its size")
        return cls(size, _split(rest))


@dataclass(frozen=True, slots=True, order=True)
class TileId:
    """A tile's position: its level counts from the leaves, its index from the left."""

    level: int
    index: int

    def path(self, *, width: int = TILE_WIDTH) -> str:
        """Return the tile's file name in the C2SP layout: `tile/0/x001/234`, `….p/17` if partial.

        :raises TreeError: if the width is not between 1 and 256.
        """
        if not 1 <= width <= TILE_WIDTH:
            raise TreeError("a tile holds 1 to 256 hashes")
        rest, last = divmod(self.index, 1000)
        parts = [f"{last:03d}"]
        while rest:
            rest, part = divmod(rest, 1000)
            parts.insert(0, f"x{part:03d}")
        partial = "" if width == TILE_WIDTH else f".p/{width}"
        return f"tile/{self.level}/{'/'.join(parts)}{partial}"


def tile_widths(*, size: int, since: int = 0) -> dict[TileId, int]:
    """Return the tiles that change when the log grows, each with its number of hashes.

    :raises TreeError: if the log would shrink.
    """
    if not 0 <= since <= size <= MAX_SIZE:
        raise TreeError("a log only grows")
    widths: dict[TileId, int] = {}
    level, old, new = 0, since, size
    while new > old:
        widths.update(_tiles_of_level(level, old, new))
        level, old, new = level + 1, old >> TILE_HEIGHT, new >> TILE_HEIGHT
    return widths


def grow_tiles(*, size: int, leaves: Sequence[bytes], fetch: FetchTile) -> dict[TileId, bytes]:
    """Return every tile that changes when leaf hashes are appended to a log of this size.

    Only the partial tiles of the right edge are fetched. Hashes in them beyond `size`, which a
    sealing process left that was killed, are overwritten.

    :raises MissingTile: if a partial tile of the right edge is absent or too short.
    """
    changed: dict[TileId, bytes] = {}
    level, first, added = 0, size, list(leaves)
    while added:
        # The level above grows by one hash for each tile that becomes full here.
        completed: list[bytes] = []
        for tile, width in _tiles_of_level(level, first, first + len(added)):
            start = tile.index * TILE_WIDTH
            stored = b""
            if start < first:
                stored = fetch(tile)[: (first - start) * HASH_BYTES]
                if len(stored) != (first - start) * HASH_BYTES:
                    raise MissingTile(tile)
            begin, end = max(start, first) - first, start + width - first
            data = stored + b"".join(added[begin:end])
            changed[tile] = data
            if width == TILE_WIDTH:
                completed.append(_perfect_root(_split(data)))
        level, first, added = level + 1, first >> TILE_HEIGHT, completed
    return changed


class TileReader:
    """Computes the hash of any range of leaves from tiles; fetches each tile once."""

    def __init__(self, fetch: FetchTile) -> None:
        self._fetch = fetch
        self._tiles: dict[TileId, bytes] = {}

    def leaf(self, index: int) -> bytes:
        """Return one leaf's hash.

        :raises MissingTile: if the tiles do not reach so far.
        """
        return self._subtree(height=0, index=index)

    def root(self, size: int) -> bytes:
        """Return the root of the log's first `size` leaves.

        :raises MissingTile: if the tiles do not reach so far.
        """
        return self.span(0, size) if size else EMPTY_ROOT

    def span(self, start: int, end: int) -> bytes:
        """Return the Merkle hash of the leaves from `start` to `end` (exclusive).

        :raises MissingTile: if the tiles do not reach so far.
        """
        width = end - start
        if width & (width - 1) == 0 and start % width == 0:
            return self._subtree(height=width.bit_length() - 1, index=start // width)
        middle = start + _split_point(width)
        return node_hash(self.span(start, middle), self.span(middle, end))

    def _subtree(self, *, height: int, index: int) -> bytes:
        """Return the hash of a perfect subtree, computed from adjacent hashes of one tile."""
        level, rest = divmod(height, TILE_HEIGHT)
        width = 1 << rest
        tile, offset = TileId(level, index * width // TILE_WIDTH), index * width % TILE_WIDTH
        if tile not in self._tiles:
            self._tiles[tile] = self._fetch(tile)
        data = self._tiles[tile][offset * HASH_BYTES : (offset + width) * HASH_BYTES]
        if len(data) != width * HASH_BYTES:
            raise MissingTile(tile)
        return _perfect_root(_split(data))


def inclusion_proof(tiles: TileReader, *, index: int, size: int) -> list[bytes]:
    """Return the hashes that prove a leaf's position in the log's first `size` leaves.

    :raises TreeError: if the log has no such leaf.
    :raises MissingTile: if the tiles do not reach so far.
    """
    if not 0 <= index < size:
        raise TreeError("the log has no such leaf")
    start, end = 0, size
    path: list[bytes] = []
    while end - start > 1:
        middle = start + _split_point(end - start)
        if index < middle:
            path.append(tiles.span(middle, end))
            end = middle
        else:
            path.append(tiles.span(start, middle))
            start = middle
    return path[::-1]


def consistency_proof(tiles: TileReader, *, old_size: int, size: int) -> list[bytes]:
    """Return the hashes that prove that the log only grew from `old_size` to `size` leaves.

    :raises TreeError: if `old_size` is larger than `size`.
    :raises MissingTile: if the tiles do not reach so far.
    """
    if not 0 <= old_size <= size:
        raise TreeError("a log only grows")
    if old_size in {0, size}:
        return []
    start, end = 0, size
    path: list[bytes] = []
    while end != old_size:
        middle = start + _split_point(end - start)
        if old_size <= middle:
            path.append(tiles.span(middle, end))
            end = middle
        else:
            path.append(tiles.span(start, middle))
            start = middle
    if start:
        path.append(tiles.span(start, end))
    return path[::-1]


def verify_inclusion(
    *, index: int, size: int, leaf: bytes, proof: Sequence[bytes], root: bytes
) -> bool:
    """Return whether the proof shows that the leaf is at this index of the tree with this root."""
    if not 0 <= index < size <= MAX_SIZE or len(proof) > _MAX_PROOF_HASHES:
        return False
    position, last, computed = index, size - 1, leaf
    for item in proof:
        if last == 0 or len(item) != HASH_BYTES:
            return False
        if position & 1 or position == last:
            computed = node_hash(item, computed)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            computed = node_hash(computed, item)
        position, last = position >> 1, last >> 1
    return last == 0 and computed == root


def verify_consistency(
    *, old_size: int, size: int, old_root: bytes, root: bytes, proof: Sequence[bytes]
) -> bool:
    """Return whether the proof shows that the old log is an unchanged beginning of the new one."""
    if not 0 <= old_size <= size <= MAX_SIZE or len(proof) > _MAX_PROOF_HASHES:
        return False
    if old_size == size:
        return not proof and old_root == root
    if old_size == 0:
        return not proof and old_root == EMPTY_ROOT
    # The root of a perfect old tree is the first hash, and the proof does not repeat it.
    path = [old_root, *proof] if old_size & (old_size - 1) == 0 else list(proof)
    if not path or any(len(item) != HASH_BYTES for item in path):
        return False
    position, last = old_size - 1, size - 1
    while position & 1:
        position, last = position >> 1, last >> 1
    old_computed = computed = path[0]
    for item in path[1:]:
        if last == 0:
            return False
        if position & 1 or position == last:
            old_computed, computed = node_hash(item, old_computed), node_hash(item, computed)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            computed = node_hash(computed, item)
        position, last = position >> 1, last >> 1
    return last == 0 and old_computed == old_root and computed == root


@dataclass(frozen=True, slots=True)
class Gap:
    """A gap in the numbering of the log: the number that should follow, and the one that does."""

    expected: int
    found: int


@dataclass(frozen=True, slots=True)
class Walk:
    """The result of reading the bodies in order."""

    #: The tree of the bodies before the gap, or of all of them.
    frontier: Frontier
    #: The first gap, if any; whether bodies are missing at the end, only a checkpoint can show.
    gap: Gap | None = None

    @property
    def size(self) -> int:
        return self.frontier.size

    @property
    def root(self) -> bytes:
        return self.frontier.root()


def verify_bodies(rows: Iterable[tuple[int, str]], *, start: Frontier | None = None) -> Walk:
    """Hash bodies in the order of their numbers, until the end or the first gap.

    `rows` are pairs of number and body. With `start`, they begin after its leaves, so that bodies
    covered by a trusted checkpoint need not be read again.
    """
    begin = start or Frontier()
    stack, size, sha256 = list(begin.stack), begin.size, hashlib.sha256
    gap: Gap | None = None
    for number, body in rows:
        if number != size:
            gap = Gap(expected=size, found=number)
            break
        # `Frontier.extend` written out: a function call for each hash would halve the speed.
        node, ones = sha256(b"\x00" + body.encode()).digest(), size
        while ones & 1:
            node, ones = sha256(b"\x01" + stack.pop() + node).digest(), ones >> 1
        stack.append(node)
        size += 1
    return Walk(Frontier(size, tuple(stack)), gap)


def _fold(stack: Sequence[bytes]) -> bytes:
    """Return the root of a tree from the roots of its perfect subtrees, largest first."""
    if not stack:
        return EMPTY_ROOT
    root = stack[-1]
    for left in reversed(stack[:-1]):
        root = node_hash(left, root)
    return root


def _tiles_of_level(level: int, first: int, end: int) -> Iterable[tuple[TileId, int]]:
    """Yield the tiles with hashes `first` to `end` (exclusive) of a level, and their widths."""
    for index in range(first // TILE_WIDTH, (end - 1) // TILE_WIDTH + 1):
        yield TileId(level, index), min(TILE_WIDTH, end - index * TILE_WIDTH)


def _perfect_root(hashes: Sequence[bytes]) -> bytes:
    """Return the root of a perfect subtree over hashes, whose number must be a power of two."""
    while len(hashes) > 1:
        hashes = [node_hash(hashes[k], hashes[k + 1]) for k in range(0, len(hashes), 2)]
    return hashes[0]


def _split(data: bytes) -> tuple[bytes, ...]:
    """Split joined hashes."""
    return tuple(data[k : k + HASH_BYTES] for k in range(0, len(data), HASH_BYTES))


def _split_point(width: int) -> int:
    """Return the largest power of two that is smaller than a width of two or more."""
    return 1 << ((width - 1).bit_length() - 1)
