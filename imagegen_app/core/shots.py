"""Define the shots of a template: the pictures that are made of each object, such as its front and its back."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from imagegen_app.core import prompts
from imagegen_app.core.capabilities import ratio_value
from imagegen_app.core.i18n import gettext_noop
from imagegen_app.core.limits import (
    MAX_RENDERED_CHARS,
    MAX_SHOT_KEY_CHARS,
    MAX_SHOT_LABEL_CHARS,
    MAX_SHOT_TEXT_CHARS,
    MAX_SHOTS,
)
from imagegen_app.core.operations import Operation
from imagegen_app.core.template_places import map_source
from imagegen_app.core.types import WORDLESS_OPERATIONS, Size
from imagegen_app.core.variables import PromptTemplateError, Variable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: What the texts of a template call the chosen shot by.
SHOT_VARIABLE: Final = "shot"
_KEY = re.compile(r"^[a-z0-9][a-z0-9_-]*$")
_PIXELS = re.compile(r"^[1-9][0-9]{0,4}x[1-9][0-9]{0,4}$")
_RATIO = re.compile(r"^[0-9]{1,3}(\.[0-9]{1,3})?:[0-9]{1,3}(\.[0-9]{1,3})?$")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
#: After these, another sentence can begin.
_SENTENCE_ENDS = tuple(".!?:;,…。！？")  # noqa: RUF001 - as other scripts end a sentence


class ShotError(PromptTemplateError):
    """A shot is not valid; the message is for the template's author."""

    def __init__(self, message: str, *, shot: str = "", **values: Any) -> None:
        super().__init__(message, **values)
        #: The short name of the shot in question; empty if the error concerns none.
        self.shot = shot


@dataclass(frozen=True, slots=True)
class Shot:
    """One picture that a template makes of each object."""

    #: A short name that stays, by which jobs and files know it, such as `front`.
    key: str
    #: Its name for people.
    label: str
    #: What the picture shows, in the language of templates and with the template's variables.
    text: str
    #: Its own size, such as `1600x2000` or the proportions `4:5`; empty for the template's.
    size: str = ""

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Shot:
        """Read a shot from its stored form.

        :raises ShotError: if a field is missing, unknown or has an invalid value.
        """
        if not hasattr(data, "items"):
            raise ShotError(
                gettext_noop("each shot must be an object with “key”, “label”, “text” and “size”")
            )
        unknown = set(data) - set(cls.__slots__)
        if unknown:
            raise ShotError(
                gettext_noop("unknown field “%(field)s” in a shot"), field=str(min(unknown))[:40]
            )
        given = {name: data.get(name) for name in cls.__slots__}
        for name, value in given.items():
            if value is not None and not isinstance(value, str):
                raise ShotError(
                    gettext_noop("the field “%(field)s” of a shot must be a text"), field=name
                )
        key = (given["key"] or "").strip()
        if len(key) > MAX_SHOT_KEY_CHARS or not _KEY.match(key):
            raise ShotError(
                gettext_noop(
                    "“%(name)s” is not a valid short name of a shot: use up to %(most)s lower-case "
                    "letters, digits, hyphens and underscores"
                ),
                shot=key,
                name=key[:60],
                most=MAX_SHOT_KEY_CHARS,
            )
        label = _CONTROL.sub(" ", given["label"] or "").strip()
        label = label or re.sub(r"[_-]+", " ", key).strip().capitalize() or key
        text, size = (given["text"] or "").strip(), (given["size"] or "").strip()
        shot = cls(key, label, text.replace("\r\n", "\n"), size.replace(" ", ""))
        shot._check()
        return shot

    def _check(self) -> None:
        if len(self.label) > MAX_SHOT_LABEL_CHARS:
            raise self._error(
                gettext_noop("the name of the shot “%(name)s” has more than %(most)s characters"),
                most=MAX_SHOT_LABEL_CHARS,
            )
        if not self.text:
            raise self._error(
                gettext_noop("the shot “%(name)s” has no text: say what the picture shows")
            )
        if len(self.text) > MAX_SHOT_TEXT_CHARS:
            raise self._error(
                gettext_noop("the text of the shot “%(name)s” has more than %(most)s characters"),
                most=MAX_SHOT_TEXT_CHARS,
            )
        if self.size and not _is_size(self.size):
            raise self._error(
                gettext_noop(
                    "“%(size)s” is not a size for the shot “%(name)s”: write it as 1024x768, or as "
                    "proportions such as 4:5"
                ),
                size=self.size[:20],
            )

    def _error(self, message: str, **values: object) -> ShotError:
        return ShotError(message, shot=self.key, name=self.label[:60], **values)

    @property
    def pixels(self) -> Size | None:
        """Its size in pixels; None for proportions, or without one."""
        return Size.parse(self.size) if "x" in self.size else None

    def as_dict(self) -> dict[str, str]:
        """Return the form in which the shot is stored."""
        return asdict(self)


