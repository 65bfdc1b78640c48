"""Read the images of an answer item by item, so that a bad one leaves the others; fetch URLs.

An item holds its image as base64 text in any spelling, as a `data:` URL or as a URL to fetch. The
items of an answer have the parts `image-<n>` of the spooled answer, where they were fetched.
"""

from __future__ import annotations

import asyncio
import json
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from imagegen_app.core.errors import (
    AnswerNotKept,
    BadResponse,
    ContentBlocked,
    ProviderError,
    ProviderTimeout,
    ProviderUnavailable,
)
from imagegen_app.core.types import ProviderImage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

    from imagegen_app.providers.answers import SpooledAnswer
    from imagegen_app.providers.families.base64_json import Document
    from imagegen_app.providers.http import Auth, HttpClient

#: Items of one answer that are looked at.
MAX_IMAGES = 10
#: A job's document, in bytes: with images in it, in the worst case.
MAX_DOCUMENT_BYTES = 192 * 1024 * 1024
#: Polls that fetch the results which failed for the moment, before those are left out.
MAX_FETCH_ROUNDS = 6
#: Delays in seconds before a result of a call that cannot be polled is fetched again.
FETCH_AGAIN_SECONDS = (0.5, 2.0)
_MEDIA_TYPE = re.compile(r"[\w.+-]{1,30}/[\w.+-]{1,60}")
_REMOTE = ("http://", "https://", "//")


def read_each(
    items: Sequence[object],
    read_one: Callable[[object, int], ProviderImage],
    *,
    filtered: Sequence[bool] = (),
) -> tuple[tuple[ProviderImage, ...], tuple[str, ...]]:
    """Read all items; return the images, and why the other items cannot be used.

    `filtered` tells by item which of them the provider has made and then withheld.

    :raises ContentBlocked: if it has withheld all of them.
    :raises BadResponse: if none can be used.
    """
    if items and len(filtered) >= len(items) and all(filtered):
        raise ContentBlocked(stage="output", detail="all images were filtered", billed="yes")
    images: list[ProviderImage] = []
    unusable: list[str] = []
    for n, item in enumerate(items[:MAX_IMAGES]):
        if n < len(filtered) and filtered[n]:
            unusable.append("the provider filtered this image")
            continue
        try:
            images.append(read_one(item, n))
        except BadResponse as error:
            unusable.append(error.detail)
    if not images:
        raise BadResponse(detail=unusable[0] if unusable else "no images in the answer")
    return tuple(images), tuple(unusable)


def alone(items: Sequence[object], *, seed: object) -> dict[str, Any]:
    """Return a call's seed as that of its only image: of several, each has another one."""
    return {"seed": seed} if len(items) == 1 else {}


def image_of(
    item: object,
    n: int,
    *,
    read: Document,
    answer: SpooledAnswer,
    note: Mapping[str, Any],
    claimed: str = "",
    own: Mapping[str, Any] | None = None,
) -> ProviderImage:
    """Return item `n` of an answer as an image; `own` has what the item itself lacks.

    :raises BadResponse: if it holds no whole image, or one that was never fetched.
    """
    if not isinstance(item, dict):
        raise BadResponse(detail="an item without an image")
    item = {**(own or {}), **item}
    data = b""
    if address_of(item) is None:
        data = read.image(value_of(item, "b64_json") or value_of(item, "url"))
    else:
        try:
            data = answer.read(part=part_of(n))
        except FileNotFoundError:
            left_out = note.get("left_out")
            reason = left_out.get(str(n)) if isinstance(left_out, dict) else None
            raise BadResponse(detail=str(reason or "a result was not fetched")[:200]) from None
    names = ("seed", "revised_prompt", "mime_type", "content_type")
    seed, revised, kind, other_kind = (value_of(item, name) for name in names)
    kind = kind or other_kind
    media_type = kind if isinstance(kind, str) and _MEDIA_TYPE.fullmatch(kind) else ""
    return ProviderImage(
        data=data,
        claimed_media_type=media_type or (f"image/{claimed}" if claimed else ""),
        seed=seed if isinstance(seed, int) and not isinstance(seed, bool) else None,
        revised_prompt=revised if isinstance(revised, str) else "",
    )


def value_of(item: Mapping[str, Any], name: str) -> Any:
    """Return a value of an item, whatever the case of its name."""
    if name in item:
        return item[name]
    return next((value for key, value in item.items() if key.lower() == name), None)


def address_of(item: object) -> str | None:
    """Return the URL from which an item's image has to be fetched; None where it holds the image."""
    if not isinstance(item, dict):
        return None
    text, url = value_of(item, "b64_json"), value_of(item, "url")
    if isinstance(text, str) and text:
        return text if text.lower().startswith(_REMOTE) else None
    if isinstance(url, str) and url and not url.lower().startswith("data:"):
        return url
    return None


