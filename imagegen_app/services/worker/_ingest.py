"""Turn a spooled answer into assets: inspect, mark, sign, screen and store.

`ingest_answer` handles bytes and runs in the driver's pool, without database access.
`_results.store_results` then writes all rows in one transaction.
"""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar

from imagegen_app.core import provider_values
from imagegen_app.core.errors import BadResponse, ProviderError
from imagegen_app.core.failpoints import failpoint
from imagegen_app.core.ids import uuid7
from imagegen_app.core.states import WaitingReason
from imagegen_app.imaging import metadata
from imagegen_app.imaging.content_credentials import SigningFailed
from imagegen_app.imaging.errors import InvalidImage
from imagegen_app.imaging.pipeline import MarkMissing, ProcessingOptions, prepare
from imagegen_app.services.gateways import (
    captioning,
    decoding,
    screening,
    signing,
    storage,
    time_stamps,
    usable_credentials,
)
from imagegen_app.services.worker import _captions, _signing, _storage_failures, _stored_files
from imagegen_app.services.worker._ingest_options import with_identity

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from uuid import UUID

    from imagegen_app.core.types import ProviderImage, ProviderResult
    from imagegen_app.imaging.content_credentials import ContentCredentials, SigningIdentity
    from imagegen_app.imaging.ingredients import IngredientFacts
    from imagegen_app.imaging.pipeline import ProcessedImage
    from imagegen_app.providers.answers import SpooledAnswer
    from imagegen_app.providers.base import ProviderAdapter
    from imagegen_app.services.gateways.file_signing import SignedMaster
    from imagegen_app.services.worker._ingest_options import IngestOptions


logger = logging.getLogger("imagegen.driver")


class IngestDeferred(Exception):
    """Storage or signing failed; the answer stays in the spool, to be tried again."""

    #: How the job fails if it still cannot be done at its deadline.
    failure: ClassVar[type[ProviderError]] = BadResponse
    #: What is out of order on the site.
    waits_for: ClassVar[WaitingReason]

    def __init__(self, detail: str, *, screened: Sequence[screening.UnsavedVerdict] = ()) -> None:
        super().__init__(detail)
        #: Verdicts so far: the screeners are asked, and paid, again with the next try.
        self.screened = tuple(screened)
        #: What the answer counts, once it was read.
        self.counted: ProviderResult | None = None


class CertificateMissing(IngestDeferred):
    """The certificate cannot be used; the answer stays in the spool until it can."""

    waits_for = WaitingReason.CERTIFICATE


class StorageAway(IngestDeferred):
    """The storage of the images fails."""

    failure = _storage_failures.ImagesNotStored
    waits_for = WaitingReason.STORAGE


class TimeStampMissing(IngestDeferred):
    """The time-stamp authority does not answer."""

    failure = _signing.NotPublishable
    waits_for = WaitingReason.TIME_STAMP


class OutputBlocked(Exception):
    """A content check of the site blocked an image, which the provider has billed."""

    def __init__(self, screened: tuple[screening.UnsavedVerdict, ...]) -> None:
        super().__init__("the image was refused by screening")
        #: Verdicts about all images so far.
        self.screened = screened
        #: What the answer counts.
        self.counted: ProviderResult | None = None


@dataclass(frozen=True, slots=True)
class _PreparedImage:
    """One image of the answer that no screener blocked, before any of its files is stored."""

    #: The key of the asset to be, which the options and the prepared files name.
    asset_id: UUID
    options: IngestOptions
    image: ProviderImage
    prepared: ProcessedImage
    verdicts: list[screening.UnsavedVerdict]


