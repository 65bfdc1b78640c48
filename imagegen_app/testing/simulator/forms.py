"""Read multipart/form-data, well enough for a simulator that knows its callers."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_NAME = re.compile(rb'name="([^"]*)"')
_TYPE = re.compile(rb"content-type:\s*([\w/+.-]+)", re.IGNORECASE)


@dataclass(slots=True)
class Form:
    """The fields and files of a form."""

    fields: dict[str, str] = field(default_factory=dict)
    #: Name, media type and bytes of each file, in their order.
    files: list[tuple[str, str, bytes]] = field(default_factory=list)


def parse(body: bytes, *, content_type: str) -> Form:
    """Read a form.

    :raises ValueError: if there is no boundary.
    """
    _, _, boundary = content_type.partition("boundary=")
    if not boundary:
        raise ValueError("no boundary")
    form = Form()
    for piece in body.split(b"--" + boundary.strip('"').encode())[1:-1]:
        head, _, data = piece.partition(b"\r\n\r\n")
        data = data.removesuffix(b"\r\n")
        name = _NAME.search(head)
        if name is None:
            continue
        kind = _TYPE.search(head)
        if b"filename=" in head:
            media_type = kind[1].decode() if kind else "application/octet-stream"
            form.files.append((name[1].decode(), media_type, data))
        else:
            form.fields[name[1].decode()] = data.decode()
    return form