def part_of(n: int) -> str:
    """Return the name of the part that holds the fetched image of item `n`."""
    return f"image-{n}"


async def fetch_all(
    items: Sequence[object],
    *,
    http: HttpClient,
    base_url: str,
    answer: SpooledAnswer,
    hosts: frozenset[str] = frozenset(),
    auth: Auth | None = None,
    can_poll: bool = True,
) -> dict[str, str]:
    """Fetch the results that are URLs into the answer's parts; return why some are left out.

    `hosts` limits where they may be; the key of `auth` goes along to its own hosts only. A call
    that cannot be polled again has its results fetched at once.

    :raises ProviderError: if it can be polled, and results cannot be fetched just now.
    :raises AnswerNotKept: if the disk is full or fails.
    """
    fetch = Fetch(http, base_url=base_url, answer=answer, hosts=hosts, auth=auth)
    return await (fetch.by_poll(items) if can_poll else fetch.at_once(items))


async def keep_document(answer: SpooledAnswer, document: object, note: dict[str, Any]) -> None:
    """Write a job's document as the answer's body, and complete the answer.

    :raises AnswerNotKept: if the disk is full or fails.
    """
    body = json.dumps(document).encode()
    await answer.write(_once(body), limit=MAX_DOCUMENT_BYTES)
    await asyncio.to_thread(answer.finish, note)


class Fetch:
    """Fetches the results of one answer, each by itself."""

    def __init__(
        self,
        http: HttpClient,
        *,
        base_url: str,
        answer: SpooledAnswer,
        hosts: frozenset[str],
        auth: Auth | None = None,
    ) -> None:
        self._auth = auth
        self._http = http
        self._base_url = base_url
        self._answer = answer
        self._hosts = hosts

    async def by_poll(self, items: Sequence[object]) -> dict[str, str]:
        """Fetch the results of a job that can be polled again; return why some are left out.

        :raises ProviderError: if results cannot be fetched just now; poll again. After
            `MAX_FETCH_ROUNDS` these are left out, unless no result could be fetched at all.
        :raises AnswerNotKept: if the disk is full or fails.
        """
        gone, failed = await self._fetch(items)
        wanted = [n for n, item in enumerate(items[:MAX_IMAGES]) if address_of(item) is not None]
        if failed and (
            len(failed) + len(gone) == len(wanted) or self._count_round() <= MAX_FETCH_ROUNDS
        ):
            raise next(iter(failed.values()))
        return gone | _reasons(failed)

    async def at_once(self, items: Sequence[object]) -> dict[str, str]:
        """Fetch the results of a call that cannot be polled; return why some are left out.

        :raises AnswerNotKept: if the disk is full or fails.
        """
        gone, failed = await self._fetch(items)
        for seconds in FETCH_AGAIN_SECONDS:
            if not failed:
                break
            await asyncio.sleep(seconds)
            gone, failed = await self._fetch(items)
        return gone | _reasons(failed)

    async def _fetch(
        self, items: Sequence[object]
    ) -> tuple[dict[str, str], dict[int, ProviderError]]:
        """Fetch what is missing; return why results are gone, and which failed for the moment."""
        present = set(self._answer.parts())
        addresses = {
            n: address
            for n, item in enumerate(items[:MAX_IMAGES])
            # A part that exists is whole: a resumed fetch takes up where it stopped.
            if (address := address_of(item)) is not None and part_of(n) not in present
        }
        downloads = [
            self._http.download(
                address,
                base_url=self._base_url,
                answer=self._answer,
                part=part_of(n),
                hosts=self._hosts,
                auth=self._auth,
            )
            for n, address in addresses.items()
        ]
        done = await asyncio.gather(*downloads, return_exceptions=True)
        gone: dict[str, str] = {}
        failed: dict[int, ProviderError] = {}
        for n, outcome in zip(addresses, done, strict=True):
            if isinstance(outcome, ProviderUnavailable | ProviderTimeout):
                failed[n] = outcome
            elif isinstance(outcome, AnswerNotKept):
                raise outcome
            elif isinstance(outcome, ProviderError):
                gone[str(n)] = outcome.detail
            elif isinstance(outcome, BaseException):
                raise outcome
        return gone, failed

    def _count_round(self) -> int:
        """Count the polls that found a result missing, in the answer's folder."""
        path = self._answer.folder / "rounds.partial"
        count = 1
        with suppress(OSError, ValueError):
            count += int(path.read_text("ascii"))
        with suppress(OSError):
            path.write_text(str(count), "ascii")
        return count


async def _once(body: bytes) -> AsyncIterator[bytes]:
    yield body


def _reasons(failed: Mapping[int, ProviderError]) -> dict[str, str]:
    return {str(n): error.detail for n, error in failed.items()}
