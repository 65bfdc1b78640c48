"""Collect from the database what turning a job's answer into assets needs to know."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC
from typing import TYPE_CHECKING, Any, Literal
from uuid import uuid5

from imagegen_app import conf
from imagegen_app.core.capabilities import InputRule
from imagegen_app.core.source_types import digital_source_type, relationship
from imagegen_app.core.states import WaitingReason
from imagegen_app.core.types import InputRole
from imagegen_app.imaging.content_credentials import SoftwareAgent
from imagegen_app.imaging.metadata import XmpFields
from imagegen_app.services.foundation import clock
from imagegen_app.services.gateways import adapters, captioning, decoding, usable_credentials
from imagegen_app.services.jobs import kept_answers
from imagegen_app.services.jobs.rebuilding import operation_of, ordered_inputs

if TYPE_CHECKING:
    from uuid import UUID

    from imagegen_app.core.types import Operation
    from imagegen_app.imaging.inspect import ImageLimits
    from imagegen_app.models import Attempt, Job, JobInput


@dataclass(frozen=True, slots=True)
class InputFile:
    """An input that counts as a parent of the images."""

    storage_key: str
    media_type: str
    relationship: Literal["parentOf", "inputTo"]
    #: Whether it is an asset of this site, whose manifests are ours to publish.
    is_asset: bool
    #: What was found when it was uploaded, as `IngredientFacts.as_dict` stores it; empty if unread.
    facts: dict[str, Any] = field(default_factory=dict)
    #: Of the file as it was received, to name it by if it is gone.
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class IngestOptions:
    """What `ingest_answer` needs to know about a job, so that it needs no database."""

    title: str
    operation: Operation
    #: Who made the images; `with_identity` completes it for each of them.
    agent: SoftwareAgent
    source_type: str
    #: The metadata of the images, without what only the answer tells.
    marks: XmpFields
    limits: ImageLimits
    widths: tuple[int, ...]
    formats: tuple[str, ...]
    #: Which files the model of the next pass takes; None if no pass follows.
    pass_rule: InputRule | None
    #: What the captioner is told that the images are for; None for no captions.
    caption_purpose: str | None
    #: The inputs that count as parents.
    parents: tuple[InputFile, ...] = ()
    #: Whether to try the storage first: it failed, and screeners are paid for each try.
    tries_storage_first: bool = False
    #: SHA-256 of images of a kept answer that are assets already.
    delivered: frozenset[str] = frozenset()
    #: Credentials that screeners and the captioner must not use.
    revoked: frozenset[str] = frozenset()


def ingest_options(job: Job, attempt: Attempt) -> IngestOptions:
    """Collect what `ingest_answer` needs from the database."""
    settings = conf.get()
    model = attempt.image_model
    operation = operation_of(job)
    source = source_type(job, operation)
    system = f"{model.provider.name} {model.provider_model_name}"
    # That of the first reading, if a kept answer is read again.
    created = (attempt.answered_at or clock.now()).astimezone(UTC)
    return IngestOptions(
        title=f"{job.operation} {job.pk}",
        operation=operation,
        agent=SoftwareAgent(name=system, version=model.version, provider=model.provider.name),
        source_type=source,
        marks=XmpFields(
            digital_source_type=source,
            ai_system=system,
            ai_system_version=model.version,
            prompt=job.prompt if settings.marks.include_prompt else "",
            prompt_writer=_writer(job) if settings.marks.include_names else "",
            credit=settings.marks.credit,
            data_mining_prohibited=settings.marks.forbid_ai_training,
            created=created.strftime("%Y-%m-%dT%H:%M:%SZ"),
        ),
        limits=decoding.image_limits(),
        widths=tuple(settings.renditions.widths),
        formats=tuple(settings.renditions.formats),
        pass_rule=_pass_rule(job),
        caption_purpose=_purpose(job) if captioning.is_enabled() and _is_last(job) else None,
        tries_storage_first=job.waiting_for == WaitingReason.STORAGE,
        parents=tuple(
            _input_file(entry, operation)
            for entry in ordered_inputs(job)
            if entry.role != InputRole.MASK
        ),
        delivered=frozenset()
        if attempt.rereads is None
        else kept_answers.delivered_hashes(attempt.rereads),
        revoked=usable_credentials.revoked_names(),
    )


def with_identity(options: IngestOptions, *, asset_id: UUID, model_version: str) -> IngestOptions:
    """Return the options for one image: who made it with which version, when, and its identifiers.

    `model_version` is what the provider resolved; empty if it told nothing.
    """
    document_id, version = f"xmp.did:{asset_id}", model_version or options.agent.version
    return replace(
        options,
        agent=replace(
            options.agent,
            version=version,
            created=options.marks.created,
            document_id=document_id,
        ),
        marks=replace(
            options.marks,
            ai_system_version=version,
            document_id=document_id,
            instance_id=f"xmp.iid:{uuid5(asset_id, 'master')}",
        ),
    )


def _input_file(entry: JobInput, operation: Operation) -> InputFile:
    kind = relationship(operation, InputRole(entry.role))
    if entry.asset is not None:
        # The published file and not what was sent of it, which may have been normalised.
        asset = entry.asset
        return InputFile(
            asset.storage_key,
            asset.media_type,
            kind,
            sha256=asset.sha256,
            is_asset=True,
        )
    return InputFile(
        entry.storage_key,
        entry.media_type,
        kind,
        sha256=entry.sha256,
        is_asset=False,
        facts=dict(entry.ingredient_facts),
    )


def _pass_rule(job: Job) -> InputRule | None:
    """Return which files the model of the pass that follows takes; None if none follows."""
    if _is_last(job):
        return None
    following = job.followers.select_related("image_model__provider").order_by("pk")[0]
    try:
        return adapters.capabilities(following.image_model).input_rule(InputRole.IMAGE)
    except adapters.ProviderNotConfigured:
        return InputRule()


def source_type(job: Job, operation: Operation) -> str:
    """Return the digital source type for the operation and the types of the input images."""
    parents = [
        entry.asset.digital_source_type if entry.asset else entry.digital_source_type
        for entry in job.inputs.all()
        if entry.role != InputRole.MASK.value
    ]
    return digital_source_type(operation, inputs=parents)


def _writer(job: Job) -> str:
    return "" if job.requester is None else str(job.requester.get_username())


def _purpose(job: Job) -> str:
    """Return the prompt of the chain's first job; a follow-up pass has none of its own."""
    return str(job.prompt if job.root is None else job.root.prompt)


def _is_last(job: Job) -> bool:
    """Return whether no follow-up pass works on the job's images."""
    alone = job.chain_length == 1 and job.root_id is None
    return alone or not job.followers.exists()
