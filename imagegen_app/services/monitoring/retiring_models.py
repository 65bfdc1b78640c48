"""Find models that their provider will soon stop, or has stopped, to serve."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

from django.utils.translation import gettext as _

from imagegen_app.models import ImageModel
from imagegen_app.services.foundation import clock

if TYPE_CHECKING:
    from collections.abc import Iterator

#: A model that retires within so many days is reported.
SOON_DAYS: Final = 30


class RetiringModel(NamedTuple):
    """Which model retires, and what a site does about it."""

    message: str
    remedy: str


def retiring_models() -> Iterator[RetiringModel]:
    """Yield the models in use that retire soon, the first one first."""
    soon = clock.today() + timedelta(days=SOON_DAYS)
    usable = ImageModel.objects.usable().filter(retires_on__lte=soon)
    for model in usable.select_related("replaced_by").order_by("retires_on"):
        successor = model.replaced_by
        yield RetiringModel(
            _("The model %(model)s retires on %(day)s.")
            % {"model": model.slug, "day": model.retires_on},
            _("Register its successor, and grant groups the use of it.")
            if successor is None
            else _("Grant groups the use of its successor, %(model)s.") % {"model": successor.slug},
        )
