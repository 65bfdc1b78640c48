"""Verify an evidence pack, with nothing but Python's standard library.

This file is put into each pack as `verify.py`. It needs Python 3.8 or newer, no network, and nothing
of the site that made the pack:

    python3 -I -S verify.py [--key KEY] [--checkpoint FILE] [PACK]

PACK is the folder or the ZIP file; without it, the folder that holds this file. KEY is a public key
of the log, obtained from elsewhere than this pack, if need be years ago: where the site replaced it,
the pack's handovers, signed by old and new key, lead from it to the others. FILE is a checkpoint that
the site published before; the log must continue it.

Exit status: 0 all holds, and what you gave was compared; 1 something does not hold; 3 all holds, but
only by the key that the pack itself contains, or the pack has no proof about your checkpoint, or
that is of a branch of the log that was given up when a backup was restored.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import hashlib
import json
import sys
import zipfile
from pathlib import Path

HOLDS, BROKEN, NOT_COMPARED = 0, 1, 3
FORMAT = "imagegen-audit-proofs-1"
MANIFEST_FORMAT = "imagegen-evidence-1"
#: The kind of event that says that the log was restored from a backup.
RESTORE = "log.restore_accepted"
#: Larger files are not read, and more files are not looked at.
MAX_FILE_BYTES = 512 * 1024 * 1024
MAX_FILES = 10_000

# Ed25519 (RFC 8032): the prime, the order of the base point, the curve's constant, the base point.
P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT_OF_MINUS_1 = pow(2, (P - 1) // 4, P)
BASE_Y = 4 * pow(5, P - 2, P) % P


class Broken(Exception):
    """Something in the pack does not hold; the message says what."""


# --- Ed25519 ---------------------------------------------------------------------------------


def _decompressed(data: bytes) -> tuple[int, int, int, int]:
    """Return the point that 32 bytes stand for, in extended coordinates."""
    number = int.from_bytes(data, "little")
    sign, y = number >> 255, number & (2**255 - 1)
    if y >= P:
        raise Broken("A point of a signature or key is not valid.")
    u, v = (y * y - 1) % P, (D * y * y + 1) % P
    x = u * pow(v, 3, P) * pow(u * pow(v, 7, P), (P - 5) // 8, P) % P
    if v * x * x % P != u:
        x = x * ROOT_OF_MINUS_1 % P
    if v * x * x % P != u or (x == 0 and sign):
        raise Broken("A point of a signature or key is not valid.")
    if x & 1 != sign:
        x = P - x
    return x, y, 1, x * y % P


def _compressed(point: tuple[int, int, int, int]) -> bytes:
    inverse = pow(point[2], P - 2, P)
    x, y = point[0] * inverse % P, point[1] * inverse % P
    return (y | (x & 1) << 255).to_bytes(32, "little")


def _sum(
    left: tuple[int, int, int, int], right: tuple[int, int, int, int]
) -> tuple[int, int, int, int]:
    a = (left[1] - left[0]) * (right[1] - right[0]) % P
    b = (left[1] + left[0]) * (right[1] + right[0]) % P
    c = 2 * left[3] * right[3] * D % P
    d = 2 * left[2] * right[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def _multiple(point: tuple[int, int, int, int], factor: int) -> tuple[int, int, int, int]:
    found = (0, 1, 1, 0)
    while factor:
        if factor & 1:
            found = _sum(found, point)
        point = _sum(point, point)
        factor >>= 1
    return found


def is_signed(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Return whether this is the key's Ed25519 signature of the message."""
    if len(public_key) != 32 or len(signature) != 64:  # noqa: PLR2004 - their lengths
        return False
    r, s = signature[:32], int.from_bytes(signature[32:], "little")
    if s >= L:
        return False
    try:
        x, y, z, t = _decompressed(public_key)
        base = _decompressed(BASE_Y.to_bytes(32, "little"))
    except Broken:
        return False
    h = int.from_bytes(hashlib.sha512(r + public_key + message).digest(), "little") % L
    difference = _sum(_multiple(base, s), _multiple((-x % P, y, z, -t % P), h))
    return _compressed(difference) == r


