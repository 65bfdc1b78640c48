"""Send the public signals after the change that they announce is committed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from imagegen_app import database, signals

if TYPE_CHECKING:
    from django.dispatch import Signal

    from imagegen_app.models import Asset, Job, Placement


def send_job_finished(job: Job) -> None:
    """Send `job_finished`: a job reached a final state."""
    _after_commit(signals.job_finished, job_id=job.pk, state=job.state)


def send_asset_created(asset: Asset) -> None:
    """Send `asset_created`: an asset was stored."""
    _after_commit(signals.asset_created, asset_id=asset.pk, job_id=asset.job_id)


def send_asset_reviewed(asset: Asset) -> None:
    """Send `asset_reviewed`: a person decided about an asset."""
    _after_commit(signals.asset_reviewed, asset_id=asset.pk, review_state=asset.review_state)


def send_placement_created(placement: Placement) -> None:
    """Send `placement_created`: an asset was placed in content."""
    _after_commit(signals.placement_created, placement_id=placement.pk, asset_id=placement.asset_id)


def send_copy_deleted(placement: Placement) -> None:
    """Send `copy_deleted`: a copy of a withdrawn image was deleted from content."""
    _after_commit(
        signals.copy_deleted,
        placement_id=placement.pk,
        asset_id=placement.asset_id,
        name=placement.placed_value,
    )


def _after_commit(signal: Signal, **arguments: Any) -> None:
    database.on_commit(lambda: signal.send_robust(sender=None, **arguments), robust=True)
