"""Place an asset on a page from code, as an editor does in the CMS."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cms.api import add_plugin
from django.apps import apps
from django.db import transaction
from django.utils.translation import gettext as _

from imagegen_app.contrib.djangocms.models import GeneratedImage
from imagegen_app.services.library.placement import CannotPlace
from imagegen_app.services.policy import access

if TYPE_CHECKING:
    from imagegen_app.core.actors import Person
    from imagegen_app.models import Asset


@transaction.atomic
def place_on_page(
    *,
    actor: Person,
    page_content: Any,
    asset: Asset,
    placeholder: str,
    alt_text: str = "",
    caption: str = "",
    publish: bool = False,
) -> GeneratedImage:
    """Add an asset to a page's placeholder, in a new draft where the page is published.

    A generated image that is already in the placeholder is replaced.

    :raises NotPermitted: if the actor may not place assets or change pages.
    :raises CannotPlace: if the page has no such placeholder.
    """
    access.require_permission(actor, "place_asset")
    if not actor.user.has_perm("cms.change_page"):
        raise access.NotPermitted(
            _("You do not have permission to do this."),
            reason=_("You do not have permission to change pages."),
            remedy=access.contact_sentence(),
        )
    content, version = _draft(page_content, actor.user)
    slots = {p.slot: p for p in content.rescan_placeholders().values()}
    if placeholder not in slots:
        raise CannotPlace(
            _("The image was not placed."),
            reason=_("The page has no placeholder named “%(slot)s”.") % {"slot": placeholder[:40]},
            remedy=_("Available: %(known)s.") % {"known": ", ".join(sorted(slots))},
        )
    current = GeneratedImage.objects.filter(placeholder=slots[placeholder]).first()
    if current is not None:
        current.asset, current.alt_text, current.caption = asset, alt_text, caption
        current.save()
        plugin = current
    else:
        plugin = add_plugin(
            slots[placeholder],
            "GeneratedImagePlugin",
            content.language,
            asset=asset,
            alt_text=alt_text,
            caption=caption,
            loads_eagerly=placeholder == "hero",
        )
    if publish and version is not None:
        version.publish(actor.user)
    result: GeneratedImage = plugin
    return result


def _draft(content: Any, user: Any) -> tuple[Any, Any]:
    """Return (editable content, its version); the version is None without djangocms-versioning."""
    if not apps.is_installed("djangocms_versioning"):
        return content, None
    from djangocms_versioning.constants import DRAFT, PUBLISHED  # noqa: PLC0415 - optional
    from djangocms_versioning.models import Version  # noqa: PLC0415 - optional

    version = Version.objects.get_for_content(content)
    if version.state == DRAFT:
        return content, version
    if version.state == PUBLISHED:
        draft = version.copy(user)
        return draft.content, draft
    raise CannotPlace(
        _("The image was not placed."),
        reason=_("This version of the page can no longer be edited."),
        remedy=_("Use its draft or its published version."),
    )