# --- Signed notes and the tree of the log ------------------------------------------------------


def parse_key(line: str) -> tuple[str, bytes, bytes]:
    """Return name, id and bytes of a public key as `NAME+ID+BASE64` writes it."""
    name, _plus, rest = line.strip().partition("+")
    written, _plus, encoded = rest.partition("+")
    try:
        data = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        data = b""
    key_id = hashlib.sha256(name.encode() + b"\n" + data).digest()[:4]
    if len(data) != 33 or data[:1] != b"\x01" or key_id.hex() != written:  # noqa: PLR2004 - kind and key
        raise Broken("The public key is not a valid Ed25519 verifier key.")
    return name, key_id, data[1:]


def signed_text(note: str, key: tuple[str, bytes, bytes], what: str) -> str:
    """Return the text of a note that the key signed."""
    text, _empty, lines = note.rpartition("\n\n")
    text += "\n"
    for line in lines.splitlines():
        mark, _space, rest = line.partition(" ")
        name, _space, encoded = rest.rpartition(" ")
        if mark != "\u2014" or name != key[0]:
            continue
        try:
            data = base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError):
            continue
        if data[:4] == key[1] and is_signed(key[2], text.encode(), data[4:]):
            return text
    raise Broken(f"{what} is not signed by the key.")


def parse_checkpoint(text: str, origin: str) -> tuple[int, bytes]:
    """Return size and root hash of a checkpoint's text."""
    lines = text.splitlines()
    try:
        size, root = int(lines[1]), base64.b64decode(lines[2], validate=True)
    except (IndexError, ValueError):
        raise Broken("The checkpoint cannot be read.") from None
    if lines[0] != origin or len(root) != 32 or size < 0:  # noqa: PLR2004 - SHA-256
        raise Broken("The checkpoint is of another log.")
    return size, root


def roots_from(size: int, last: int, path: list[bytes]) -> tuple[bytes, bytes]:
    """Return the roots of the smaller and the larger log that a consistency proof leads to."""
    node = size - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    before = after = path[0]
    for sibling in path[1:]:
        if last == 0:
            raise Broken("A consistency proof is too long.")
        if node & 1 or node == last:
            before = hashlib.sha256(b"\x01" + sibling + before).digest()
            after = hashlib.sha256(b"\x01" + sibling + after).digest()
            while node and not node & 1:
                node, last = node >> 1, last >> 1
        else:
            after = hashlib.sha256(b"\x01" + after + sibling).digest()
        node, last = node >> 1, last >> 1
    if last:
        raise Broken("A consistency proof is too short.")
    return before, after


def check_continues(old: tuple[int, bytes], new: tuple[int, bytes], path: list[bytes]) -> None:
    """Check that a log only grew between two sizes with their roots (RFC 9162, section 2.1.4)."""
    if old[0] == 0 or old[0] == new[0]:
        found = (hashlib.sha256(b"").digest() if old[0] == 0 else new[1], new[1])
    else:
        # The proof leaves out the root of a complete tree.
        path = path if old[0] & (old[0] - 1) else [old[1], *path]
        found = roots_from(old[0], new[0] - 1, path) if path and old[0] < new[0] else (b"", b"")
    if found != (old[1], new[1]):
        raise Broken(
            f"The log does not continue the checkpoint of {old[0]} events: it was rewritten."
        )


