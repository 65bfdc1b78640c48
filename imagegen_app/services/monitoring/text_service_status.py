"""Find out whether the captioner and the text model of the settings can be used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

from imagegen_app.services.gateways import captioning, prompt_writing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@dataclass(frozen=True, slots=True)
class TextServiceFinding:
    """A service that cannot be used: which one, why, and what follows from it."""

    #: `captioner` or `text model`.
    part: str
    message: str
    remedy: str


def text_service_findings() -> Iterator[TextServiceFinding]:
    """Yield which of the services cannot be used; their servers are asked free of charge."""
    yield from _finding(
        "captioner",
        _("captioner"),
        captioning.availability_problem,
        _("Images are generated without suggested alternative texts; check its settings."),
    )
    yield from _finding(
        "text model",
        _("text model"),
        prompt_writing.availability_problem,
        _("Prompts are written without suggestions; check its settings."),
    )


def _finding(
    part: str, name: str, ask: Callable[[], str], remedy: str
) -> Iterator[TextServiceFinding]:
    try:
        problem = ask()
    except Exception as error:  # noqa: BLE001 - a site's own class may raise anything
        problem = type(error).__name__
    if problem:
        text = _("This service cannot be used (%(name)s): %(problem)s.")
        yield TextServiceFinding(part, text % {"name": name, "problem": problem}, remedy)
