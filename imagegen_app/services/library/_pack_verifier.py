"""Verify an evidence pack, with nothing but Python's standard library.

This file is put into each pack as `verify.py`. It needs Python 3.8 or newer, no network, and nothing
of the site that made the pack:

    python3 -I -S verify.py [--key KEY] [--checkpoint FILE] [PACK]

PACK is the folder or the ZIP file; without it, the folder that holds this file. KEY is the log's
public key, obtained from elsewhere than this pack. FILE is a checkpoint that the site published.

Exit status: 0 all holds and the key was compared; 1 something does not hold; 3 all holds, but only
by the key that the pack itself contains.
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

HOLDS, BROKEN, KEY_NOT_COMPARED = 0, 1, 3
FORMAT = "imagegen-audit-proofs-1"
MANIFEST_FORMAT = "imagegen-evidence-1"
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


def verify(pack: Pack, *, key_line: str, checkpoint: str) -> int:
    """Verify a pack, write what holds, and return the exit status."""
    header = json.loads(pack.text("events.proofs.jsonl").partition("\n")[0])
    if header.get("format") != FORMAT:
        raise Broken("The proofs have an unknown format.")
    key = parse_key(header["vkey"])
    if key_line and parse_key(key_line) != key:
        raise Broken("The pack is signed by another key than the one that you gave.")
    size, root = parse_checkpoint(signed_text(header["checkpoint"], key, "The checkpoint"), key[0])
    tell(f"ok   The log of {size} events is signed by the key {header['vkey']}")
    if checkpoint:
        published = parse_checkpoint(signed_text(checkpoint, key, "The published one"), key[0])
        if published[0] == size and published[1] != root:
            raise Broken("The published checkpoint has another root: the log was rewritten.")
        tell(f"ok   The published checkpoint of {published[0]} events is signed by the same key")
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
        return KEY_NOT_COMPARED
    tell("ok   The key is the one that you gave")
    return HOLDS


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
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        tell(f"FAIL The pack cannot be read ({type(error).__name__}).")
    return BROKEN


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