class Keys:
    """The keys of a log that follow from one key and the handovers, and the sizes that each signs."""

    def __init__(self, trusted: str, handovers: list[str]) -> None:
        into: dict[str, tuple[str, int]] = {}
        out_of: dict[str, tuple[str, int]] = {}
        for note in handovers:
            old, new = (line.partition(" ")[2] for line in note.splitlines()[3:5])
            size = 0
            for key in (parse_key(old), parse_key(new)):
                size = parse_checkpoint(signed_text(note, key, "A handover"), key[0])[0]
            into.setdefault(new, (old, size))
            out_of.setdefault(old, (new, size))
        lines, sizes = [trusted.strip()], [0]
        while lines[0] in into and into[lines[0]][0] not in lines:
            line, size = into[lines[0]]
            lines, sizes = [line, *lines], [0, size, *sizes[1:]]
        while lines[-1] in out_of and out_of[lines[-1]][0] not in lines:
            line, size = out_of[lines[-1]]
            lines, sizes = [*lines, line], [*sizes, size]
        #: Each key with the first and the last size that it signs; the one in use is the last.
        ends = [*sizes[1:], sys.maxsize]
        self.ranges = [(parse_key(lines[n]), sizes[n], ends[n]) for n in range(len(lines))]

    def checkpoint(self, note: str, what: str) -> tuple[int, bytes]:
        """Return size and root hash of a checkpoint that a key of the log signed for its range."""
        for key, first, last in reversed(self.ranges):
            try:
                size, root = parse_checkpoint(signed_text(note, key, what), key[0])
            except Broken:
                continue
            if first <= size <= last:
                return size, root
        raise Broken(f"{what} is not signed by a key of the log.")


def root_from(index: int, size: int, leaf: bytes, path: list[bytes]) -> bytes:
    """Return the root that a leaf and its inclusion proof lead to (RFC 9162, section 2.1.3)."""
    if not 0 <= index < size:
        raise Broken("An event's position is outside of the signed log.")
    node, last, found = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            raise Broken("An inclusion proof is too long.")
        if node & 1 or node == last:
            found = hashlib.sha256(b"\x01" + sibling + found).digest()
            while not node & 1 and node:
                node >>= 1
                last >>= 1
        else:
            found = hashlib.sha256(b"\x01" + found + sibling).digest()
        node >>= 1
        last >>= 1
    if last:
        raise Broken("An inclusion proof is too short.")
    return found


# --- The pack ----------------------------------------------------------------------------------


class Pack:
    """The files of a pack, in a folder or in a ZIP file."""

    def __init__(self, path: Path) -> None:
        self.archive = None if path.is_dir() else zipfile.ZipFile(path)
        self.folder = path
        if self.archive is not None:
            infos = [one for one in self.archive.infolist() if not one.is_dir()]
            self.sizes = {one.filename: one.file_size for one in infos}
            if len(self.sizes) != len(infos):
                raise Broken("The ZIP file has two files of one name.")
        else:
            files = [one for one in path.rglob("*") if one.is_file()]
            self.sizes = {one.relative_to(path).as_posix(): one.stat().st_size for one in files}
        if len(self.sizes) > MAX_FILES:
            raise Broken("The pack has too many files.")

    def read(self, name: str) -> bytes:
        """Return the bytes of a file."""
        if name not in self.sizes:
            raise Broken(f"{name} is missing.")
        if self.sizes[name] > MAX_FILE_BYTES:
            raise Broken(f"{name} is too large to be verified.")
        if self.archive is not None:
            return self.archive.read(name)
        return (self.folder / name).read_bytes()

    def text(self, name: str) -> str:
        """Return the text of a file."""
        return self.read(name).decode("utf-8")


def check_files(pack: Pack, key: tuple[str, bytes, bytes]) -> dict[str, str]:
    """Check every file against the signed list; return the SHA-256 by name."""
    listed = pack.read("MANIFEST.json")
    text = signed_text(pack.text("MANIFEST.note"), key, "The list of files")
    if text != f"{MANIFEST_FORMAT}\n{hashlib.sha256(listed).hexdigest()}\n":
        raise Broken("MANIFEST.json is not the list that was signed.")
    hashes: dict[str, str] = json.loads(listed)
    unlisted = set(pack.sizes) - set(hashes) - {"MANIFEST.json", "MANIFEST.note"}
    if unlisted:
        raise Broken(f"The pack has files that are not in its list: {', '.join(sorted(unlisted))}.")
    for name, expected in hashes.items():
        if hashlib.sha256(pack.read(name)).hexdigest() != expected:
            raise Broken(f"{name} was changed.")
    return hashes


