"""Find the image of this site that a file is a copy of: by its bytes, or by the marks that it carries."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from django.utils.translation import gettext as _

from imagegen_app.core.limits import MAX_INPUT_BYTES
from imagegen_app.imaging.errors import InvalidImage
from imagegen_app.imaging.inspect import sniff
from imagegen_app.models import Asset
from imagegen_app.services.audit import prompt_access
from imagegen_app.services.gateways import storage
from imagegen_app.services.library import asset_search, chooser, inspection
from imagegen_app.services.policy import access
from imagegen_app.services.policy.access import ActionRefused

if TYPE_CHECKING:
    from imagegen_app.core.actors import Person

#: How the document id begins that every file of an image has in its metadata.
_DOCUMENT = "xmp.did:"


class NoRecipe(ActionRefused):
    """A file leads to no image whose recipe the person may see."""

    code = "no_recipe"


def image_of_file(actor: Person, data: bytes) -> Asset:
    """Return the image of this site that a file is a copy of, for whoever may read its recipe.

    Marks can be copied and forged: they lead to an image, and give nobody a right to it. What is not
    ours and what the person may not see are told apart by nothing.

    :raises NoRecipe: if there is none that the person may see and whose prompt they may read.
    """
    if len(data) > MAX_INPUT_BYTES:
        raise _no_recipe(_("The file is too large."))
    asset = _with_bytes(data) or _with_marks(data)
    if asset is None or asset.hard_category or not _may_read(actor, asset):
        raise _no_recipe(_("It carries no marks of an image whose recipe you may see."))
    return asset


def _with_bytes(data: bytes) -> Asset | None:
    assets = Asset.objects.select_related("job__root")
    found = asset_search.by_file_hash(assets, storage.file_hash(data))
    return None if found is None else found.first()


def _with_marks(data: bytes) -> Asset | None:
    try:
        media_type = sniff(data)
    except InvalidImage:
        return None
    document = inspection.inspect_bytes(data, f"image/{media_type}").marks.document_id
    try:
        key = UUID(document.removeprefix(_DOCUMENT)) if document.startswith(_DOCUMENT) else None
    except ValueError:
        return None
    return None if key is None else Asset.objects.select_related("job__root").filter(pk=key).first()


def _may_read(actor: Person, asset: Asset) -> bool:
    try:
        chooser.require_visible(actor, asset)
    except access.NotPermitted:
        return False
    return prompt_access.can_read_prompt(actor, asset.job.root or asset.job)


def _no_recipe(reason: str) -> NoRecipe:
    return NoRecipe(
        _("No recipe was found for this file."),
        reason=reason,
        remedy=_("Choose a file that was downloaded from this site."),
    )
