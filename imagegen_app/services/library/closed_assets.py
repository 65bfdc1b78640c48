"""Take down what was found in a hard category, and delete its files; hashes and record stay."""

from __future__ import annotations

from imagegen_app.models import Asset, JobInput, Rendition
from imagegen_app.services.foundation import clock, event_log
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.gateways import storage
from imagegen_app.services.jobs import kept_answers
from imagegen_app.services.library import takedown
from imagegen_app.services.policy import closed_content


def remove(asset: Asset) -> None:
    """Take a closed asset down where it is placed, and delete its files; safe to repeat.

    :raises StorageFailed: if a file cannot be deleted at present.
    """
    takedown.clear_fields(asset)
    renditions = Rendition.objects.filter(asset=asset).values_list("storage_key", flat=True)
    # What was sent of it to providers: a job that still waits with it finds no file, and ends.
    sent = JobInput.objects.filter(asset=asset).values_list("storage_key", "original_storage_key")
    copies = [key for keys in sent for key in keys if key]
    for key in (asset.storage_key, asset.original_storage_key, *renditions, *copies):
        storage.delete(key)
    _record_removal(asset)


@use_case()
def _record_removal(asset: Asset) -> None:
    # What the provider sent holds the image, too.
    kept_answers.remove_closed(asset.job, asset.attempt)
    Asset.objects.filter(pk=asset.pk).update(files_removed_at=clock.now())
    event_log.record(
        closed_content.ACTOR,
        "asset.files_removed",
        subject=asset,
        job=asset.job,
        asset=asset,
        data={"sha256": asset.sha256, "original_sha256": asset.original_sha256},
    )
