from __future__ import annotations

import io
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from c2pa import (  # type: ignore[import-untyped]  # it ships no types
    Builder,
    C2paError,
    C2paSignerInfo,
    Context,
    Reader,
    Settings,
    Signer,
)

from imagegen_app.core.source_types import COMPOSITE, ENHANCED, GENERATED
from imagegen_app.core.types import Operation
from imagegen_app.imaging.content_credentials import (
    Parent,
    SigningFailed,
    SigningIdentity,
    SoftwareAgent,
    make_development_chain,
    read_content_credentials,
    sign,
)
from imagegen_app.imaging.inspect import ImageLimits, inspect
from imagegen_app.imaging.metadata import read_xmp
from imagegen_app.imaging.pipeline import prepare

from . import sample_images
from .sample_images import MARKS, MEDIA_TYPES, OPTIONS, encoded, picture

ROOT = Path(__file__).parents[2]
AGENT = SoftwareAgent("gpt-image", "1.5")


@pytest.fixture(scope="module")
def signing() -> SigningIdentity:
    chain, key = make_development_chain("Beispiel GmbH")
    return SigningIdentity(chain_pem=chain, key_pem=key, generator_version="0.1.0")


@pytest.fixture(scope="module")
def anchor(signing: SigningIdentity) -> str:
    return "-----BEGIN CERTIFICATE-----" + signing.chain_pem.split("-----BEGIN CERTIFICATE-----")[2]


def generated(
    name: str, signing: SigningIdentity, *, data: bytes = b"", parents: tuple[Parent, ...] = ()
) -> bytes:
    return sign(
        data or encoded(picture(), name),
        MEDIA_TYPES[name],
        signing=signing,
        title="A hero",
        operation=Operation.GENERATE,
        digital_source_type=GENERATED,
        software_agent=AGENT,
        parents=parents,
    )


@pytest.mark.parametrize("name", sample_images.FORMATS)
def test_a_generated_master_is_valid_and_trusted_with_the_anchor(
    name: str, signing: SigningIdentity, anchor: str
) -> None:
    master = prepare(encoded(picture(), name), OPTIONS).master

    signed = generated(name, signing, data=master.data)

    read = read_content_credentials(signed, MEDIA_TYPES[name])
    assert (read.state, read.failures) == ("valid", ("signingCredential.untrusted",))
    assert read.actions == ("c2pa.created",)
    assert read.digital_source_type == GENERATED
    assert read.ingredients == 0
    assert "DEVELOPMENT ONLY" in read.signer
    assert read.issuer == "DEVELOPMENT ONLY Beispiel GmbH"
    assert read.generator == "imagegen_app 0.1.0"
    assert read.title == "A hero"
    trusted = read_content_credentials(signed, MEDIA_TYPES[name], trust_anchors=anchor)
    assert (trusted.state, trusted.failures) == ("trusted", ())
    assert len(signed) - len(master.data) <= 15_000
    assert read_xmp(signed).digital_source_type == MARKS.digital_source_type
    inspected = inspect(signed, limits=ImageLimits())
    assert inspected.has_credentials


@pytest.mark.parametrize("name", ["avif", "webp", "jpeg"])
@pytest.mark.parametrize("of", sample_images.FORMATS)
def test_a_rendition_has_the_signed_master_as_its_parent(
    name: str, of: str, signing: SigningIdentity, anchor: str
) -> None:
    prepared = prepare(encoded(picture(), of), OPTIONS)
    master = generated(of, signing, data=prepared.master.data)
    rendition = next(e for e in prepared.renditions if e.format == name)

    signed = sign(
        rendition.data,
        rendition.media_type,
        signing=signing,
        title="A hero, small",
        operation="rendition",
        digital_source_type="",
        software_agent=AGENT,
        parents=(Parent(master, MEDIA_TYPES[of], "A hero"),),
    )

    read = read_content_credentials(signed, rendition.media_type, trust_anchors=anchor)
    assert (read.state, read.failures, read.ingredients) == ("trusted", (), 1)
    assert read.actions == ("c2pa.opened", "c2pa.resized.proportional", "c2pa.transcoded")
    assert read.digital_source_type == GENERATED
    assert len(signed) - len(rendition.data) <= 15_000
    assert read_xmp(signed).instance_id == rendition.instance_id


