"""Hold the questions that a site has its reviewers answer, and check the answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from django.utils.translation import gettext as _

from imagegen_app import conf

if TYPE_CHECKING:
    from collections.abc import Mapping

YES: Final = "yes"
NO: Final = "no"


@dataclass(frozen=True, slots=True)
class Question:
    """One question, and the answer that is stored or was just given; empty for none."""

    key: str
    text: str
    answer: str = ""


def questions(answers: Mapping[str, str] | None = None) -> tuple[Question, ...]:
    """Return the site's questions in their order, each with its answer."""
    given = answers or {}
    return tuple(
        Question(one.key, one.text, str(given.get(one.key, "")))
        for one in conf.get().review.checklist
    )


def known_answers(answers: Mapping[str, str]) -> dict[str, str]:
    """Return the answers that belong to a question of the site and are "yes" or "no"."""
    keys = {one.key for one in conf.get().review.checklist}
    return {k: v for k, v in answers.items() if k in keys and v in (YES, NO)}


def missing_reason(answers: Mapping[str, str] | None, note: str) -> str:
    """Return why an image cannot be approved with these answers; empty if it can."""
    asked = conf.get().review.checklist
    if not asked:
        return ""
    if answers is None:
        return _(
            "On this site, reviewers answer questions before they approve an image: open it in the "
            "review desk."
        )
    known = known_answers(answers)
    if any(one.key not in known for one in asked):
        return _("Not all questions of the checklist are answered.")
    if NO in known.values() and not note.strip():
        return _("A question is answered with “No”: say why in the note.")
    return ""
