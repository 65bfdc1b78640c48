"""Help with the studio's prompt: one suggested from the object that the image is for, or a better one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from django.utils.text import Truncator

from imagegen_app.admin.pages.studio_starts import shown_object
from imagegen_app.services.gateways import content_fields, prompt_writing, surrounding_texts
from imagegen_app.services.job_requests import prompt_suggestions
from imagegen_app.services.library.comparison import word_differences
from imagegen_app.services.policy.access import ActionRefused

if TYPE_CHECKING:
    from django.http import HttpRequest

    from imagegen_app.admin.pages.studio_form import StudioForm
    from imagegen_app.core.actors import Person
    from imagegen_app.core.types import Cost
    from imagegen_app.services.job_requests.prompt_suggestions import SuggestedPrompt
    from imagegen_app.services.library.comparison import Piece

#: Of the name of an object, in a sentence.
_MAX_NAME_CHARS: Final = 60


@dataclass(frozen=True, slots=True)
class PromptHelp:
    """What the page offers, and what has come of it."""

    #: What one suggestion costs at most.
    price: Cost
    #: The object whose texts a prompt may be suggested from; empty for none.
    source: str = ""
    wish: str = ""
    suggested: SuggestedPrompt | None = None
    #: The words of the prompt that was typed and of the one that is suggested.
    pieces: list[Piece] = field(default_factory=list)
    refusal: ActionRefused | None = None

    @property
    def max_wish_chars(self) -> int:
        """The longest wish."""
        return prompt_writing.MAX_WISH_CHARS

    @property
    def is_open(self) -> bool:
        """Whether there is something to read."""
        return self.suggested is not None or self.refusal is not None


def prompt_help(request: HttpRequest, actor: Person, form: StudioForm) -> PromptHelp | None:
    """Return the help with the prompt, asked for if a button for it was pressed.

    None where the site has no text model, or the form has no free prompt.
    """
    price = prompt_suggestions.price()
    if price is None or "prompt" not in form.fields or not prompt_suggestions.is_offered(actor):
        return None
    found = shown_object(request)
    texts = {} if found is None else content_fields.texts_for(*found)
    name = "" if found is None else str(found[1])
    if not texts:
        place = str(request.GET.get("texts", ""))
        around = surrounding_texts.texts_around(place, actor=actor) if place else None
        texts, name = ({}, "") if around is None else (dict(around.texts), around.label)
    source = Truncator(name).chars(_MAX_NAME_CHARS) if texts else ""
    posted: Any = request.POST
    wish = str(posted.get("wish", ""))[: prompt_writing.MAX_WISH_CHARS]
    if not {"improve_prompt", "suggest_prompt"} & set(posted):
        return PromptHelp(price, source)
    typed = str(posted.get("prompt", ""))
    try:
        if "suggest_prompt" in posted:
            suggested = prompt_suggestions.suggest_prompt(actor=actor, texts=texts)
        else:
            suggested = prompt_suggestions.improve_prompt(actor=actor, prompt=typed, wish=wish)
    except ActionRefused as refusal:
        return PromptHelp(price, source, wish, refusal=refusal)
    pieces = word_differences(typed, suggested.text) if typed.strip() else []
    return PromptHelp(price, source, wish, suggested, pieces)


def sent_values(request: HttpRequest) -> Any:
    """Return what a form was sent with; where a suggested prompt is taken, with that as its prompt."""
    if "take_prompt" not in request.POST:
        return request.POST
    values = request.POST.copy()
    values["prompt"] = values.get("suggested_prompt", "")
    return values
