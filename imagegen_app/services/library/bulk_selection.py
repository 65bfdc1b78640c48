"""Select many images for one action: by their keys, or all that a filter finds, as a signed text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.core import signing
from django.utils.translation import gettext as _

from imagegen_app.services.policy.access import ActionRefused

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.db.models import QuerySet

    from imagegen_app.core.actors import Person
    from imagegen_app.models import Asset

#: Images that one post may change.
MAX_IMAGES = 10_000
_SALT = "imagegen.library-filter"
_SIGNED_SECONDS = 12 * 3600


class TooManyImages(ActionRefused):
    """More images are selected than one post may change."""

    code = "too_many_images"


class InvalidSelection(ActionRefused):
    """What was selected is forged, expired, or another person's."""

    code = "invalid_selection"


def sign_filter(*, actor: Person, query: str) -> str:
    """Return "all that this filter finds" for a form; it holds for this person alone."""
    return signing.dumps({"query": query, "actor": actor.id}, salt=_SALT)


def filter_from(*, actor: Person, text: str) -> str:
    """Return the query of a signed filter.

    :raises InvalidSelection: if it is forged, expired, or another person's.
    """
    try:
        data: Any = signing.loads(text, salt=_SALT, max_age=_SIGNED_SECONDS)
        query, owner = str(data["query"]), data["actor"]
    except (signing.BadSignature, KeyError, TypeError, ValueError):
        raise invalid() from None
    if owner != actor.id:
        raise invalid()
    return query


def keys_of(texts: Iterable[str]) -> list[UUID]:
    """Return the keys of images that a form names, each once.

    :raises TooManyImages: if there are more than one post may change.
    :raises InvalidSelection: if one of them is no key.
    """
    try:
        keys = list(dict.fromkeys(UUID(text) for text in texts))
    except ValueError:
        raise invalid() from None
    if len(keys) > MAX_IMAGES:
        raise _too_many()
    return keys


def require_few(assets: QuerySet[Asset]) -> list[UUID]:
    """Return the keys of the selected images, newest first.

    :raises TooManyImages: if there are more than one post may change.
    """
    rows = assets.order_by("-created_at", "-pk").values_list("pk", flat=True)
    keys = list(rows[: MAX_IMAGES + 1])
    if len(keys) > MAX_IMAGES:
        raise _too_many()
    return keys


def invalid() -> InvalidSelection:
    """Return the refusal of a selection that is forged, expired, or another person's."""
    return InvalidSelection(
        _("Nothing was changed."),
        reason=_("The selection is no longer valid."),
        remedy=_("Select the images again."),
    )


def _too_many() -> TooManyImages:
    return TooManyImages(
        _("Nothing was changed."),
        reason=_("More than %(most)s images are selected.") % {"most": MAX_IMAGES},
        remedy=_("Narrow the selection with the filters, and act in parts."),
    )
