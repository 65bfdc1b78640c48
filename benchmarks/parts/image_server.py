"""Answer like OpenAI's Images API after a fixed time, with one prepared image; costs next to nothing.

Usage: python -m benchmarks.parts.image_server SECONDS [SIDE]; prints its address and serves until it is killed.
`GET /peak` answers how many calls were open at once, and the time of each.
"""

from __future__ import annotations

import asyncio
import base64
import io
import json
import random
import sys
import time

from PIL import Image

SIDE = 1024
#: So many grey levels a channel make a PNG of about 1.8 MB.
LEVELS = 22


def picture(side: int = SIDE) -> bytes:
    """Return a square PNG of noise; at 1024 pixels it has about 2 MB."""
    choices = random.Random(1)  # noqa: S311 - noise, always the same
    raw = choices.randbytes(side * side * 3)
    table = bytes(value % LEVELS * 11 for value in range(256))
    buffer = io.BytesIO()
    Image.frombytes("RGB", (side, side), raw.translate(table)).save(buffer, "PNG", compress_level=3)
    return buffer.getvalue()


class ImageServer:
    """A server that gives each call the same image after `seconds`."""

    def __init__(self, seconds: float, side: int) -> None:
        self.seconds = seconds
        text = base64.b64encode(picture(side)).decode()
        usage = {"input_tokens": 10, "output_tokens": 100, "total_tokens": 110}
        body = json.dumps({"created": 1, "data": [{"b64_json": text}], "usage": usage}).encode()
        self.answer = (
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
            % len(body)
        )
        self.answer += body
        self.open = self.most = 0
        self.calls: list[float] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one call."""
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            if head.startswith(b"GET /peak"):
                body_text = json.dumps({"most": self.most, "calls": self.calls}).encode()
                writer.write(
                    b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
                    % len(body_text)
                )
                writer.write(body_text)
                return
            length = next(
                int(line.split(b":")[1])
                for line in head.lower().split(b"\r\n")
                if line.startswith(b"content-length")
            )
            await reader.readexactly(length)
            self.calls.append(time.time())
            self.open += 1
            self.most = max(self.most, self.open)
            await asyncio.sleep(self.seconds)
            self.open -= 1
            writer.write(self.answer)
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()


async def main(seconds: float, side: int) -> None:
    """Serve until killed."""
    image_server = ImageServer(seconds, side)
    server = await asyncio.start_server(
        image_server.serve, "127.0.0.1", 0, backlog=1024, limit=2**20
    )
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else SIDE))  # noqa: PLR2004
