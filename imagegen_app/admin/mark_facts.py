"""Say on an asset's page which marks its provider has put into the image."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

from imagegen_app.services.library import inspection, provider_marks

if TYPE_CHECKING:
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