def check_events(pack: Pack, size: int, root: bytes) -> list[dict[str, object]]:
    """Check that each event is in the signed log; return the events."""
    bodies = pack.read("events.jsonl").split(b"\n")
    proofs = pack.text("events.proofs.jsonl").splitlines()[1:]
    if bodies and not bodies[-1]:
        bodies.pop()
    if len(bodies) != len(proofs):
        raise Broken("There are not as many proofs as events.")
    events = []
    for number, body in enumerate(bodies):
        proof = json.loads(proofs[number])
        leaf = hashlib.sha256(b"\x00" + body).digest()
        path = [bytes.fromhex(one) for one in proof["proof"]]
        if leaf.hex() != proof["leaf"] or root_from(proof["seq"], size, leaf, path) != root:
            raise Broken(f"Event {proof['seq']} is not the one in the signed log.")
        events.append(json.loads(body))
    return events


def check_image(events: list[dict[str, object]], hashes: dict[str, str], asset: str) -> None:
    """Check that the log names the image's files by their hashes."""
    named: dict[str, object] = {}
    for event in events:
        target = event.get("object")
        is_about = isinstance(target, dict) and target.get("id") == asset
        if is_about and event.get("type") in {"asset.created", "asset.rewritten"}:
            data = event["data"]
            if isinstance(data, dict):
                named = data
    files = {name.partition(".")[0]: value for name, value in hashes.items() if "/" not in name}
    for name, field in (("master", "sha256"), ("original", "original_sha256")):
        if not named or files.get(name) != named.get(field):
            raise Broken(f"The log does not name {name}.* by its hash.")


def tell(line: str) -> None:
    """Write a line of the report."""
    sys.stdout.write(f"{line}\n")


def check_published(
    proved: dict[int, list[str]], old: tuple[int, bytes], new: tuple[int, bytes]
) -> bool:
    """Check that the log continues a published checkpoint; return whether a proof is about it."""
    if old[0] not in proved:
        return False
    check_continues(old, new, [bytes.fromhex(one) for one in proved[old[0]]])
    return True


def check_restores(
    entries: list[dict[str, object]], size: int, root: bytes
) -> dict[tuple[int, str], int]:
    """Check and tell that the log was restored from backups.

    Return the published checkpoints that were given up by that (size and root), each with the
    number of entries that the log kept.
    """
    given_up = {}
    told = set()
    for entry in entries:
        body, seq, proof = str(entry["body"]), entry["seq"], entry["proof"]
        event = json.loads(body)
        if not isinstance(seq, int) or not isinstance(proof, list):
            raise Broken("The record of a restored backup has no proof.")
        if not isinstance(event, dict) or event["type"] != RESTORE:
            raise Broken("The record of a restored backup cannot be read.")
        leaf = hashlib.sha256(b"\x00" + body.encode()).digest()
        if root_from(seq, size, leaf, [bytes.fromhex(one) for one in proof]) != root:
            raise Broken("The record of a restored backup is not the one in the signed log.")
        data = event["data"]
        given_up.update({(one[0], one[1]): data["kept"] for one in data["given_up"]})
        line = (
            f"WARN The log was restored from a backup at {data['kept']} entries (event {seq}): from "
            f"entry {data['kept']} to entry {data['size'] - 1}, what was published is lost"
        )
        if (data["size"], data["root"]) not in told:
            tell(line)
        told.add((data["size"], data["root"]))
    return given_up


def is_given_up(note: str, origin: str, given_up: dict[tuple[int, str], int]) -> bool:
    """Tell if a published checkpoint is one that was given up when the log was restored.

    Whose signature it has is not compared: the signed log names it by size and root.
    """
    size, root = parse_checkpoint(note.rpartition("\n\n")[0] + "\n", origin)
    kept = given_up.get((size, root.hex()))
    if kept is None:
        return False
    tell(
        f"STOP The checkpoint of {size} events that you gave is of a branch that was given up when"
    )
    tell(
        f"     the log was restored: it shows that something was lost from entry {kept} on. This pack"
    )
    tell("     is of the log as it went on.")
    return True


