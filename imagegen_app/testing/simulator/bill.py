"""Record the billed calls in a file, which survives a crash of the simulator or its caller."""

from __future__ import annotations

import hashlib
import json
import os
import time
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

PRICE = Decimal("0.04")


@dataclass(frozen=True, slots=True)
class Entry:
    """One billed call."""

    id: str
    #: The caller's idempotency key; empty where the protocol has none.
    key: str
    time: float
    operation: str
    model: str
    images: int
    #: US dollars, as text.
    amount: str
    #: The first 16 hex digits of the prompt's SHA-256.
    fingerprint: str


def fingerprint(prompt: str) -> str:
    """Return the part of a prompt's hash that the bill stores instead of the prompt."""
    return hashlib.sha256(prompt.encode()).hexdigest()[:16]


class Bill:
    """The billed calls in order; each is on the disk before its caller gets an answer."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._entries: list[Entry] = []
        if path.exists():
            lines = path.read_text("utf-8").splitlines()
            self._entries = [Entry(**json.loads(line)) for line in lines if line]

    def add(
        self,
        *,
        call_id: str,
        key: str,
        operation: str,
        model: str,
        images: int,
        prompt: str,
    ) -> Entry:
        """Add a call to the bill and return its entry."""
        entry = Entry(
            id=call_id,
            key=key,
            time=time.time(),
            operation=operation,
            model=model,
            images=images,
            amount=str(PRICE * images),
            fingerprint=fingerprint(prompt),
        )
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(entry)) + "\n")
            file.flush()
            os.fsync(file.fileno())
        self._entries.append(entry)
        return entry

    def credit(self, call_id: str) -> None:
        """Remove a call from the bill."""
        for entry in [entry for entry in self._entries if entry.id == call_id]:
            self._entries.remove(entry)
        lines = [json.dumps(asdict(entry)) + "\n" for entry in self._entries]
        self._path.write_text("".join(lines), "utf-8")

    def clear(self) -> None:
        """Delete all entries."""
        self._entries.clear()
        self._path.write_text("", "utf-8")

    def document(self) -> dict[str, Any]:
        """Return the bill as its JSON document."""
        total = sum((Decimal(entry.amount) for entry in self._entries), Decimal(0))
        return {
            "entries": [asdict(entry) for entry in self._entries],
            "images": sum(entry.images for entry in self._entries),
            "total": str(total),
            "currency": "USD",
        }
