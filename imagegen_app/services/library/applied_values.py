"""Say what became of a request at the provider: values as they were applied, and what was not sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

from imagegen_app.core.types import PROMPT_CLEANED, PROMPT_UNSENT
from imagegen_app.services.foundation.stored_messages import fact_label

if TYPE_CHECKING:
    from imagegen_app.models import Attempt


def deviations(attempt: Attempt) -> list[str]:
    """Return in sentences where a call was not what was asked for; empty where nothing differed."""
    resolved, found = attempt.resolved, []
    if resolved.get("prompt") == PROMPT_CLEANED:
        found.append(
            _("Parts of the prompt that the server would have taken for commands were not sent.")
        )
    if resolved.get("prompt") == PROMPT_UNSENT:
        found.append(_("The prompt was not sent: the model takes none for this operation."))
    if "fallbacks" in resolved:
        found.append(_("The gateway passed the call on to another model than the one asked for."))
    if resolved.get("model"):
        found.append(
            _("The provider says that the model %(model)s made it; %(asked)s was asked for.")
            % {"model": resolved["model"], "asked": attempt.image_model.provider_model_name}
        )
    return found


def applied_values(attempt: Attempt) -> list[tuple[str, str]]:
    """Return the parameters as the provider says that it applied them, with their labels."""
    told = {name: str(value) for name, value in attempt.resolved.items() if name != "prompt"}
    return [(fact_label(name), value) for name, value in sorted(told.items())]