@pytest.mark.parametrize(
    ("operation", "source_type", "action"),
    [
        (Operation.EDIT, COMPOSITE, "c2pa.edited"),
        (Operation.INPAINT, COMPOSITE, "c2pa.edited"),
        (Operation.OUTPAINT, COMPOSITE, "c2pa.edited"),
        (Operation.VARY, GENERATED, "c2pa.edited"),
        (Operation.UPSCALE, ENHANCED, "c2pa.enhanced"),
        (Operation.REMOVE_BACKGROUND, ENHANCED, "c2pa.edited"),
    ],
)
def test_a_changed_image_names_its_parent_and_the_kind_of_change(
    operation: Operation, source_type: str, action: str, signing: SigningIdentity, anchor: str
) -> None:
    parent = Parent(generated("png", signing), "image/png", "before")
    mask = Parent(encoded(picture(mode="L"), "png"), "image/png", "mask", "inputTo")

    signed = sign(
        encoded(picture(seed=2), "webp"),
        "image/webp",
        signing=signing,
        title="after",
        operation=operation,
        digital_source_type=source_type,
        software_agent=AGENT,
        parents=(parent, mask),
    )

    read = read_content_credentials(signed, "image/webp", trust_anchors=anchor)
    assert (read.state, read.actions) == ("trusted", ("c2pa.opened", action))
    assert (read.digital_source_type, read.ingredients) == (source_type, 2)


def test_references_are_inputs_of_a_creation(signing: SigningIdentity) -> None:
    reference = Parent(encoded(picture(), "jpeg"), "image/jpeg", relationship="inputTo")

    read = read_content_credentials(generated("png", signing, parents=(reference,)), "image/png")

    assert (read.state, read.actions, read.ingredients) == ("valid", ("c2pa.created",), 1)


def test_an_edit_without_its_original_is_recorded_as_creation(signing: SigningIdentity) -> None:
    signed = sign(
        encoded(picture(), "png"),
        "image/png",
        signing=signing,
        title="t",
        operation=Operation.EDIT,
        digital_source_type=COMPOSITE,
        software_agent=SoftwareAgent("m"),
    )

    read = read_content_credentials(signed, "image/png")
    assert (read.actions, read.digital_source_type) == (("c2pa.created",), COMPOSITE)


def test_contradictory_parents_are_refused(signing: SigningIdentity) -> None:
    parent = Parent(encoded(picture(), "png"), "image/png")
    with pytest.raises(ValueError, match="one parent"):
        generated("png", signing, parents=(parent, parent))
    with pytest.raises(ValueError, match="master"):
        sign(
            parent.data,
            "image/png",
            signing=signing,
            title="",
            operation="rendition",
            digital_source_type="",
            software_agent=AGENT,
        )


@pytest.mark.parametrize("name", sample_images.FORMATS)
def test_a_flipped_bit_in_the_pixels_is_detected(
    name: str, signing: SigningIdentity, anchor: str
) -> None:
    signed = bytearray(generated(name, signing))
    # These positions are pixel data in all four formats.
    at = signed.index(b"C2PA") - 40 if name == "webp" else len(signed) - 60
    signed[at] ^= 1

    read = read_content_credentials(bytes(signed), MEDIA_TYPES[name], trust_anchors=anchor)

    assert read.state == "invalid"
    assert set(read.failures) & {"assertion.dataHash.mismatch", "assertion.bmffHash.mismatch"}


def test_an_appended_byte_is_detected(signing: SigningIdentity) -> None:
    read = read_content_credentials(generated("jpeg", signing) + b"x", "image/jpeg")

    assert read.state == "invalid"