@dataclass(frozen=True, slots=True)
class IngestedImage:
    """One image of the answer, stored and marked."""

    #: The key of the asset to be, which the file's metadata names.
    asset_id: UUID
    master: _stored_files.StoredFile
    original: _stored_files.StoredFile
    renditions: tuple[_stored_files.StoredFile, ...]
    credentials: ContentCredentials
    phash: str
    phash_wide: str
    is_flat: bool
    colour: str
    seed: int | None
    #: Media type that the provider claimed.
    claimed_media_type: str = ""
    #: Whether an input is named by its hash only, since its own manifests could not be added.
    is_parent_reduced: bool = False
    #: What the provider's own Content Credentials say, if the image came with any.
    provider_facts: IngredientFacts | None = None
    #: Whether they are whole in the master.
    is_provider_embedded: bool = False
    screened: list[screening.UnsavedVerdict] = field(default_factory=list)
    caption: captioning.Suggestion = captioning.NO_SUGGESTION
    #: What the next pass sends of it: the master without our marks; None if no pass follows.
    pass_input: _stored_files.StoredFile | None = None

    @property
    def all_verdicts(self) -> list[screening.UnsavedVerdict]:
        """The verdicts about the image, and those about its suggested alternative text."""
        return [*self.screened, *self.caption.screened]


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
    :raises CertificateMissing: if nothing can be signed now.
    :raises IngestDeferred: if the storage or the time-stamp authority failed.
    """
    try:
        # Before the screeners, which are paid for each try.
        identity = signing.require_usable_identity()
    except signing.CertificateUnusable as error:
        raise CertificateMissing(str(error)) from None
    if options.tries_storage_first:
        _require_storage()
    result, ignored = provider_values.clean_result(_read(adapter, answer))
    # The bytes are stored or of no use; drop them, since many results may wait to be recorded.
    counted = replace(result, images=tuple(replace(i, data=b"") for i in result.images))
    try:
        with usable_credentials.with_revoked_names(options.revoked):
            ingested, errors = _ingest_images(options, result, identity, answer=answer)
    except (ProviderError, OutputBlocked, IngestDeferred) as error:
        error.counted = counted
        raise
    return IngestResult(
        images=tuple(ingested), result=counted, errors=tuple(errors), ignored=ignored
    )


def _ingest_images(
    options: IngestOptions,
    result: ProviderResult,
    identity: SigningIdentity,
    *,
    answer: SpooledAnswer,
) -> tuple[list[IngestedImage], list[ProviderError]]:
    """Make the files of all images that can be used, and return why the others cannot."""
    ingested: list[IngestedImage] = []
    errors: list[ProviderError] = [BadResponse(detail=reason) for reason in result.unusable]
    screened: list[screening.UnsavedVerdict] = []
    ready = _prepared_images(options, result, errors=errors, screened=screened)
    # No file is stored before all images of the answer were screened: one that is blocked blocks the
    # answer, and its siblings would be files without a row.
    for one in list(ready) if screening.is_screened("output") else ready:
        try:
            ingested.append(_make_one(one, identity))
        except _signing.NotPublishable as error:
            errors.append(error)
        except signing.CertificateUnusable as error:
            raise CertificateMissing(str(error), screened=screened) from None
        except SigningFailed as error:
            raise TimeStampMissing(str(error), screened=screened) from None
        except storage.StorageFailed as error:
            raise StorageAway(str(error), screened=screened) from None
    if not ingested:
        raise errors[0] if errors else BadResponse(detail="the answer holds no image")
    if options.caption_purpose is not None:
        # Last, since the captioner would be paid again if a later step failed.
        ingested = _captions.with_suggestions(ingested, options.caption_purpose, answer=answer)
    return ingested, errors


def _new_images(result: ProviderResult, options: IngestOptions) -> list[ProviderImage]:
    """Return the images of an answer without those that are assets since it was first read."""
    return [
        image
        for image in result.images
        if not options.delivered or hashlib.sha256(image.data).hexdigest() not in options.delivered
    ]


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
        raise StorageAway(str(error)) from None


def _prepared_images(
    options: IngestOptions,
    result: ProviderResult,
    *,
    errors: list[ProviderError],
    screened: list[screening.UnsavedVerdict],
) -> Iterator[_PreparedImage]:
    """Yield the images of an answer once they are screened, without a file of them in the storage.

    Why one cannot be used is added to `errors`, and each verdict to `screened`.
    """
    for position, image in enumerate(_new_images(result, options)):
        asset_id = uuid7()
        its_options = with_identity(options, asset_id=asset_id, model_version=result.model_version)
        plan = ProcessingOptions(
            marks=its_options.marks,
            limits=options.limits,
            widths=options.widths,
            formats=options.formats,
        )
        try:
            prepared: ProcessedImage = decoding.decoder_pool().run(prepare, image.data, plan)
        except MarkMissing as error:
            # The same bytes give the same file: no later try can succeed.
            errors.append(_signing.NotPublishable(detail=f"MarkMissing: {error}"))
            continue
        except InvalidImage as error:
            errors.append(error)
            continue
        verdicts = screening.screen_image(
            prepared.master.data,
            media_type=prepared.master.media_type,
            stage="output",
            part=f"output_image:{position + 1}",
            sha256=storage.file_hash(image.data),
        )
        screened += verdicts
        if screening.is_blocked(verdicts):
            raise OutputBlocked(tuple(screened))
        yield _PreparedImage(asset_id, its_options, image, prepared, verdicts)


def _make_one(one: _PreparedImage, identity: SigningIdentity) -> IngestedImage:
    """Sign and store the files of one image."""
    options, image, prepared = one.options, one.image, one.prepared
    inspected = prepared.inspected
    master, signed = time_stamps.sign_with_stamp(
        identity, lambda chosen: _signed_files(prepared, options, chosen, answer=image.data)
    )
    failpoint("sign.after")
    marked = metadata.read_xmp(master.data)
    if marked.digital_source_type != options.source_type:
        raise _signing.NotPublishable(detail="the written marks do not read back")
    derived = tuple(
        _stored_files.store("renditions", data, rendition)
        for data, rendition in zip(signed, prepared.renditions, strict=True)
    )
    failpoint("rendition.half")
    key, sha256 = storage.put("originals", image.data, extension=inspected.extension)
    return IngestedImage(
        asset_id=one.asset_id,
        master=_stored_files.store("assets", master.data, prepared.master),
        original=_stored_files.StoredFile(
            key=key,
            sha256=sha256,
            format=inspected.format,
            media_type=inspected.media_type,
            width=inspected.width,
            height=inspected.height,
            byte_size=len(image.data),
        ),
        renditions=derived,
        credentials=master.credentials,
        phash=prepared.fingerprint.phash64,
        phash_wide=prepared.fingerprint.phash256,
        is_flat=prepared.fingerprint.is_flat,
        colour=prepared.colour,
        seed=image.seed,
        claimed_media_type=_media_type(image.claimed_media_type),
        is_parent_reduced=master.is_reduced,
        provider_facts=None if master.answer is None else master.answer.facts,
        is_provider_embedded=master.answer is not None and master.answer.is_embedded,
        screened=one.verdicts,
        pass_input=_stored_files.store_pass_input(options, prepared.master),
    )


def _signed_files(
    prepared: ProcessedImage, options: IngestOptions, identity: SigningIdentity, *, answer: bytes
) -> tuple[SignedMaster, list[bytes]]:
    """Return the signed master and the signed renditions of one image."""
    master = _signing.sign_master(
        prepared.master,
        options=options,
        identity=identity,
        answer=answer,
        answer_media_type=prepared.inspected.media_type,
    )
    renditions = [
        _signing.sign_rendition(rendition, master=master, options=options, identity=identity)
        for rendition in prepared.renditions
    ]
    return master, renditions


def _media_type(claimed: str) -> str:
    """Return a claimed, untrusted media type, shortened and in its usual spelling."""
    name = metadata.clean(claimed, cap=40).strip().lower().partition(";")[0]
    return "image/jpeg" if name == "image/jpg" else name


def image_worker_count() -> int:
    """Return how many images are ingested at once: in most threads, something else is waited for."""
    return decoding.CONCURRENT_IMAGES
