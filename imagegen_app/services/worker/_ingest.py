"""Turn a spooled answer into assets: inspect, mark, sign, screen and store.

`ingest_answer` handles bytes and runs in the driver's pool, without database access.
`_results.store_results` then writes all rows in one transaction.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from imagegen_app import conf
from imagegen_app.core import provider_values
from imagegen_app.core.errors import BadResponse, ProviderError
from imagegen_app.core.failpoints import failpoint
from imagegen_app.core.states import WaitingReason
from imagegen_app.core.types import Operation
from imagegen_app.imaging import metadata
from imagegen_app.imaging.content_credentials import (
    Parent,
    SigningFailed,
    read_content_credentials,
    sign,
)
from imagegen_app.imaging.errors import InvalidImage
from imagegen_app.imaging.pipeline import MarkMissing, ProcessingOptions, prepare
from imagegen_app.services.gateways import captioning, decoding, screening, storage
from imagegen_app.services.gateways.signing import CertificateUnreadable, signing_identity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imagegen_app.core.types import ProviderImage, ProviderResult
    from imagegen_app.imaging.content_credentials import ContentCredentials
    from imagegen_app.imaging.pipeline import EncodedFile, ProcessedImage
    from imagegen_app.providers.answers import SpooledAnswer
    from imagegen_app.providers.base import ProviderAdapter
    from imagegen_app.services.worker._ingest_options import IngestOptions


logger = logging.getLogger("imagegen.driver")


class IngestDeferred(Exception):
    """Storage or signing failed; the answer stays in the spool, to be tried again."""

    def __init__(
        self,
        detail: str,
        *,
        waits_for: WaitingReason | None = None,
        screened: tuple[screening.UnsavedVerdict, ...] = (),
    ) -> None:
        super().__init__(detail)
        #: What is out of order on the site, if that is why.
        self.waits_for = waits_for
        #: Verdicts so far: the screeners are asked, and paid, again with the next try.
        self.screened = screened


class OutputBlocked(Exception):
    """A content check of the site blocked an image, which the provider has billed."""

    def __init__(self, screened: tuple[screening.UnsavedVerdict, ...]) -> None:
        super().__init__("the image was refused by screening")
        #: Verdicts about all images so far.
        self.screened = screened


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file in the storage."""

    key: str
    sha256: str
    format: str
    media_type: str
    width: int
    height: int
    byte_size: int


@dataclass(frozen=True, slots=True)
class IngestedImage:
    """One image of the answer, stored and marked."""

    master: StoredFile
    original: StoredFile
    renditions: tuple[StoredFile, ...]
    credentials: ContentCredentials
    phash: str
    phash_wide: str
    is_flat: bool
    seed: int | None
    #: Media type that the provider claimed.
    claimed_media_type: str = ""
    screened: list[screening.UnsavedVerdict] = field(default_factory=list)
    caption: captioning.Suggestion = captioning.NO_SUGGESTION


@dataclass(frozen=True, slots=True)
class IngestResult:
    """All images of one answer, and the errors of those left out."""

    images: tuple[IngestedImage, ...]
    result: ProviderResult
    #: Why images of the answer were left out.
    errors: tuple[ProviderError, ...] = ()
    #: Values that the provider named out of their range, and that are left out.
    ignored: tuple[str, ...] = ()