@pytest.mark.parametrize("name", sample_images.FORMATS)
def test_missing_and_unreadable_content_credentials_are_distinguished(name: str) -> None:
    data = encoded(picture(), name)

    assert read_content_credentials(data, MEDIA_TYPES[name]).state == "none"
    cut = data[: len(data) // 2]
    for damaged in (b"", b"not an image", b"<svg/>", data[:9], cut + b"\0" * 99):
        assert read_content_credentials(damaged, MEDIA_TYPES[name]).state in {"unreadable", "none"}
    assert read_content_credentials(data, "text/html").state == "unreadable"
    assert read_content_credentials(b"not an image", MEDIA_TYPES[name]).state == "unreadable"


def test_encoding_again_removes_the_content_credentials(signing: SigningIdentity) -> None:
    again = prepare(generated("png", signing), OPTIONS)

    assert again.inspected.has_credentials
    assert read_content_credentials(again.master.data, "image/png").state == "none"


@pytest.fixture
def listener() -> Iterator[tuple[str, list[bytes]]]:
    """Listen on a local address, answer 404 and record the requests."""
    requests: list[bytes] = []
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with connection:
                requests.append(connection.recv(4096))
                connection.sendall(
                    b"HTTP/1.1 404 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                )

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.getsockname()[1]}/manifest", requests
    server.shutdown(socket.SHUT_RDWR)
    server.close()
    thread.join(timeout=10)


def with_remote_manifest(signing: SigningIdentity, url: str) -> bytes:
    """Return a JPEG that refers to a manifest at a URL, as anybody could create it."""
    claim = {
        "claim_generator_info": [{"name": "other", "version": "1"}],
        "assertions": [
            {
                "label": "c2pa.actions.v2",
                "data": {"actions": [{"action": "c2pa.created", "digitalSourceType": GENERATED}]},
            }
        ],
    }
    settings = {"verify": {"verify_after_sign": False, "remote_manifest_fetch": False}}
    out = io.BytesIO()
    with (
        Context(Settings.from_dict(settings)) as context,
        Signer.from_info(
            C2paSignerInfo("es256", signing.chain_pem.encode(), signing.key_pem.encode(), None)
        ) as signer,
        Builder(claim, context) as builder,
    ):
        builder.set_no_embed()
        builder.set_remote_url(url)
        builder.sign(signer, "image/jpeg", io.BytesIO(encoded(picture(), "jpeg")), out)
    return out.getvalue()


def test_a_url_inside_a_file_is_never_requested(
    signing: SigningIdentity, listener: tuple[str, list[bytes]]
) -> None:
    url, requests = listener
    data = with_remote_manifest(signing, url)
    assert url.encode() in data

    read = read_content_credentials(data, "image/jpeg")
    signed = sign(
        encoded(picture(), "png"),
        "image/png",
        signing=signing,
        title="t",
        operation=Operation.EDIT,
        digital_source_type=COMPOSITE,
        software_agent=AGENT,
        parents=(Parent(data, "image/jpeg"),),
    )

    assert read.state == "unreadable"
    assert read_content_credentials(signed, "image/png").state == "valid"
    assert requests == []


def test_the_library_requests_the_url_with_its_own_settings(
    signing: SigningIdentity, listener: tuple[str, list[bytes]]
) -> None:
    # Shows that the test above would fail without our settings.
    url, requests = listener
    data = with_remote_manifest(signing, url)

    with Context() as context, pytest.raises(C2paError):
        Reader("image/jpeg", io.BytesIO(data), context=context)

    assert len(requests) == 1


def test_an_unreachable_time_stamp_authority_is_named(
    signing: SigningIdentity, listener: tuple[str, list[bytes]]
) -> None:
    url, requests = listener

    with pytest.raises(SigningFailed) as caught:
        generated("png", replace(signing, tsa_url=url))

    assert caught.value.reason == "time_stamp"
    assert len(requests) >= 1


def test_a_key_of_another_certificate_is_refused_and_not_printed(signing: SigningIdentity) -> None:
    _, other = make_development_chain("Other")

    with pytest.raises(SigningFailed) as caught:
        generated("png", replace(signing, key_pem=other))

    assert caught.value.reason == "certificate"
    assert "PRIVATE KEY" not in str(caught.value) + caught.value.detail


def test_the_key_is_not_printed(signing: SigningIdentity) -> None:
    assert "PRIVATE KEY" not in repr(signing)
    assert "CERTIFICATE" not in repr(signing)


def test_threads_share_a_signer(signing: SigningIdentity) -> None:
    def once(number: int) -> str:
        name = sample_images.FORMATS[number % 4]
        return read_content_credentials(generated(name, signing), MEDIA_TYPES[name]).state

    with ThreadPoolExecutor(8) as threads:
        states = list(threads.map(once, range(40)))

    assert set(states) == {"valid"}


FORKED = """
import os
from tests.imaging.test_content_credentials import *
chain, key = make_development_chain("Fork")
signing = SigningIdentity(chain_pem=chain, key_pem=key)
def works():
    return read_content_credentials(generated("png", signing), "image/png").state == "valid"
assert works()
child = os.fork()
if child == 0:
    os._exit(0 if works() and works() else 3)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert works()
"""


def test_signing_works_in_both_processes_after_a_fork() -> None:
    subprocess.run([sys.executable, "-c", FORKED], check=True, timeout=60, cwd=ROOT)


def test_hostile_titles_are_cleaned(signing: SigningIdentity) -> None:
    signed = sign(
        encoded(picture(), "png"),
        "image/png",
        signing=signing,
        title="a\0b\ud800" + "c" * 900,
        operation="generate",
        digital_source_type="",
        software_agent=AGENT,
    )

    read = read_content_credentials(signed, "image/png")
    assert read.title.startswith("abccc")
    assert len(read.title) == 300
    assert read.digital_source_type == GENERATED
