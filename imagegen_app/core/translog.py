"""Prove that a log only grows: a Merkle tree over event bodies (hashing of RFC 9162).

The tree is kept as its `Frontier` (log2 n hashes, to append), its tiles (C2SP `tlog-tiles`, to
prove) and the bodies themselves (to verify). Signed statements about it are in `notes.py`.
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
#: No log grows longer.
MAX_SIZE: Final = (1 << 63) - 1
_MAX_PROOF = 65
_SIZE_BYTES = 8

EMPTY_ROOT: Final = hashlib.sha256(b"").digest()

#: Returns a tile's hashes, joined; an empty answer where there is no such tile.
FetchTile = Callable[["TileId"], bytes]


class TreeError(ValueError):
    """What was asked of the tree, or read from it, does not fit."""


class MissingTile(TreeError):
    """A tile is absent or too short for what the log's size promises."""

    def __init__(self, tile: TileId) -> None:
        super().__init__(f"tile {tile.index} of level {tile.level} is absent or too short")
        self.tile = tile


def leaf_hash(body: str) -> bytes:
    """Return the hash of a leaf: the body's text as it stands, verbatim."""
    return hashlib.sha256(b"\x00" + body.encode()).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node."""
    return hashlib.sha256(b"\x01" + left + right).digest()


@dataclass(slots=True)
class Frontier:
    """The right edge of a tree: all that appending and the root need (a compact range)."""

    #: Leaves so far.
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

        :raises TreeError: if it is no hash.
        """
        self.extend((leaf,))

    def extend(self, leaves: Iterable[bytes]) -> None:
        """Append leaf hashes in order; nothing is appended if one of them is refused.

        :raises TreeError: if one is no hash.
        """
        stack, size = list(self.stack), self.size
        for leaf in leaves:
            if len(leaf) != HASH_BYTES:
                raise TreeError("every hash has 32 bytes")
            found, ones = leaf, size
            while ones & 1:
                found, ones = node_hash(stack.pop(), found), ones >> 1
            stack.append(found)
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
    """Where a tile stands: its level counts from the leaves, its index from the left."""

    level: int
    index: int

    def path(self, *, width: int = TILE_WIDTH) -> str:
        """Return the tile's file name in the C2SP layout: `tile/0/x001/234`, `….p/17` if partial.

        :raises TreeError: if no tile has this width.
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
        widths.update(_row(level, old, new))
        level, old, new = level + 1, old >> TILE_HEIGHT, new >> TILE_HEIGHT
    return widths


def grow_tiles(*, size: int, leaves: Sequence[bytes], fetch: FetchTile) -> dict[TileId, bytes]:
    """Return every tile that changes when leaf hashes are appended to a log of this size.

    Only the partial tiles of the right edge are fetched. Hashes beyond what `size` promises
    (left by a sealer that was killed half-way) are overwritten.

    :raises MissingTile: if a partial tile of the right edge is absent or too short.
    """
    changed: dict[TileId, bytes] = {}
    level, first, fresh = 0, size, list(leaves)
    while fresh:
        # The level above grows by one hash for each tile that becomes full here.
        completed: list[bytes] = []
        for tile, width in _row(level, first, first + len(fresh)):
            start = tile.index * TILE_WIDTH
            kept = b""
            if start < first:
                kept = fetch(tile)[: (first - start) * HASH_BYTES]
                if len(kept) != (first - start) * HASH_BYTES:
                    raise MissingTile(tile)
            begin, end = max(start, first) - first, start + width - first
            data = kept + b"".join(fresh[begin:end])
            changed[tile] = data
            if width == TILE_WIDTH:
                completed.append(_perfect(_split(data)))
        level, first, fresh = level + 1, first >> TILE_HEIGHT, completed
    return changed


class TileReader:
    """Computes any subtree's hash from tiles; each tile is fetched once."""

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
        """Return the Merkle hash of the leaves from `start` until before `end`.

        :raises MissingTile: if the tiles do not reach so far.
        """
        width = end - start
        if width & (width - 1) == 0 and start % width == 0:
            return self._subtree(height=width.bit_length() - 1, index=start // width)
        middle = start + _split_point(width)
        return node_hash(self.span(start, middle), self.span(middle, end))

    def _subtree(self, *, height: int, index: int) -> bytes:
        """Return the hash of a perfect subtree: a row of hashes within one tile, folded."""
        level, rest = divmod(height, TILE_HEIGHT)
        width = 1 << rest
        tile, offset = TileId(level, index * width // TILE_WIDTH), index * width % TILE_WIDTH
        if tile not in self._tiles:
            self._tiles[tile] = self._fetch(tile)
        row = self._tiles[tile][offset * HASH_BYTES : (offset + width) * HASH_BYTES]
        if len(row) != width * HASH_BYTES:
            raise MissingTile(tile)
        return _perfect(_split(row))


def inclusion_proof(tiles: TileReader, *, index: int, size: int) -> list[bytes]:
    """Return the hashes that prove a leaf's place in the log's first `size` leaves.

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
    """Return the hashes that prove that the log of `old_size` is a beginning of that of `size`.

    :raises TreeError: if the log did not grow in this way.
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
    """Return whether the proof shows that this leaf hash stands at this place under this root."""
    if not 0 <= index < size <= MAX_SIZE or len(proof) > _MAX_PROOF:
        return False
    place, last, found = index, size - 1, leaf
    for item in proof:
        if last == 0 or len(item) != HASH_BYTES:
            return False
        if place & 1 or place == last:
            found = node_hash(item, found)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            found = node_hash(found, item)
        place, last = place >> 1, last >> 1
    return last == 0 and found == root


def verify_consistency(
    *, old_size: int, size: int, old_root: bytes, root: bytes, proof: Sequence[bytes]
) -> bool:
    """Return whether the proof shows that the old log is an unchanged beginning of the new one."""
    if not 0 <= old_size <= size <= MAX_SIZE or len(proof) > _MAX_PROOF:
        return False
    if old_size == size:
        return not proof and old_root == root
    if old_size == 0:
        return not proof and old_root == EMPTY_ROOT
    # A perfect old tree is its own first hash, and is not repeated in the proof.
    path = [old_root, *proof] if old_size & (old_size - 1) == 0 else list(proof)
    if not path or any(len(item) != HASH_BYTES for item in path):
        return False
    place, last = old_size - 1, size - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    old_found = found = path[0]
    for item in path[1:]:
        if last == 0:
            return False
        if place & 1 or place == last:
            old_found, found = node_hash(item, old_found), node_hash(item, found)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            found = node_hash(found, item)
        place, last = place >> 1, last >> 1
    return last == 0 and old_found == old_root and found == root


@dataclass(frozen=True, slots=True)
class Gap:
    """A place where the numbering of the log breaks."""

    expected: int
    found: int


@dataclass(frozen=True, slots=True)
class Walk:
    """What reading the bodies in order gave."""

    #: The tree over the bodies before the gap, or over all of them.
    frontier: Frontier
    #: The first break in the numbering; a missing end shows only against a checkpoint's size.
    gap: Gap | None = None

    @property
    def size(self) -> int:
        return self.frontier.size

    @property
    def root(self) -> bytes:
        return self.frontier.root()


def verify_bodies(rows: Iterable[tuple[int, str]], *, start: Frontier | None = None) -> Walk:
    """Hash bodies in the order of their numbers, until the end or the first gap.

    With `start`, the first row is the one that follows it: what a trusted checkpoint covers
    need not be read again.
    """
    begin = start or Frontier()
    stack, size, sha256 = list(begin.stack), begin.size, hashlib.sha256
    gap: Gap | None = None
    for number, body in rows:
        if number != size:
            gap = Gap(expected=size, found=number)
            break
        # Written out: a function call for each hash would halve the speed.
        found, ones = sha256(b"\x00" + body.encode()).digest(), size
        while ones & 1:
            found, ones = sha256(b"\x01" + stack.pop() + found).digest(), ones >> 1
        stack.append(found)
        size += 1
    return Walk(Frontier(size, tuple(stack)), gap)


def _fold(stack: Sequence[bytes]) -> bytes:
    """Return the root over perfect subtrees, largest first."""
    if not stack:
        return EMPTY_ROOT
    root = stack[-1]
    for left in reversed(stack[:-1]):
        root = node_hash(left, root)
    return root


def _row(level: int, first: int, end: int) -> Iterable[tuple[TileId, int]]:
    """Give the tiles of one level that hold the hashes from `first` until before `end`."""
    for index in range(first // TILE_WIDTH, (end - 1) // TILE_WIDTH + 1):
        yield TileId(level, index), min(TILE_WIDTH, end - index * TILE_WIDTH)


def _perfect(hashes: Sequence[bytes]) -> bytes:
    """Return the root over a power of two of hashes."""
    while len(hashes) > 1:
        hashes = [node_hash(hashes[k], hashes[k + 1]) for k in range(0, len(hashes), 2)]
    return hashes[0]


def _split(data: bytes) -> tuple[bytes, ...]:
    """Cut joined hashes apart."""
    return tuple(data[k : k + HASH_BYTES] for k in range(0, len(data), HASH_BYTES))


def _split_point(width: int) -> int:
    """Return the largest power of two below a width of two or more."""
    return 1 << ((width - 1).bit_length() - 1)