def ingest_answer(
    options: IngestOptions, *, adapter: ProviderAdapter, answer: SpooledAnswer
) -> IngestResult:
    """Decode an answer and make, mark, sign and store its files.

    :raises OutputBlocked: if a screener refuses one of its images.
    :raises ProviderError: if the answer is a refusal, or none of its images can be used.
    :raises IngestDeferred: if storage or signing failed.
    """
    if options.tries_storage_first:
        _require_storage()
    result, ignored = provider_values.clean_result(_read(adapter, answer))
    ingested: list[IngestedImage] = []
    errors: list[ProviderError] = []
    screened: list[screening.UnsavedVerdict] = []
    for position, image in enumerate(result.images):
        try:
            ingested.append(_make_one(options, image, position=position, screened=screened))
        except InvalidImage as error:
            errors.append(error)
        except storage.StorageFailed as error:
            raise _deferred_by_storage(error, screened) from None
        except (
            SigningFailed,
            MarkMissing,
            MarkVerificationFailed,
            CertificateUnreadable,
        ) as error:
            detail = f"{type(error).__name__}: {error}"
            raise IngestDeferred(detail, screened=tuple(screened)) from None
    if not ingested:
        raise errors[0] if errors else BadResponse(detail="the answer holds no image")
    if options.caption_purpose is not None:
        # Last, since the captioner would be paid again if a later step failed.
        until = time.monotonic() + _CAPTION_SECONDS
        ingested = [
            _with_caption(image, options.caption_purpose) if time.monotonic() < until else image
            for image in ingested
        ]
    # The bytes are stored; drop them, since many results may wait to be recorded.
    without_bytes = tuple(replace(image, data=b"") for image in result.images)
    return IngestResult(
        images=tuple(ingested),
        result=replace(result, images=without_bytes),
        errors=tuple(errors),
        ignored=ignored,
    )


def _read(adapter: ProviderAdapter, answer: SpooledAnswer) -> ProviderResult:
    """Have the adapter read an answer; whatever it stumbles over, the answer cannot be used.

    :raises ProviderError: if the answer is a refusal or cannot be used.
    """
    try:
        return adapter.read_answer(answer)
    except ProviderError as error:
        raise provider_values.clean_error(error) from None
    except (OSError, MemoryError):
        # Of this machine, and not of the answer.
        raise
    except Exception as error:
        logger.exception("The adapter %s cannot read an answer.", adapter.name)
        detail = f"the adapter raised {type(error).__name__}"
        raise BadResponse(detail=detail) from None


def _require_storage() -> None:
    try:
        storage.probe()
    except storage.StorageFailed as error:
        raise _deferred_by_storage(error) from None


def _deferred_by_storage(
    error: storage.StorageFailed, screened: Sequence[screening.UnsavedVerdict] = ()
) -> IngestDeferred:
    return IngestDeferred(str(error), waits_for=WaitingReason.STORAGE, screened=tuple(screened))


class MarkVerificationFailed(Exception):
    """The marks or the signature written into a file cannot be read back from it."""


def _make_one(
    options: IngestOptions,
    image: ProviderImage,
    *,
    position: int,
    screened: list[screening.UnsavedVerdict],
) -> IngestedImage:
    """Create the files of one image; verdicts about it are added to `screened`."""
    plan = ProcessingOptions(
        marks=options.marks, limits=options.limits, widths=options.widths, formats=options.formats
    )
    prepared: ProcessedImage = decoding.decoder_pool().run(prepare, image.data, plan)
    verdicts = screening.screen_image(
        prepared.master.data,
        media_type=prepared.master.media_type,
        stage="output",
        part=f"output_image:{position + 1}",
    )
    screened += verdicts
    if screening.is_blocked(verdicts):
        raise OutputBlocked(tuple(screened))
    identity = signing_identity()
    parents = _parents(options)
    master = sign(
        prepared.master.data,
        prepared.master.media_type,
        signing=identity,
        title=options.title,
        operation=options.operation,
        digital_source_type=options.source_type,
        software_agent=options.agent,
        parents=parents,
    )
    failpoint("sign.after")
    credentials = read_content_credentials(
        master, prepared.master.media_type, trust_anchors=identity.trust_anchors
    )
    if credentials.state not in {"valid", "trusted"}:
        raise MarkVerificationFailed(f"the signature reads back as {credentials.state}")
    marked = metadata.read_xmp(master)
    if marked.digital_source_type != options.source_type:
        raise MarkVerificationFailed("the written marks do not read back")
    derived = tuple(
        _store(
            "renditions",
            sign(
                rendition.data,
                rendition.media_type,
                signing=identity,
                title=options.title,
                operation="rendition",
                digital_source_type=options.source_type,
                software_agent=options.agent,
                parents=(
                    Parent(data=master, media_type=prepared.master.media_type, title="master"),
                ),
            ),
            rendition,
        )
        for rendition in prepared.renditions
    )
    failpoint("rendition.half")
    inspected = prepared.inspected
    key, sha256 = storage.put("originals", image.data, extension=inspected.extension)
    return IngestedImage(
        master=_store("assets", master, prepared.master),
        original=StoredFile(
            key=key,
            sha256=sha256,
            format=inspected.format,
            media_type=inspected.media_type,
            width=inspected.width,
            height=inspected.height,
            byte_size=len(image.data),
        ),
        renditions=derived,
        credentials=credentials,
        phash=prepared.fingerprint.phash64,
        phash_wide=prepared.fingerprint.phash256,
        is_flat=prepared.fingerprint.is_flat,
        seed=image.seed,
        claimed_media_type=_media_type(image.claimed_media_type),
        screened=verdicts,
    )


