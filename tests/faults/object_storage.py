"""An S3 server behind a gate that can be shut: then every request is answered with 503."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Self

import boto3
from moto.server import ThreadedMotoServer

from tests.faults.proxy import Proxy

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from tests.engines.engine_site import Site

BUCKET = "images"
#: Long enough for three leases to run out.
AWAY_SECONDS = float(os.environ.get("IMAGEGEN_STORAGE_AWAY_SECONDS", "20"))


class ObjectStorage:
    """A context manager: a bucket on a server of its own, reached through the gate only."""

    def __init__(self) -> None:
        self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        self._stack = ExitStack()
        self._gate: Proxy | None = None

    def __enter__(self) -> Self:
        self._server.start()
        self._stack.callback(self._server.stop)
        host, port = self._server.get_host_and_port()
        self._client = boto3.client(
            "s3",
            endpoint_url=f"http://{host}:{port}",
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )
        self._stack.callback(self._client.close)
        self._client.create_bucket(Bucket=BUCKET)
        self._gate = self._stack.enter_context(Proxy(f"http://{host}:{port}"))
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self._stack.close()

    @property
    def gate(self) -> Proxy:
        """The gate, while the server runs."""
        if self._gate is None:
            raise RuntimeError("the server does not run")
        return self._gate

    def stay_away(self, site: Site) -> int:
        """Stay shut for a while, then open; return how many jobs said that they wait for it."""
        time.sleep(AWAY_SECONDS)
        (told,) = site.query("select count(*) from imagegen_job where waiting_for = 'storage'")
        self.open()
        return min(self.gate.disturbed, int(told[0]))

    def copy_to(self, folder: Path) -> None:
        """Copy every file into a folder, where the checker looks for them."""
        for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET):
            for entry in page.get("Contents", ()):
                target = folder / entry["Key"]
                target.parent.mkdir(parents=True, exist_ok=True)
                self._client.download_file(BUCKET, entry["Key"], str(target))

    def shut(self) -> None:
        """Answer every request with 503, and break off what is under way."""
        self.gate.treat("unavailable")

    def open(self) -> None:
        """Let requests through again."""
        self.gate.treat("pass")


def is_away(running: Any) -> None:
    """Answer every request with 503, from before the first answer is stored, for a while."""
    running.objects.shut()
    running.start()
    running.request()
    running.disturbed = running.objects.stay_away(running.site)
