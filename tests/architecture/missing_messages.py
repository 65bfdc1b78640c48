"""Print the messages of the code that a catalogue lacks; exit with 1 if there are any.

Takes the folder with the catalogues as they are, and a copy of it whose catalogues were just
extracted from the code (`django-admin makemessages`).
"""

from __future__ import annotations

import sys
from pathlib import Path

from babel.messages.pofile import read_po


def messages(path: Path) -> set[tuple[object, str | None]]:
    """Return the messages of a catalogue, each with its context; obsolete ones left out."""
    with path.open("rb") as file:
        return {(entry.id, entry.context) for entry in read_po(file) if entry.id}


def main(present: Path, extracted: Path) -> int:
    """Compare the catalogues of both folders; return the exit code."""
    missing = 0
    for path in sorted(present.glob("*/LC_MESSAGES/django.po")):
        wanted = messages(extracted / path.relative_to(present))
        for message, context in sorted(wanted - messages(path), key=str):
            missing += 1
            where = f" ({context})" if context else ""
            sys.stdout.write(f"{path}: {message!r}{where}\n")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
