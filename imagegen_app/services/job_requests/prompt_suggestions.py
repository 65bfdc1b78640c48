"""Suggest a prompt from the texts of the site's content, or improve one as a person wishes.

What comes back is words in a form: nothing is requested and nothing is stored until the person sends
it, and then it is checked as any prompt is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

from imagegen_app import conf
from imagegen_app.core.limits import MAX_RENDERED_CHARS
from imagegen_app.core.types import Cost
from imagegen_app.services.gateways import prompt_writing, screening
from imagegen_app.services.jobs import text_calls
from imagegen_app.services.jobs.text_calls import TextOutcome
from imagegen_app.services.policy import access
from imagegen_app.services.policy.access import ActionRefused, contact_sentence

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from imagegen_app.core.actors import Actor
    from imagegen_app.models import TextCall
    from imagegen_app.services.gateways.prompt_writing import Suggestion
    from imagegen_app.services.gateways.screening import UnsavedVerdict

_PERMISSION = "request_job"


class NoSuggestion(ActionRefused):
    """No prompt was suggested; the one that was typed stays as it is."""

    code = "no_suggestion"


@dataclass(frozen=True, slots=True)
class SuggestedPrompt:
    """A prompt that a person may take, edit or drop, and what it cost."""

    text: str
    cost: Cost


def price() -> Cost | None:
    """Return what a suggestion costs at most; None where the site has no text model."""
    if not prompt_writing.is_enabled():
        return None
    return Cost(prompt_writing.price(), conf.get().text_model.currency)


def is_offered(actor: Actor) -> bool:
    """Return whether the site has a text model, and the actor may ask it."""
    return prompt_writing.is_enabled() and access.has_permission(actor, _PERMISSION)


def suggest_prompt(*, actor: Actor, texts: Mapping[str, str]) -> SuggestedPrompt:
    """Have a prompt suggested from texts of the content, by the names of their fields.

    :raises NotPermitted: if the actor may not request images.
    :raises OverBudget: if a budget has too little remaining.
    :raises CurrencyMismatch: if a budget has another currency than the text model.
    :raises NoSuggestion: if there are no texts, a content check blocks, or the service has no answer.
    """
    given = {name: text.strip() for name, text in texts.items() if text.strip()}
    if not given:
        raise _refusal(_("There is no text that a prompt could be suggested from."), "")
    sent = "\n".join(given.values())
    return _written(actor, "suggest_prompt", sent, lambda: prompt_writing.suggest(given))


def improve_prompt(*, actor: Actor, prompt: str, wish: str = "") -> SuggestedPrompt:
    """Have a prompt improved as a person wishes; an empty wish leaves it open how.

    :raises NotPermitted: if the actor may not request images.
    :raises OverBudget: if a budget has too little remaining.
    :raises CurrencyMismatch: if a budget has another currency than the text model.
    :raises NoSuggestion: if there is no prompt, a content check blocks, or the service has no answer.
    """
    prompt, wish = prompt.strip(), wish.strip()[: prompt_writing.MAX_WISH_CHARS]
    if not prompt:
        raise _refusal(_("There is no prompt to improve."), _("Write one first."))
    if len(prompt) > MAX_RENDERED_CHARS:
        reason = _("The prompt is longer than %(most)s characters.") % {"most": MAX_RENDERED_CHARS}
        raise _refusal(reason, _("Shorten it first."))
    return _written(
        actor,
        "improve_prompt",
        f"{prompt}\n{wish}".strip(),
        lambda: prompt_writing.improve(prompt, wish=wish),
    )


def _written(
    actor: Actor, task: text_calls.Task, sent: str, ask: Callable[[], Suggestion]
) -> SuggestedPrompt:
    access.require_permission(actor, _PERMISSION)
    most = price()
    if most is None:
        raise _refusal(_("This site has no text model."), contact_sentence())
    call = text_calls.begin(
        actor=actor, task=task, estimated_cost=most.amount, currency=most.currency
    )
    before = screening.screen_text(sent, part="prompt")
    spent = screening.cost_of(before)
    if screening.is_blocked(before):
        # Nothing was sent to the text model.
        _end(actor, call, TextOutcome("blocked", cost=spent, blocked_by=_blockers(before)))
        raise _refusal(_blocked_reason(before), contact_sentence())
    found = ask()
    answer = found.answer
    spent += answer.cost + screening.cost_of(found.screened)
    if found.is_blocked:
        blockers = _blockers(found.screened)
        outcome = TextOutcome("blocked", spent, answer.service, answer.model, blockers)
        _end(actor, call, outcome)
        raise _refusal(
            _("A content check blocked what the text model wrote."), _("Try it once more.")
        )
    state: text_calls.State = "succeeded" if answer.text else "failed"
    _end(actor, call, TextOutcome(state, spent, answer.service, answer.model))
    if not answer.text:
        raise _refusal(
            _("The text model gave no answer that can be used."),
            _("Write the prompt yourself, or try it later."),
        )
    return SuggestedPrompt(answer.text, Cost(spent, most.currency))


def _end(actor: Actor, call: TextCall, outcome: TextOutcome) -> None:
    text_calls.end(actor=actor, call=call, outcome=outcome)


def _blockers(verdicts: Iterable[UnsavedVerdict]) -> tuple[str, ...]:
    return tuple(one.screener for one in verdicts if screening.is_blocked([one]))


def _blocked_reason(verdicts: list[UnsavedVerdict]) -> str:
    return _("“%(screener)s” blocked this text.") % {"screener": ", ".join(_blockers(verdicts))}


def _refusal(reason: str, remedy: str) -> NoSuggestion:
    return NoSuggestion(_("No prompt was suggested."), reason=reason, remedy=remedy)
