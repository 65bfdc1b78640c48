"""A time-stamp authority (RFC 3161) on this host, made of OpenSSL and certificates of its own."""

from __future__ import annotations

import shutil
import subprocess
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from imagegen_app.imaging import certificates

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")
_PEM = serialization.Encoding.PEM
_CONFIG = """
[tsa]
serial = {folder}/serial
signer_cert = {folder}/leaf.pem
certs = {folder}/root.pem
signer_key = {folder}/key.pem
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256,sha384,sha512
ess_cert_id_alg = sha256
"""


@dataclass
class Authority:
    """A running authority."""

    url: str
    #: Its root certificate, as PEM.
    root: str
    #: What it does instead of answering: `refuse` (HTTP 503), `nonsense` (a web page), or nothing.
    fault: str = ""
    asked: int = field(default=0)


@contextmanager
def time_stamp_authority(folder: Path) -> Iterator[Authority]:
    """Run an authority on a free port of this host."""
    root = _write_certificates(folder)
    (folder / "serial").write_text("01\n")
    (folder / "tsa.cnf").write_text(_CONFIG.format(folder=folder))

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            query = self.rfile.read(int(self.headers["Content-Length"]))
            with lock:
                authority.asked += 1
                answer = b"<html>" if authority.fault else _stamp(folder, query)
            self.send_response(503 if authority.fault == "refuse" else 200)
            self.send_header("Content-Type", "application/timestamp-reply")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_args: object) -> None:
            pass

    lock = threading.Lock()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    authority = Authority(f"http://127.0.0.1:{server.server_address[1]}/", root)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield authority
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def _stamp(folder: Path, query: bytes) -> bytes:
    (folder / "query").write_bytes(query)
    subprocess.run(
        [
            *("openssl", "ts", "-reply", "-config", str(folder / "tsa.cnf"), "-section", "tsa"),
            *("-queryfile", str(folder / "query"), "-out", str(folder / "reply")),
        ],
        check=True,
        capture_output=True,
        timeout=20,
    )
    return (folder / "reply").read_bytes()


def _write_certificates(folder: Path) -> str:
    """Write the authority's key and certificates, and return its root as PEM."""
    root_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    root_name, name = (
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Stamp {role}")])
        for role in ("root", "leaf")
    )
    identifier = x509.SubjectKeyIdentifier.from_public_key(root_key.public_key())
    issuer = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)
    usage, ca_usage = (
        certificates._key_usage(*uses)
        for uses in (("digital_signature",), ("key_cert_sign", "crl_sign"))
    )
    root = (
        certificates._certificate(root_name, root_name, root_key.public_key(), days=100)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(ca_usage, critical=True)
        .add_extension(identifier, critical=False)
        .sign(root_key, hashes.SHA256())
    )
    leaf = (
        certificates._certificate(name, root_name, key.public_key(), days=99)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(issuer, critical=False)
        .sign(root_key, hashes.SHA256())
    )
    (folder / "key.pem").write_bytes(
        key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    (folder / "leaf.pem").write_bytes(leaf.public_bytes(_PEM))
    (folder / "root.pem").write_bytes(root.public_bytes(_PEM))
    return root.public_bytes(_PEM).decode()