def shots_from(data: Sequence[Mapping[str, Any]]) -> tuple[Shot, ...]:
    """Read a template's shots from their stored form, in their order.

    :raises ShotError: if one is not valid, two have the same name, or there are too many.
    """
    if len(data) > MAX_SHOTS:
        raise ShotError(
            gettext_noop("a template has %(most)s shots at most, not %(number)s"),
            most=MAX_SHOTS,
            number=len(data),
        )
    found = tuple(Shot.from_dict(entry) for entry in data)
    keys, labels = set[str](), set[str]()
    for one in found:
        if one.key in keys:
            raise ShotError(
                gettext_noop("the shot “%(name)s” is there twice"), shot=one.key, name=one.key
            )
        if one.label.casefold() in labels:
            raise ShotError(
                gettext_noop("two shots are called “%(name)s”"), shot=one.key, name=one.label
            )
        keys.add(one.key)
        labels.add(one.label.casefold())
    return found


def check_shots(
    shots: Sequence[Shot], variables: Sequence[Variable], *, operation: Operation
) -> None:
    """Check that the texts of shots are valid templates, and that the template can have shots at all.

    :raises ShotError: if a text is not, a variable has the name of the shot, or the operation takes no
        words.
    """
    if not shots:
        return
    if operation in WORDLESS_OPERATIONS:
        raise ShotError(
            gettext_noop(
                "shots say in words what a picture shows, and this operation takes no words: remove "
                "the shots, or choose another operation"
            )
        )
    if any(one.name == SHOT_VARIABLE for one in variables):
        raise ShotError(
            gettext_noop(
                "in a template with shots, “%(name)s” stands for the text of the shot: call the "
                "variable otherwise"
            ),
            name=SHOT_VARIABLE,
        )
    for one in shots:
        try:
            prompts.check_template(one.text, variables)
        except PromptTemplateError as error:
            problem = ShotError(error.message, shot=one.key, **error.values)
            problem.line = error.line
            raise problem from None


def names_shot(source: str) -> bool:
    """Return whether a text of a template names the shot."""
    return any(one.name == SHOT_VARIABLE for one in map_source(source).variables)


def variables_with_shot(
    variables: Sequence[Variable], shots: Sequence[Shot], *, longest: int = MAX_RENDERED_CHARS
) -> tuple[Variable, ...]:
    """Return the variables that the texts of a template may name: with the shot, if it has some."""
    if not shots:
        return tuple(variables)
    shot = Variable(SHOT_VARIABLE, required=False, max_chars=max(1, longest))
    return (*variables, shot)


def render(
    source: str, variables: Sequence[Variable], values: Mapping[str, Any], shot: Shot | None
) -> prompts.RenderedPrompt:
    """Return a template's prompt for one of its shots; the shot is its last sentence if it names none.

    :raises PromptTemplateError: if a text or a value is not valid, or the result is too long.
    """
    if shot is None:
        return prompts.render(source, variables, values)
    own = prompts.render(shot.text, variables, values)
    if names_shot(source):
        return render_named(source, variables, values, own.text)
    body = prompts.render(source, variables, values)
    if not own.text or not body.text:
        return body if body.text else own
    lead = body.text + (" " if body.text.endswith(_SENTENCE_ENDS) else ". ")
    text = lead + own.text
    if len(text) > MAX_RENDERED_CHARS:
        raise PromptTemplateError(
            gettext_noop("the prompt would exceed %(most)s characters"), most=MAX_RENDERED_CHARS
        )
    return prompts.RenderedPrompt(text, (*body.spans, (len(lead), len(text), SHOT_VARIABLE)))


def render_named(
    source: str, variables: Sequence[Variable], values: Mapping[str, Any], text: str
) -> prompts.RenderedPrompt:
    """Return a text of a template in which the shot is called by the given words.

    :raises PromptTemplateError: if the text or a value is not valid, or the result is too long.
    """
    if SHOT_VARIABLE in values:
        # It is not for the requester to say, and is refused like any other unknown one.
        return prompts.render(source, variables, values)
    every = (*variables, Variable(SHOT_VARIABLE, required=False, max_chars=MAX_RENDERED_CHARS))
    return prompts.render(source, every, {**values, SHOT_VARIABLE: text})


def _is_size(text: str) -> bool:
    if _PIXELS.match(text):
        return True
    try:
        return bool(_RATIO.match(text)) and ratio_value(text) > 0
    except ValueError:
        return False