def _media_type(claimed: str) -> str:
    """Return a claimed, untrusted media type, shortened and in its usual spelling."""
    name = metadata.clean(claimed, cap=40).strip().lower().partition(";")[0]
    return "image/jpeg" if name == "image/jpg" else name


#: Media types that captioners can be expected to read, best first, and the preferred width.
_READABLE = ("image/jpeg", "image/png", "image/webp")
_READABLE_WIDTH = 640
#: Seconds for describing the images of one answer; those beyond get no suggestion.
_CAPTION_SECONDS = 60.0


def _with_caption(image: IngestedImage, purpose: str) -> IngestedImage:
    """Return the image with a suggested text, made from its smallest file that is large enough."""
    files = [f for f in (*image.renditions, image.master) if f.media_type in _READABLE]
    if not files:
        return image
    enough = [f for f in files if f.width >= min(_READABLE_WIDTH, image.master.width)]
    file = min(enough or files, key=lambda f: (f.width, _READABLE.index(f.media_type)))
    try:
        data = storage.get(file.key)
    except storage.StorageFailed:
        return image
    suggestion = captioning.suggest(data, media_type=file.media_type, purpose=purpose)
    return replace(image, caption=suggestion)


#: Threads where a screener or captioner is asked; each holds one image and mostly waits.
_CONCURRENT_QUERIES = 8


def image_worker_count() -> int:
    """Return how many images are ingested at once: more if screeners or a captioner are asked."""
    has_queries = captioning.is_enabled() or any("output" in s.stages for s in conf.get().screeners)
    return _CONCURRENT_QUERIES if has_queries else decoding.DECODERS


def _store(prefix: str, data: bytes, encoded: EncodedFile) -> StoredFile:
    key, sha256 = storage.put(prefix, data, extension=encoded.extension)
    return StoredFile(
        key=key,
        sha256=sha256,
        format=encoded.format,
        media_type=encoded.media_type,
        width=encoded.width,
        height=encoded.height,
        byte_size=len(data),
    )


def _parents(options: IngestOptions) -> tuple[Parent, ...]:
    # C2PA allows one `parentOf`, the image that was changed; the others are `inputTo`.
    parents: list[Parent] = []
    for key, media_type, relationship in options.parents:
        try:
            data = storage.get(key)
        except storage.FileMissing:
            # Deleted since the call: the images are paid for, and are kept without this parent.
            logger.warning("The input %s is missing: no Content Credentials name it.", key)
            continue
        first = not any(p.relationship == "parentOf" for p in parents)
        changed = (
            relationship == "parentOf" and first and options.operation is not Operation.GENERATE
        )
        parents.append(
            Parent(
                data=data,
                media_type=media_type,
                title="input",
                relationship="parentOf" if changed else "inputTo",
            )
        )
    return tuple(parents)
