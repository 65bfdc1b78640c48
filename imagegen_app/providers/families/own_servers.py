"""Say what servers of a site's own have in common: where they process, and whether they are asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from imagegen_app.core.data_handling import facts
from imagegen_app.core.i18n import gettext_noop
from imagegen_app.core.model_parameters import Parameter

if TYPE_CHECKING:
    from imagegen_app.core.data_handling import DataFact

#: The option of those that can be asked or listened to.
ASKS_PROGRESS: Final = Parameter(
    "bool",
    default=True,
    help=gettext_noop("Whether to ask how far a call is, and for images on their way."),
)
_HERE = gettext_noop("the server at the account's address")


def data_handling(*, source: str, checked_on: str) -> dict[str, DataFact]:
    """Return what is known wherever the server stands; the rest only its owner knows."""
    return facts(source=source, checked_on=checked_on, regions=[_HERE])
