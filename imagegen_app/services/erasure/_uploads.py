"""Erase what is kept of uploaded images beside what was sent: the original, and its manifest's texts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

from imagegen_app.models import JobInput
from imagegen_app.services.erasure._files import is_used
from imagegen_app.services.erasure._rows import uploads_of
from imagegen_app.services.gateways import manifests, storage
from imagegen_app.services.policy.storage_refusals import refuse_on_storage_failure

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID


def erase_uploads(job_keys: Sequence[UUID]) -> None:
    """Delete the originals and manifests of these jobs' uploads, and the texts read from them.

    They have what normalising took away: places, serial numbers, names. A file that another job
    has as well stays. What was sent stays, too, as does the image that was made of it.

    :raises StorageUnavailable: if a file cannot be deleted at present.
    """
    entries = uploads_of(job_keys)
    for entry in entries:
        JobInput.objects.filter(pk=entry.pk).update(
            original_storage_key="",
            manifest_key="",
            found_at="",
            ingredient_facts=manifests.without_names(entry.ingredient_facts),
        )
    keys = {entry.original_storage_key for entry in entries}
    keys |= {entry.manifest_key for entry in entries}
    # Before the transaction ends: if a file stays, the erasure must not be recorded as done.
    with refuse_on_storage_failure(_("Nothing was erased.")):
        for key in sorted(keys - {""}):
            if not is_used(key):
                storage.delete(key)
