"""Say what is wrong, or looks wrong, with a draft of a template: its texts, its model, and the content check."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

from imagegen_app.core import prompts, template_lint
from imagegen_app.core.states import VerdictOutcome
from imagegen_app.core.template_lint import Severity, TemplatePart, TemplateTexts
from imagegen_app.services.gateways import adapters, screening
from imagegen_app.services.gateways.adapters import ProviderNotConfigured
from imagegen_app.services.job_requests import template_drafts
from imagegen_app.services.policy.model_catalog import InvalidRecord

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from imagegen_app.core.shots import Shot
    from imagegen_app.core.template_lint import TemplateProblem
    from imagegen_app.core.variables import Variable
    from imagegen_app.services.job_requests.template_drafts import Draft

#: Lines of a blocked text that are looked at one by one.
_MAX_LINES = 200


@dataclass(frozen=True, slots=True)
class ReportedProblem:
    """A problem of a draft in the active language."""

    #: As the documentation lists it.
    code: str
    severity: Severity
    part: TemplatePart
    sentence: str
    #: From 1; 0 where it concerns the whole part.
    line: int = 0
    column: int = 0
    #: The variable that it is about; empty if it is about none.
    name: str = ""
    #: The field of the draft that a model or a rule complains of; empty for problems of a text.
    field: str = ""

    @property
    def is_error(self) -> bool:
        """Whether it refuses the draft."""
        return self.severity is Severity.ERROR

    @property
    def part_label(self) -> str:
        """The part of the template in words."""
        return {
            TemplatePart.BODY: _("Prompt"),
            TemplatePart.NEGATIVE: _("Negative prompt"),
            TemplatePart.ALT_PATTERN: _("Alternative text"),
            TemplatePart.SHOTS: _("Shots"),
            TemplatePart.VARIABLES: _("Variables"),
            TemplatePart.SETTINGS: _("Settings"),
        }[self.part]

    @property
    def placed_sentence(self) -> str:
        """The sentence after its line and column, where it has them."""
        if not self.line:
            return self.sentence
        if self.code == "syntax":
            # These sentences name their line themselves.
            column = _("column %(column)s") % {"column": self.column}
            return f"{self.sentence} ({column})"
        place = _("Line %(line)s, column %(column)s:") % {
            "line": self.line,
            "column": self.column,
        }
        return f"{place} {self.sentence}"


@dataclass(frozen=True, slots=True)
class TemplateReport:
    """All problems of a draft, the errors first."""

    problems: tuple[ReportedProblem, ...]
    #: Those that the texts name and nobody has defined, each once.
    undefined: tuple[str, ...]
    #: Empty if one of them is not valid.
    variables: tuple[Variable, ...]

    @property
    def errors(self) -> tuple[ReportedProblem, ...]:
        """Those that refuse the draft."""
        return tuple(one for one in self.problems if one.is_error)

    @property
    def warnings(self) -> tuple[ReportedProblem, ...]:
        """Those that are only told."""
        return tuple(one for one in self.problems if not one.is_error)


def report_on(draft: Draft) -> TemplateReport:
    """Return what is wrong with a draft; the content checks of this site are asked, services are not."""
    texts = TemplateTexts(draft.body, draft.negative, draft.alt_pattern)
    used = template_lint.used_names(texts, draft.shots)
    try:
        variables = prompts.variables_from(draft.variables)
    except prompts.PromptTemplateError as error:
        problem = ReportedProblem(
            "invalid_variable",
            Severity.ERROR,
            TemplatePart.VARIABLES,
            _(error.message) % error.values,
            name=error.variable,
        )
        return TemplateReport((problem,), _undefined(used, draft), ())
    found = [_reported(one, draft.shots) for one in _linted(draft, texts, variables)]
    if not any(one.is_error for one in found):
        try:
            template_drafts.check(draft)
        except InvalidRecord as error:
            found.insert(0, _unsupported(error.reason, field=error.field))
        except ProviderNotConfigured as error:
            found.insert(0, _unsupported(str(error), field="image_model"))
    found += _blocked_words(texts, variables, draft.shots)
    return TemplateReport(tuple(found), _undefined(used, draft), variables)


def _unsupported(sentence: str, *, field: str) -> ReportedProblem:
    return ReportedProblem("unsupported", Severity.ERROR, _part_of(field), sentence, field=field)


def _undefined(used: Sequence[str], draft: Draft) -> tuple[str, ...]:
    known = {str(one.get("name", "")) for one in draft.variables}
    return tuple(name for name in used if name not in known)


def _linted(
    draft: Draft, texts: TemplateTexts, variables: Sequence[Variable]
) -> list[TemplateProblem]:
    most = 0
    if draft.image_model is not None:
        try:
            most = adapters.capabilities(draft.image_model).max_prompt_chars
        except ProviderNotConfigured:
            # Told by the check of the draft as a whole.
            most = 0
    model = draft.image_model.name if draft.image_model else ""
    return template_lint.lint(
        texts, variables, max_prompt_chars=most, model=model, shots=draft.shots
    )


def _reported(problem: TemplateProblem, shots: Sequence[Shot]) -> ReportedProblem:
    sentence = _(problem.message.text)
    if problem.message.values:
        sentence %= problem.message.values
    if problem.part is TemplatePart.SHOTS:
        label = next((one.label for one in shots if one.key == problem.name), problem.name)
        sentence = f"{label}: {sentence}"
    return ReportedProblem(
        problem.code,
        problem.severity,
        problem.part,
        sentence,
        line=problem.place.line if problem.place else 0,
        column=problem.place.column if problem.place else 0,
        name=problem.name,
    )


def _part_of(field: str) -> TemplatePart:
    known = {str(one) for one in TemplatePart}
    return TemplatePart(field) if field in known else TemplatePart.SETTINGS


def _blocked_words(
    texts: TemplateTexts, variables: Sequence[Variable], shots: Sequence[Shot]
) -> Iterator[ReportedProblem]:
    """Find what the content check would block in the words that each request has, or may choose."""
    for shot in shots:
        for screener in _blocking(template_lint.literal_text(shot.text)):
            sentence = _("“%(screener)s” would block the words of the shot “%(name)s”.") % {
                "screener": screener,
                "name": shot.label,
            }
            yield ReportedProblem(
                "blocked_words", Severity.WARNING, TemplatePart.SHOTS, sentence, name=shot.key
            )
    for part, source in texts.parts():
        if part is TemplatePart.ALT_PATTERN:
            # Sent to nobody.
            continue
        text = template_lint.literal_text(source)
        for screener in _blocking(text):
            line = _line_of(text, screener)
            sentence = _("“%(screener)s” would block these words.") % {"screener": screener}
            yield ReportedProblem(
                "blocked_words",
                Severity.WARNING,
                part,
                sentence,
                line=line,
                column=1 if line else 0,
            )
    for variable in variables:
        for screener in _blocking("\n".join([*variable.choices, variable.default])):
            sentence = _("“%(screener)s” would block a value of “%(name)s”.") % {
                "screener": screener,
                "name": variable.name,
            }
            yield ReportedProblem(
                "blocked_words",
                Severity.WARNING,
                TemplatePart.VARIABLES,
                sentence,
                name=variable.name,
            )


def _blocking(text: str) -> list[str]:
    """Return the names of the screeners that block a text; one that fails blocks nothing here."""
    return [
        one.screener
        for one in screening.screen_text_here(text.strip(), part="prompt")
        if one.decision.outcome is VerdictOutcome.BLOCKED and not one.failure
    ]


def _line_of(text: str, screener: str) -> int:
    """Return the first line that a screener blocks by itself; 0 if none is."""
    for number, line in enumerate(text.split("\n")[:_MAX_LINES], start=1):
        if screener in _blocking(line):
            return number
    return 0
