"""Say on an asset's page which marks are in the image: ours, and its provider's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

from imagegen_app.admin.base import definition_list
from imagegen_app.services.gateways import storage
from imagegen_app.services.library import inspection, provider_marks

if TYPE_CHECKING:
    from django.utils.safestring import SafeString

    from imagegen_app.models import Asset


def provider_facts(asset: Asset) -> list[tuple[object, object]]:
    """Return what the page tells of the marks that came with the provider's image."""
    found = inspection.provider_credentials(asset)
    if found is None:
        rows: list[tuple[object, object]] = [(_("Provider's Content Credentials"), _("none"))]
    else:
        rows = [
            (_("Provider's Content Credentials"), found.summary),
            (_("Their issuer"), found.issuer),
            (_("Their claim"), found.claim),
            (
                _("In the published file"),
                _("whole, as an ingredient")
                if found.is_embedded
                else _("by their signer, issuer and claim only"),
            ),
        ]
    return [*rows, *provider_marks.lines(asset)]


def stored_facts(asset: Asset) -> SafeString | str:
    """Read the stored file again and return what its marks say."""
    if asset.hard_category:
        return _("Of an image that was closed, the files are deleted.")
    try:
        found = inspection.inspect_stored(asset)
    except storage.FileMissing:
        return _("The file is missing from the storage.")
    except storage.StorageFailed:
        return _("The file cannot be read at present.")
    return definition_list(
        [
            (_("Content Credentials"), found.summary),
            (_("Time stamp"), found.time_stamp),
            (_("Stored file"), _("unchanged") if found.is_unchanged else _("changed")),
            (_("Digital source type"), found.marks.digital_source_type.rpartition("/")[2]),
            (
                _("AI system"),
                f"{found.marks.ai_system} {found.marks.ai_system_version}".strip(),
            ),
            (_("Credit"), found.marks.credit),
            (_("Signed actions"), ", ".join(found.credentials.actions)),
            (
                _("Input images"),
                _("one is named by its hash only: its own Content Credentials are unusable")
                if asset.is_parent_reduced
                else "",
            ),
            *provider_facts(asset),
            (_("SHA-256"), asset.sha256),
        ]
    )
