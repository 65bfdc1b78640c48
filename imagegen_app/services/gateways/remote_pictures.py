"""Judge addresses of images that people wrote into tables, and fetch them: a stranger's text, a stranger's server.

An address is judged without the network first. It is fetched by the client that fetches the results
of providers: over https from port 443 of public addresses alone, each redirect checked anew, and
without any key. `IMAGEGEN["INPUT_ORIGINS"]` names a site's own image servers, which may be others.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import re
import socket
import tempfile
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Final

from django.utils.translation import gettext as _

from imagegen_app import conf
from imagegen_app.core.errors import BadResponse, ProviderError
from imagegen_app.core.i18n import gettext_noop
from imagegen_app.core.limits import MAX_INPUT_BYTES
from imagegen_app.providers import addresses
from imagegen_app.providers.answers import SpooledAnswer
from imagegen_app.providers.http import HttpClient, HttpLimits
from imagegen_app.providers.http.transport import origin, parse

if TYPE_CHECKING:
    from collections.abc import Sequence

    import httpx

logger: Final = logging.getLogger("imagegen.batches")

#: Addresses that are fetched at once, by each process.
AT_ONCE: Final = 4
#: How often one is asked for whose server fails for the moment, with pauses of so many seconds.
PAUSES: Final = (1.0, 3.0)
#: Times in seconds, and the size in bytes, that one image may take.
LIMITS: Final = HttpLimits(
    connect=5.0,
    read=10.0,
    total=30.0,
    slow_grace=10.0,
    slow_window=5.0,
    download_first_byte=10.0,
    download_total=30.0,
    max_download=MAX_INPUT_BYTES,
    max_connections=AT_ONCE,
)
_MAX_SHOWN_CHARS: Final = 200
_REFUSED: Final = gettext_noop(
    "The address of the image leads to a server that may not be called, or redirects to one."
)
_REDIRECTED: Final = gettext_noop("The address of the image redirects too often.")
_TOO_LARGE: Final = gettext_noop("The image at this address is too large.")
_GONE: Final = gettext_noop("There is no image at this address any more, or it is not public.")
_UNREADABLE: Final = gettext_noop("The answer of the image's server cannot be read.")
_UNAVAILABLE: Final = gettext_noop("The image's server did not answer, or failed. Try again later.")
#: Names that lead to no public server, whatever a name server says of them.
_INNER_NAMES: Final = ("localhost", "local", "internal", "intranet", "lan", "home", "corp", "arpa")
_LOOKS_LIKE_URL: Final = re.compile(r"(?i)\s*(?:[a-z][a-z0-9+.-]*:|//|\\\\|www\.)")


def is_url(text: str) -> bool:
    """Return whether a text is meant as an address, if perhaps as none that can be used."""
    return bool(_LOOKS_LIKE_URL.match(text))


def url_problem(url: str) -> str:
    """Return why an address cannot be fetched, in the reader's language; empty if it can be tried.

    Nothing is looked up: a name that leads to a private address is found out when it is fetched.
    """
    try:
        target = parse(url)
    except ValueError:
        return _problem_of_text(url)
    problem = _problem_of_target(target)
    # Asked last: most addresses are public, and a table has thousands.
    return "" if problem and origin(target) in _own_origins() else problem


def _problem_of_target(target: httpx.URL) -> str:
    if target.scheme != "https":
        return _("The address of the image must begin with https://.")
    if target.port not in {None, 443}:
        return _("The address of the image names a port: only port 443 is called.")
    if _is_inner(target.host):
        return _("The address of the image leads to a private network, or to this server itself.")
    return ""


def shown_url(url: str) -> str:
    """Return an address without its query, which may hold a key, and not longer than people read."""
    try:
        target = parse(url)
    except ValueError:
        return url.partition("?")[0].rpartition("@")[2][:_MAX_SHOWN_CHARS]
    return str(target.copy_with(query=None, fragment=None))[:_MAX_SHOWN_CHARS]


def host_of(url: str) -> str:
    """Return the host that an address names; empty if it names none."""
    try:
        return parse(url).host
    except ValueError:
        return ""


def _problem_of_text(url: str) -> str:
    if "@" in url.partition("://")[2].partition("/")[0]:
        return _("The address of the image holds a user name or a password: leave it out.")
    if not re.match(r"(?i)https?://", url):
        return _("The address of the image must begin with https://.")
    return _(
        "This is not an address of an image: a host is missing, or it has spaces or is too long."
    )


@lru_cache(maxsize=1024)
def _is_inner(host: str) -> bool:
    name = host.rstrip(".").lower()
    try:
        return not addresses.is_public(str(ipaddress.ip_address(name.strip("[]"))))
    except ValueError:
        pass
    try:
        # Numbers in the ways that the C library reads them, such as 127.1 and 0x7f000001.
        return not addresses.is_public(socket.inet_ntoa(socket.inet_aton(name)))
    except (OSError, UnicodeError):
        pass
    return "." not in name or name.rpartition(".")[2] in _INNER_NAMES


def _own_origins() -> frozenset[str]:
    found = set()
    for text in conf.get().input_origins:
        try:
            found.add(origin(parse(text)))
        except ValueError:
            continue
    return frozenset(found)


@dataclass(frozen=True, slots=True)
class Fetched:
    """What became of one address: a file, or why there is none."""

    path: Path | None = None
    #: In English, to be translated where it is shown.
    problem: str = ""
    #: Whether it may be there later.
    is_transient: bool = False

    def read(self) -> bytes:
        """Return the bytes of the file.

        :raises OSError: if they cannot be read.
        """
        return b"" if self.path is None else self.path.read_bytes()


@dataclass(slots=True)
class FetchedPictures:
    """Images that a thread of this process fetches; their files are gone when this is closed."""

    urls: tuple[str, ...]
    _folder: tempfile.TemporaryDirectory[str] = field(
        default_factory=partial(
            tempfile.TemporaryDirectory, prefix="imagegen-inputs-", ignore_cleanup_errors=True
        )
    )
    _done: Future[dict[str, Fetched]] = field(default_factory=Future)

    @classmethod
    def begin(
        cls, urls: Sequence[str], *, resolver: addresses.Resolver = addresses.resolve
    ) -> FetchedPictures:
        """Begin to fetch, each address once; the caller goes on meanwhile."""
        fetch = cls(tuple(dict.fromkeys(urls)))
        # A daemon: a look-up that hangs cannot be cancelled, and must not keep the process.
        Thread(
            target=fetch._run,
            args=(resolver,),
            name="imagegen-inputs",
            daemon=True,
        ).start()
        return fetch

    def results(self, *, seconds: float) -> dict[str, Fetched] | None:
        """Return what became of each address; None if that is not known within so many seconds."""
        try:
            return self._done.result(timeout=seconds)
        except TimeoutError:
            return None

    @property
    def is_done(self) -> bool:
        """Whether what became of each address is known."""
        return self._done.done()

    def close(self) -> None:
        """Delete the files."""
        self._folder.cleanup()

    def _run(self, resolver: addresses.Resolver) -> None:
        async def fetch() -> None:
            try:
                self._done.set_result(await self._fetch_all(resolver))
            except Exception as error:  # noqa: BLE001 - whatever it raises goes to who waits
                self._done.set_exception(error)

        # It returns only when a hanging look-up has ended: the result is set from inside.
        asyncio.run(fetch())

    async def _fetch_all(self, resolver: addresses.Resolver) -> dict[str, Fetched]:
        turns = asyncio.Semaphore(AT_ONCE)
        async with HttpClient(
            limits=LIMITS, trusted_origins=_own_origins(), resolver=resolver
        ) as http:

            async def one(number: int, url: str) -> Fetched:
                answer = SpooledAnswer(Path(self._folder.name) / str(number))
                for pause in (*PAUSES, None):
                    async with turns:
                        found = await _fetch(http, url, answer)
                    if not found.is_transient or pause is None:
                        return found
                    await asyncio.sleep(pause)
                raise AssertionError("the last try has no pause")

            found = await asyncio.gather(*(one(n, url) for n, url in enumerate(self.urls)))
        return dict(zip(self.urls, found, strict=True))


async def _fetch(http: HttpClient, url: str, answer: SpooledAnswer) -> Fetched:
    try:
        await http.download(url, base_url=url, answer=answer, part="image")
    except ProviderError as error:
        logger.info("An input image was not fetched from %s: %s", host_of(url), error.detail)
        return _failed(error)
    return Fetched(answer.folder / "image")


def _failed(error: ProviderError) -> Fetched:
    detail = error.detail
    if detail in {"address refused", "result address refused"}:
        return Fetched(problem=_REFUSED)
    if detail == "result redirected too often":
        return Fetched(problem=_REDIRECTED)
    if detail.startswith("answer larger than"):
        return Fetched(problem=_TOO_LARGE)
    if detail == "result gone":
        return Fetched(problem=_GONE)
    if isinstance(error, BadResponse):
        return Fetched(problem=_UNREADABLE)
    return Fetched(problem=_UNAVAILABLE, is_transient=True)
