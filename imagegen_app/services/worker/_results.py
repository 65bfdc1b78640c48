"""Write the rows of an answer: assets, renditions, lineage, the charge, the job's end, the events."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from imagegen_app.core.errors import ProviderError
from imagegen_app.core.failpoints import failpoint
from imagegen_app.core.limits import MAX_PROMPT_CHARS
from imagegen_app.core.model_names import is_other_model
from imagegen_app.core.pricing import ESTIMATE, UNBILLED, CostOrigin, PriceList, PriceUnknown
from imagegen_app.core.source_types import relationship
from imagegen_app.core.states import ReviewState, VerdictOutcome
from imagegen_app.core.types import PROMPT_UNSENT, Cost, InputRole
from imagegen_app.imaging.manifests import INTACT_STATES
from imagegen_app.imaging.metadata import clean
from imagegen_app.models import Asset, Lineage, Rendition, Verdict
from imagegen_app.services.foundation import clock, event_log
from imagegen_app.services.foundation.announcements import send_asset_created
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.gateways import adapters, mark_checks, screening
from imagegen_app.services.jobs import kept_answers, pass_chain, transitions
from imagegen_app.services.jobs.rebuilding import operation_of, size_of
from imagegen_app.services.jobs.state_machine import WORKER_ACTOR, charge_captions, charge_screening
from imagegen_app.services.library import search_text
from imagegen_app.services.policy import closed_content
from imagegen_app.services.worker._ingest_options import source_type

if TYPE_CHECKING:
    from imagegen_app.core.types import ProviderResult
    from imagegen_app.models import Attempt, Job
    from imagegen_app.services.worker._ingest import (
        IngestDeferred,
        IngestedImage,
        IngestResult,
        OutputBlocked,
    )


class FewerImages(ProviderError):
    """The provider generated fewer usable images than requested."""

    code = "fewer_images"
    billed = "yes"
    remedy = "Request the missing images again."


@use_case()
def store_results(job: Job, attempt: Attempt, *, result: IngestResult) -> list[Asset]:
    """Write all rows of an answer: assets, renditions, the charge, the job's end and the events.

    :raises LeaseLost: if the lease was lost; the stored files stay, and are reused by their hash.
    """
    failpoint("asset.before_commit")
    # A kept answer that is read again has been paid for.
    charge, origin = Decimal(0), UNBILLED
    if attempt.rereads_id is None:
        charge, origin = _cost(job, attempt, result.result)
    unpriced = _unpriced_kinds(attempt, result.result)
    missing = job.count - len(result.images)
    charge_screening(job, [one for image in result.images for one in image.all_verdicts])
    charge_captions(job, sum((i.caption.cost for i in result.images), start=Decimal(0)))
    note = FewerImages(detail=f"{missing} missing") if missing > 0 else None
    transitions.succeed(
        job,
        attempt,
        charge=charge,
        origin=origin,
        made=len(result.images),
        model_version=result.result.model_version,
        resolved=_resolved(job, attempt, result.result),
        revised_prompt=_revised_prompt(job, result.result),
        note=note,
    )
    now = clock.now()
    of_request = _outcomes_of_request(job)
    asks = pass_chain.root_job(job).asks_for_review or VerdictOutcome.HELD.value in of_request
    assets = []
    for position, image in enumerate(result.images):
        asset = Asset.objects.create(
            pk=image.asset_id,
            job=job,
            attempt=attempt,
            # In a follow-up pass: the position of the image that it works on.
            position=position + (job.image_number or 0),
            title=_title(job),
            alt_suggestion=image.caption.text,
            sha256=image.master.sha256,
            storage_key=image.master.key,
            media_type=image.master.media_type,
            width=image.master.width,
            height=image.master.height,
            byte_size=image.master.byte_size,
            original_sha256=image.original.sha256,
            original_storage_key=image.original.key,
            original_media_type=image.original.media_type,
            original_byte_size=image.original.byte_size,
            seed=image.seed if image.seed is not None else job.seed,
            phash=image.phash,
            phash_wide=image.phash_wide,
            is_flat=image.is_flat,
            colour=image.colour,
            digital_source_type=source_type(job, operation_of(job)),
            c2pa_state=image.credentials.state,
            has_mark_problem=image.credentials.state not in INTACT_STATES,
            c2pa_signer=image.credentials.signer[:160],
            is_parent_reduced=image.is_parent_reduced,
            provider_credentials=image.provider_facts.as_dict() if image.provider_facts else {},
            is_provider_embedded=image.is_provider_embedded,
            declared_marks=mark_checks.declared_marks(attempt.image_model),
            marked_at=now,
            stamped_at=image.credentials.stamped_at,
            review_state=ReviewState.PENDING.value,
            review_requested_at=now if asks or _is_held(image) else None,
            is_flagged=bool(of_request) or _is_flagged(image),
        )
        Rendition.objects.bulk_create(
            Rendition(
                asset=asset,
                format=file.format,
                width=file.width,
                height=file.height,
                sha256=file.sha256,
                storage_key=file.key,
                byte_size=file.byte_size,
            )
            for file in image.renditions
        )
        for entry in job.inputs.all():
            if entry.asset_id is None or entry.role == InputRole.MASK.value:
                continue
            Lineage.objects.get_or_create(
                child=asset,
                parent=entry.asset,
                defaults={"relationship": relationship(operation_of(job), InputRole(entry.role))},
            )
        event_log.record(
            WORKER_ACTOR,
            "asset.created",
            subject=asset,
            job=job,
            asset=asset,
            data={
                "model": attempt.image_model.slug,
                "model_version": result.result.model_version or attempt.image_model.version,
                "sha256": asset.sha256,
                "original_sha256": asset.original_sha256,
                "digital_source_type": asset.digital_source_type,
                "credentials": asset.c2pa_state,
                "renditions": len(image.renditions),
                # Recorded only if the provider's claim differs from the detected type.
                **(
                    {"claimed_media_type": image.claimed_media_type}
                    if image.claimed_media_type not in {"", image.original.media_type}
                    else {}
                ),
                **({"parent_reduced": True} if image.is_parent_reduced else {}),
                **({"stamped_at": image.credentials.time} if asset.stamped_at else {}),
                **({"ignored": list(result.ignored)} if result.ignored else {}),
                **({"unpriced": list(unpriced)} if unpriced else {}),
                **({"captioner": image.caption.captioner} if image.caption.captioner else {}),
                **({"captioner_model": image.caption.model} if image.caption.model else {}),
                "seed": asset.seed,
            },
        )
        screening.store_verdicts(
            actor=WORKER_ACTOR, job=job, asset=asset, decisions=image.all_verdicts
        )
        send_asset_created(asset)
        assets.append(asset)
    search_text.renew(asset.pk for asset in assets)
    closed_content.close_made_from_closed(actor=WORKER_ACTOR, job=job, assets=assets)
    pass_chain.start_waiting(job, assets, inputs=_pass_inputs(assets, result))
    if result.errors:
        first = result.errors[0]
        kept_answers.keep_answer(
            job, attempt, reason=FewerImages.code, detail=first.detail or str(first)
        )
    return assets


def _outcomes_of_request(job: Job) -> set[str]:
    """Return what content checks said of the request, where they did not let it pass."""
    verdicts = Verdict.objects.filter(job__in=pass_chain.job_ids_of_image(job), asset=None)
    verdicts = verdicts.exclude(outcome=VerdictOutcome.PASSED.value).exclude(stage="caption")
    return set(verdicts.values_list("outcome", flat=True))


def _is_held(image: IngestedImage) -> bool:
    return any(one.decision.outcome == VerdictOutcome.HELD for one in image.all_verdicts)


def _is_flagged(image: IngestedImage) -> bool:
    """Return whether a content check did not let the image pass; a blocked text about it is gone."""
    return any(
        one.decision.outcome != VerdictOutcome.PASSED and one.stage != "caption"
        for one in image.all_verdicts
    )


def _pass_inputs(assets: list[Asset], result: IngestResult) -> dict[Any, pass_chain.PassInput]:
    """Return what the next pass sends of each asset, by the asset's key."""
    return {
        asset.pk: pass_chain.PassInput(
            storage_key=file.key,
            sha256=file.sha256,
            media_type=file.media_type,
            width=file.width,
            height=file.height,
        )
        for asset, image in zip(assets, result.images, strict=True)
        if (file := image.pass_input) is not None
    }