def verify(pack: Pack, *, key_line: str, checkpoint: str) -> int:
    """Verify a pack, write what holds, and return the exit status."""
    header = json.loads(pack.text("events.proofs.jsonl").partition("\n")[0])
    if header["format"] != FORMAT:
        raise Broken("The proofs have an unknown format.")
    keys = Keys(key_line or header["vkey"], header["handovers"])
    key = parse_key(header["vkey"])
    if keys.ranges[-1][0] != key:
        raise Broken("The pack is signed by another key than the one that you gave.")
    size, root = keys.checkpoint(header["checkpoint"], "The checkpoint")
    tell(f"ok   The log of {size} events is signed by the key {header['vkey']}")
    proved: dict[int, list[str]] = {size: []}
    for entry in header["earlier"]:
        earlier = keys.checkpoint(entry["checkpoint"], "An earlier checkpoint")
        proved[earlier[0]] = entry["proof"]
        check_published(proved, earlier, (size, root))
    given_up = check_restores(header.get("restores", []), size, root)
    is_lost = bool(checkpoint) and is_given_up(checkpoint, key[0], given_up)
    has_published = bool(checkpoint) and not is_lost
    published = keys.checkpoint(checkpoint, "The published checkpoint") if has_published else None
    is_compared = published is None or check_published(proved, published, (size, root))
    if published is not None and is_compared:
        tell(f"ok   The log continues the published checkpoint of {published[0]} events")
    hashes = check_files(pack, key)
    tell(f"ok   {len(hashes)} files are those that were packed and signed")
    events = check_events(pack, size, root)
    tell(f"ok   {len(events)} events are in the signed log, unaltered")
    asset = json.loads(pack.text("summary.json"))["asset"]
    check_image(events, hashes, asset)
    tell("ok   The log names the published file and the provider's file by their hashes")
    tell("note The Content Credentials inside the images need a C2PA reader of your choice")
    if not key_line:
        tell("STOP Nothing proves yet whose key it is: compare it with a copy that you got from")
        tell("     the site by another way, and give that copy with --key.")
    elif parse_key(key_line) == key:
        tell("ok   The key is the one that you gave")
    else:
        tell(
            "ok   The key that you gave was replaced, and handovers that it signed lead to this one"
        )
    if published is not None and not is_compared:
        tell(
            f"STOP The pack has no proof about the checkpoint of {published[0]} events: ask the site"
        )
        tell(f"     for `imagegen_audit export --earlier {published[0]}`, or for a newer pack.")
        if any(kept < published[0] <= lost[0] for lost, kept in given_up.items()):
            tell("     It may also be of what was given up when the log was restored.")
    return HOLDS if key_line and is_compared and not is_lost else NOT_COMPARED


def main(arguments: list[str]) -> int:
    """Verify the pack that the arguments name; return the exit status."""
    parser = argparse.ArgumentParser(description="Verify an evidence pack.")
    parser.add_argument("pack", nargs="?", default=str(Path(__file__).resolve().parent))
    parser.add_argument("--key", default="", help="the log's public key, from elsewhere")
    parser.add_argument("--checkpoint", default="", help="a file with a published checkpoint")
    options = parser.parse_args(arguments)
    try:
        published = Path(options.checkpoint).read_text("utf-8") if options.checkpoint else ""
        return verify(Pack(Path(options.pack)), key_line=options.key, checkpoint=published)
    except Broken as error:
        tell(f"FAIL {error}")
    except Exception as error:  # noqa: BLE001 - whatever a forged pack makes Python raise
        tell(f"FAIL The pack cannot be read ({type(error).__name__}).")
    return BROKEN


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
