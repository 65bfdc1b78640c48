"""Show what an erasure would remove, by table and by kind of file, without changing anything."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from django.utils.translation import gettext as _

from imagegen_app.services.erasure import _answer_files, _batches, _files, _rows
from imagegen_app.services.erasure.scopes import collect_texts, unfinished_reason
from imagegen_app.services.policy.access import require_permission
from imagegen_app.services.policy.storage_refusals import refuse_on_storage_failure

if TYPE_CHECKING:
    from imagegen_app.core.actors import Actor
    from imagegen_app.services.erasure.scopes import ErasureScope

#: The files of so many images are read for a preview; of more, their number is an estimate.
MAX_IMAGES_READ: Final = 200


@dataclass(frozen=True, slots=True)
class PreviewLine:
    """One table or kind of file, and how much of it goes."""

    label: str
    count: int


@dataclass(frozen=True, slots=True)
class ErasurePreview:
    """What an erasure would remove."""

    jobs: int
    tables: tuple[PreviewLine, ...]
    files: tuple[PreviewLine, ...]
    #: Why it is not possible now; empty if it is.
    reason_against: str = ""
    #: How many images were not looked into.
    unread_images: int = 0

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing left to erase."""
        return not any(line.count for line in (*self.tables, *self.files))


def preview(actor: Actor, scope: ErasureScope) -> ErasurePreview:
    """Count what an erasure would remove.

    :raises NotPermitted: without the permission to erase personal data.
    :raises StorageUnavailable: if the files cannot be read at present.
    """
    require_permission(actor, "erase_personal_data")
    keys, texts = scope.job_keys(), collect_texts(scope)
    # A row may be blanked in several ways, and counts once.
    rows: dict[str, set[Any]] = {}
    for blanking in (
        *_rows.blankings(keys, texts),
        *_rows.table_blankings(scope, keys),
        *_batches.batch_blankings(scope),
    ):
        name = str(blanking.model._meta.verbose_name_plural)  # noqa: SLF001 - Django's documented API
        rows.setdefault(name, set()).update(blanking.rows.values_list("pk", flat=True))
    counts = {name: len(found) for name, found in rows.items()}
    personal = _rows.personal_texts(scope, keys)
    counts[_("personal texts beside the log")] = personal.count()
    carrying = 0
    assets = list(_files.assets_of(keys))
    with refuse_on_storage_failure(_("Nothing was erased.")):
        for asset in assets[:MAX_IMAGES_READ]:
            carrying += _files.carries_text(asset, texts.of(asset.job), writer=scope.is_person)
    uploads = _rows.uploads_of(keys)
    files = {
        _("images whose files carry the text: rewritten and signed again"): carrying,
        _("originals of uploaded images"): sum(bool(one.original_storage_key) for one in uploads),
        _("manifests of uploaded images"): sum(bool(one.manifest_key) for one in uploads),
        _("kept answers of providers"): _rows.kept_answers_of(keys).count(),
        _("folders of answers in the spool"): len(_answer_files.folders_of(keys)),
    }
    return ErasurePreview(
        jobs=len(keys),
        tables=tuple(PreviewLine(label, count) for label, count in counts.items() if count),
        files=tuple(PreviewLine(label, count) for label, count in files.items() if count),
        reason_against=unfinished_reason(scope),
        unread_images=max(0, len(assets) - MAX_IMAGES_READ),
    )
