"""Find what is wrong, or looks wrong, in a prompt template: each with its line and column."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from imagegen_app.core import prompts
from imagegen_app.core.i18n import Message, gettext_noop
from imagegen_app.core.shots import SHOT_VARIABLE, names_shot, variables_with_shot
from imagegen_app.core.template_branches import branch_facts
from imagegen_app.core.template_lengths import length_range
from imagegen_app.core.template_places import (
    Place,
    SourceMap,
    first_tag_on_line,
    map_source,
    with_plain_line_ends,
)
from imagegen_app.core.variables import MissingValue, PromptTemplateError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from imagegen_app.core.shots import Shot
    from imagegen_app.core.template_branches import BranchFact
    from imagegen_app.core.variables import Variable

#: Words that a negative prompt is made of, and those of a prompt, in any script.
_WORDS = re.compile(r"[^\W_]+(?:['\N{RIGHT SINGLE QUOTATION MARK}-][^\W_]+)*")
_TAG = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)
#: Problems of one text; beyond, the first ones say enough.
_MAX_PROBLEMS = 50


class Severity(StrEnum):
    """Whether a problem refuses a template, or is only told."""

    ERROR = "error"
    WARNING = "warning"


class TemplatePart(StrEnum):
    """The text, or other part, of a template that a problem is in."""

    BODY = "body"
    NEGATIVE = "negative"
    ALT_PATTERN = "alt_pattern"
    SHOTS = "shots"
    VARIABLES = "variables"
    SETTINGS = "settings"


@dataclass(frozen=True, slots=True)
class TemplateProblem:
    """One thing that is wrong, or looks wrong."""

    #: A stable word, by which the documentation lists it.
    code: str
    severity: Severity
    part: TemplatePart
    message: Message
    #: Where it stands in its text; None where it concerns the whole part.
    place: Place | None = None
    #: The variable, or the shot, that it is about; empty if it is about none.
    name: str = ""


@dataclass(frozen=True, slots=True)
class TemplateTexts:
    """The texts of a template."""

    body: str
    negative: str = ""
    alt_pattern: str = ""

    def parts(self) -> tuple[tuple[TemplatePart, str], ...]:
        """Return each text with its part."""
        return (
            (TemplatePart.BODY, self.body),
            (TemplatePart.NEGATIVE, self.negative),
            (TemplatePart.ALT_PATTERN, self.alt_pattern),
        )


def lint(
    texts: TemplateTexts,
    variables: Sequence[Variable],
    *,
    max_prompt_chars: int = 0,
    model: str = "",
    shots: Sequence[Shot] = (),
) -> list[TemplateProblem]:
    """Return the problems of a template, the errors first, in the order of its parts and lines.

    :param max_prompt_chars: the longest prompt that the model takes; 0 where no model is chosen.
    :param model: the model's name, for the sentences.
    :param shots: the pictures that are made of each object; see `core.shots`.
    """
    found: list[TemplateProblem] = []
    every = variables_with_shot(variables, shots)
    maps: dict[str, SourceMap] = {part: map_source(text) for part, text in texts.parts()}
    for part, text in texts.parts():
        found += _problems_of_text(part, text, maps[part], every)
    for shot in shots:
        places = map_source(shot.text)
        found += _problems_of_text(TemplatePart.SHOTS, shot.text, places, variables, shot=shot.key)
        maps[f"shot:{shot.key}"] = places
    found += _unnamed_shots(texts, shots)
    found += _unused_variables(maps, variables)
    found += _invalid_defaults(variables)
    found += _same_words(texts)
    if max_prompt_chars:
        found += length_problems(
            texts.body, variables, most=max_prompt_chars, model=model, shots=shots
        )
    order = list(TemplatePart)
    ranks = list(Severity)
    found.sort(
        key=lambda one: (
            ranks.index(one.severity),
            order.index(one.part),
            one.place or Place(0, 0),
        )
    )
    return found[:_MAX_PROBLEMS]


def used_names(texts: TemplateTexts, shots: Sequence[Shot] = ()) -> list[str]:
    """Return the variables that the texts name, each once, in the order of their first use.

    The shot, which the texts may name, too, is none of them.
    """
    sources = [*(text for _part, text in texts.parts()), *(one.text for one in shots)]
    found = dict.fromkeys(one.name for text in sources for one in map_source(text).variables)
    return [name for name in found if not (shots and name == SHOT_VARIABLE)]


def literal_text(source: str) -> str:
    """Return the text of a template without its tags, each of which leaves a space; lines stay."""
    return _TAG.sub(lambda tag: " " + "\n" * tag[0].count("\n"), with_plain_line_ends(source))


def _problems_of_text(
    part: TemplatePart,
    text: str,
    places: SourceMap,
    variables: Sequence[Variable],
    *,
    shot: str = "",
) -> Iterator[TemplateProblem]:
    known = {one.name for one in variables}
    unknown = [one for one in places.variables if one.name not in known]
    for one in unknown:
        sentence = gettext_noop(
            "The variable “%(name)s” is not defined; add it, or correct its name."
        )
        code = "unknown_variable"
        if one.name == SHOT_VARIABLE:
            code = "no_shots"
            sentence = (
                gettext_noop("A shot cannot name itself: take “%(name)s” out of its text.")
                if shot
                else gettext_noop(
                    "“%(name)s” stands for one of the template's shots, and it has none: add some, "
                    "define a variable of this name, or take it out."
                )
            )
        yield TemplateProblem(
            code,
            Severity.ERROR,
            part,
            Message(sentence, {"name": one.name}),
            one.place,
            shot or one.name,
        )
    try:
        # Those that are not defined are told above: the rest is read as if they were.
        every = [*variables, *(prompts.Variable(one.name) for one in unknown)]
        tree = prompts.checked_tree(with_plain_line_ends(text), every)
    except PromptTemplateError as error:
        place = _place_of(error, text, places)
        yield TemplateProblem(
            "syntax", Severity.ERROR, part, Message(error.message, error.values), place, shot
        )
        return
    if not unknown:
        for fact in branch_facts(tree, variables):
            problem = _branch_problem(part, fact, places)
            yield replace(problem, name=shot) if shot else problem


def _place_of(error: PromptTemplateError, text: str, places: SourceMap) -> Place | None:
    if not error.line:
        return None
    named = [
        one.place
        for one in places.filters
        if one.place.line == error.line and one.name == error.values.get("name")
    ]
    return named[0] if named else first_tag_on_line(text, error.line)


def _branch_problem(part: TemplatePart, fact: BranchFact, places: SourceMap) -> TemplateProblem:
    branches = places.conditions[fact.condition]
    place = branches[fact.branch].place
    values = {"name": fact.name, "value": fact.value}
    match fact.kind:
        case "repeated":
            code = "repeated_condition"
            text = gettext_noop(
                "This condition stands in line %(line)s already, so this branch is never used."
            )
            values = {"line": str(branches[fact.same_as].place.line)}
        case "choice":
            code = "unknown_choice"
            text = gettext_noop("“%(value)s” is not a choice of “%(name)s”.")
        case "always" if fact.name:
            code = "constant_condition"
            text = gettext_noop(
                "This condition always holds: with the values that “%(name)s” may have, it is never "
                "otherwise."
            )
        case "always":
            code = "constant_condition"
            text = gettext_noop("This condition always holds.")
        case _:
            code = "unreachable_branch"
            text = gettext_noop("This branch is never used, whatever the values are.")
    return TemplateProblem(code, Severity.WARNING, part, Message(text, values), place, fact.name)


def _unnamed_shots(texts: TemplateTexts, shots: Sequence[Shot]) -> Iterator[TemplateProblem]:
    """Find texts that say nothing of the shot, though there are some."""
    if shots and texts.body.strip() and not names_shot(texts.body):
        text = gettext_noop(
            "The prompt does not name the shot, so its text is appended as the last sentence. Write "
            "{{ shot }} where it belongs."
        )
        yield TemplateProblem(
            "shot_appended", Severity.WARNING, TemplatePart.BODY, Message(text, {})
        )
    if len(shots) > 1 and texts.alt_pattern.strip() and not names_shot(texts.alt_pattern):
        text = gettext_noop(
            "All shots of an object have the same alternative text: write {{ shot }} where the name "
            "of the shot belongs."
        )
        yield TemplateProblem(
            "same_alt_text", Severity.WARNING, TemplatePart.ALT_PATTERN, Message(text, {})
        )


def _unused_variables(
    maps: dict[str, SourceMap], variables: Sequence[Variable]
) -> Iterator[TemplateProblem]:
    used = {one.name for places in maps.values() for one in places.variables}
    text = gettext_noop("The variable “%(name)s” is not used in any text.")
    for variable in variables:
        if variable.name not in used:
            yield TemplateProblem(
                "unused_variable",
                Severity.WARNING,
                TemplatePart.VARIABLES,
                Message(text, {"name": variable.name}),
                name=variable.name,
            )


def _invalid_defaults(variables: Sequence[Variable]) -> Iterator[TemplateProblem]:
    for variable in variables:
        if not variable.default:
            continue
        try:
            variable.clean("")
        except MissingValue:
            continue
        except PromptTemplateError as error:
            yield TemplateProblem(
                "invalid_default",
                Severity.WARNING,
                TemplatePart.VARIABLES,
                Message(error.message, error.values),
                name=variable.name,
            )


def _same_words(texts: TemplateTexts) -> Iterator[TemplateProblem]:
    """Find what a prompt asks for and its negative prompt leaves out."""
    wanted = f" {' '.join(_words(literal_text(texts.body)))} "
    told: set[str] = set()
    for number, line in enumerate(literal_text(texts.negative).split("\n"), start=1):
        column = 0
        for phrase in line.split(","):
            words = " ".join(_words(phrase))
            if words and words not in told and f" {words} " in wanted:
                told.add(words)
                yield TemplateProblem(
                    "same_words",
                    Severity.WARNING,
                    TemplatePart.NEGATIVE,
                    Message(
                        gettext_noop(
                            "“%(words)s” stands in the prompt and in the negative prompt."
                        ),
                        {"words": phrase.strip()[:80]},
                    ),
                    Place(number, column + len(phrase) - len(phrase.lstrip()) + 1),
                )
            column += len(phrase) + 1


def _words(text: str) -> list[str]:
    return [one.casefold() for one in _WORDS.findall(text)]


def _lengths(body: str, variables: Sequence[Variable], shots: Sequence[Shot]) -> tuple[int, int]:
    if not shots:
        return length_range(prompts.checked_tree(body, variables), variables)
    ranges = [length_range(prompts.checked_tree(one.text, variables), variables) for one in shots]
    if not names_shot(body):
        body = f"{body} {{{{ {SHOT_VARIABLE} }}}}"
    every = variables_with_shot(variables, shots, longest=max(high for _low, high in ranges))
    return length_range(prompts.checked_tree(body, every), every)


def length_problems(
    body: str,
    variables: Sequence[Variable],
    *,
    most: int,
    model: str,
    shots: Sequence[Shot] = (),
) -> Iterator[TemplateProblem]:
    """Yield that the prompt is too long for a model, or can be; nothing of a text that is not valid.

    With shots, it is that of the longest one.
    """
    try:
        least, longest = _lengths(with_plain_line_ends(body), variables, shots)
    except PromptTemplateError:
        return
    if longest <= most:
        return
    if least > most:
        code, severity = "too_long", Severity.ERROR
        text = gettext_noop(
            "The prompt has at least %(number)s characters; %(model)s takes %(most)s. Shorten it."
        )
    else:
        code, severity = "may_be_too_long", Severity.WARNING
        text = gettext_noop(
            "With the longest values the prompt has about %(number)s characters; %(model)s takes "
            "%(most)s."
        )
    number = least if severity is Severity.ERROR else longest
    values = {"number": number, "most": most, "model": model}
    yield TemplateProblem(code, severity, TemplatePart.BODY, Message(text, values))
