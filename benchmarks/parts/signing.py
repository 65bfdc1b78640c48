"""Time signing alone: a small PNG and the WebP derived from it, with the read-back that follows."""

from __future__ import annotations

import io
import time

from PIL import Image

from benchmarks.parts.image_server import picture
from imagegen_app.imaging.content_credentials import (
    Parent,
    SoftwareAgent,
    read_content_credentials,
    sign,
)
from imagegen_app.services.gateways.signing import signing_identity

TIMES = 40
SOURCE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"


def milliseconds() -> float:
    """Return the CPU milliseconds that it takes for one image."""
    identity = signing_identity()
    png = picture(256)
    buffer = io.BytesIO()
    Image.open(io.BytesIO(png)).resize((64, 64)).save(buffer, "WEBP")
    agent = SoftwareAgent(name="benchmark", version="1")

    def once() -> None:
        master = sign(
            png, "image/png", signing=identity, title="x", operation="generate",
            digital_source_type=SOURCE, software_agent=agent,
        )  # fmt: skip
        read_content_credentials(master, "image/png", trust_anchors=identity.trust_anchors)
        parent = Parent(data=master, media_type="image/png", title="master")
        sign(
            buffer.getvalue(), "image/webp", signing=identity, title="x", operation="rendition",
            digital_source_type=SOURCE, software_agent=agent, parents=(parent,),
        )  # fmt: skip

    for _ in range(5):
        once()
    began = time.process_time()
    for _ in range(TIMES):
        once()
    return (time.process_time() - began) / TIMES * 1000