def cost_of_failure(
    job: Job, attempt: Attempt, error: ProviderError | OutputBlocked | IngestDeferred
) -> tuple[Decimal, CostOrigin]:
    """Return what a billed answer without a usable image cost: as it counts, else as reserved."""
    counted = error.counted
    if counted is not None and attempt.rereads_id is None:
        usage = counted.usage
        # Without any of these the answer does not tell what it cost.
        told = (usage.output_image_tokens, usage.images, usage.credits, usage.seconds, usage.steps)
        if counted.reported_cost is not None or any(told):
            return _cost(job, attempt, counted)
    return attempt.reserved_cost, ESTIMATE


def _cost(job: Job, attempt: Attempt, result: ProviderResult) -> tuple[Decimal, CostOrigin]:
    try:
        price = PriceList.from_dict(attempt.image_model.price_list)
        if result.reported_cost is None and attempt.reported_cost is not None:
            told = Cost(attempt.reported_cost, attempt.reported_currency)
            result = replace(result, reported_cost=told)
        charge = price.charge(
            result, size=size_of(job), quality=job.quality, operation=operation_of(job)
        )
    except PriceUnknown:
        return attempt.reserved_cost, ESTIMATE
    return charge.amount, charge.origin


def _unpriced_kinds(attempt: Attempt, result: ProviderResult) -> tuple[str, ...]:
    """Return the kinds of tokens that the provider counted and that our price list has no price for."""
    try:
        return PriceList.from_dict(attempt.image_model.price_list).unpriced_kinds(result.usage)
    except PriceUnknown:
        return ()


def _resolved(job: Job, attempt: Attempt, result: ProviderResult) -> dict[str, str]:
    """Return the parameters as the provider applied them, and what became of the prompt."""
    found, model = dict(result.resolved), attempt.image_model
    if adapters.answers_by_name(model) and is_other_model(
        result.model_version, asked=model.provider_model_name
    ):
        found["model"] = result.model_version
    try:
        offer = adapters.capabilities(model)
    except adapters.ProviderNotConfigured:
        return found
    is_unsent = bool(job.prompt) and operation_of(job) in offer.promptless
    return found | ({"prompt": PROMPT_UNSENT} if is_unsent else {})


def _revised_prompt(job: Job, result: ProviderResult) -> str:
    """Return the provider's revised prompts, each once; empty if it used the prompt unchanged."""
    wordings = dict.fromkeys(image.revised_prompt.strip() for image in result.images)
    text = "\n\n".join(one for one in wordings if one and one != job.prompt)
    return clean(text, cap=MAX_PROMPT_CHARS)


def _title(job: Job) -> str:
    version = job.template_version
    return "" if version is None else version.template.name[:120]
