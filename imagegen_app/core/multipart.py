"""Write multipart/form-data bodies that are the same bytes each time."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class FormFile:
    """A file of a form."""

    name: str
    filename: str
    media_type: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Form:
    """An encoded form and its content type."""

    body: bytes = field(repr=False)
    content_type: str


def encode(*, fields: list[tuple[str, str]], files: list[FormFile]) -> Form:
    """Encode a form; the boundary is made from the content, so that a repetition is identical."""
    digest = hashlib.sha256()
    for name, value in fields:
        digest.update(f"{name}\0{value}\0".encode())
    for file in files:
        digest.update(file.name.encode() + b"\0" + file.data)
    boundary = digest.hexdigest()[:48]
    pieces: list[bytes] = []
    for name, value in fields:
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="{_quoted(name)}"\r\n\r\n'
        pieces += [head.encode(), value.encode(), b"\r\n"]
    for file in files:
        head = (
            f"--{boundary}\r\n"
            f'Content-Disposition: form-data; name="{_quoted(file.name)}"; '
            f'filename="{_quoted(file.filename)}"\r\nContent-Type: {file.media_type}\r\n\r\n'
        )
        pieces += [head.encode(), file.data, b"\r\n"]
    pieces.append(f"--{boundary}--\r\n".encode())
    return Form(b"".join(pieces), f"multipart/form-data; boundary={boundary}")


def _quoted(text: str) -> str:
    return text.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
