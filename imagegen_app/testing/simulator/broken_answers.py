"""Build the invalid answers that faults return."""

from __future__ import annotations

import io
import struct
import zlib

from PIL import Image, ImageDraw

HTML = b"<!DOCTYPE html><html><title>502</title><h1>Bad gateway</h1></html>"
SVG = (
    b'<svg xmlns="http://www.w3.org/2000/svg" width="64" height="64">'
    b"<script>alert(1)</script><rect width='64' height='64' fill='#c33'/></svg>"
)


def huge_png() -> bytes:
    """Return a small PNG that declares 300 megapixels of one colour."""
    width, height = 20_000, 15_000
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    row = b"\0" * (1 + (width + 7) // 8)
    machine = zlib.compressobj(9)
    pixels = b"".join(machine.compress(row * 500) for _ in range(height // 500))
    pixels += machine.flush()
    chunks = ((b"IHDR", header), (b"IDAT", pixels), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )


def animated_gif() -> bytes:
    """Return a GIF of a few frames."""
    frames = []
    for n in range(6):
        frame = Image.new("RGB", (96, 96), (240, 230, 210))
        ImageDraw.Draw(frame).ellipse((n * 10, 30, n * 10 + 36, 66), fill=(200, 80, 60))
        frames.append(frame)
    buffer = io.BytesIO()
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:], duration=80, loop=0)
    return buffer.getvalue()
