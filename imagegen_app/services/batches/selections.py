"""Signed tokens for the objects that a person selected, passed from page to page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.core import signing
from django.utils.translation import gettext as _

from imagegen_app.services.batches.lifecycle import MAX_ROWS
from imagegen_app.services.gateways import content_fields
from imagegen_app.services.policy import access
from imagegen_app.services.policy.access import ActionRefused

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.db.models import QuerySet

    from imagegen_app.core.actors import Actor
    from imagegen_app.services.gateways.content_fields import Target

_SALT = "imagegen.selection"
#: How long a token is valid.
_MAX_AGE_SECONDS = 12 * 3600


class InvalidSelection(ActionRefused):
    """The selection is forged, expired, empty or too large."""

    code = "invalid_selection"


@dataclass(frozen=True, slots=True)
class Selection:
    """Objects of one target that a person selected."""

    target: Target
    keys: tuple[str, ...]

    def objects(self) -> QuerySet[Any]:
        """Return the objects that still exist, in a stable order."""
        manager = self.target.model._default_manager  # noqa: SLF001 - Django's documented API
        return manager.filter(pk__in=self.keys).order_by("pk")


def dumps(*, actor: Actor, target: Target, keys: Iterable[object]) -> str:
    """Return a signed token for a selection; it is valid for this actor only.

    :raises InvalidSelection: if it is empty or too large.
    """
    selected = [str(key) for key in keys]
    if not selected or len(selected) > MAX_ROWS:
        raise InvalidSelection(
            _("No images were requested."),
            reason=_("Between 1 and %(most)s objects can be selected, not %(number)s.")
            % {"most": MAX_ROWS, "number": len(selected)},
            remedy=_("Select fewer objects, or use a filter."),
        )
    data = {"target": target.path, "keys": selected, "actor": f"{actor.kind}:{actor.id}"}
    return signing.dumps(data, salt=_SALT, compress=True)


def loads(*, actor: Actor, token: str) -> Selection:
    """Return the selection that a signed token holds.

    :raises NotPermitted: if the actor may not request images.
    :raises InvalidSelection: if it is forged, expired, or another person's.
    """
    access.require_permission(actor, "request_job")
    try:
        data: Any = signing.loads(token, salt=_SALT, max_age=_MAX_AGE_SECONDS)
        target = content_fields.target_by_path(str(data["target"]))
        keys = tuple(str(key) for key in data["keys"])
        owner = data["actor"]
    except (signing.BadSignature, KeyError, TypeError, ValueError):
        target, keys, owner = None, (), ""
    if target is None or owner != f"{actor.kind}:{actor.id}":
        raise InvalidSelection(
            _("No images were requested."),
            reason=_("The selection is no longer valid."),
            remedy=_("Go back to the list and select the objects again."),
        )
    return Selection(target, keys)
