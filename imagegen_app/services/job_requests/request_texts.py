"""Get the prompt and the negative prompt of a request: rendered from a template, or as they are given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _

from imagegen_app.core import prompts, shots
from imagegen_app.core.limits import MAX_PROMPT_CHARS
from imagegen_app.services.job_requests.values import InvalidJobRequest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagegen_app.core.shots import Shot
    from imagegen_app.models import TemplateVersion


def texts_of_request(
    version: TemplateVersion | None,
    values: Mapping[str, Any],
    prompt: str,
    negative: str,
    *,
    shot: Shot | None = None,
) -> tuple[prompts.RenderedPrompt, str]:
    """Return the prompt and the negative prompt of a request, from its template or as given.

    `shot` is one of the template's.

    :raises InvalidJobRequest: if a value is missing or not valid, or a text is given twice or too long.
    """
    if version is None:
        text = "".join(c for c in prompt if c in "\n\t" or c >= " ").strip()
        if len(text) > MAX_PROMPT_CHARS:
            raise InvalidJobRequest(
                _("The prompt has %(length)s characters; at most %(most)s are accepted.")
                % {"length": len(text), "most": MAX_PROMPT_CHARS},
                field="prompt",
                remedy=_("Shorten it."),
            )
        if values:
            raise InvalidJobRequest(
                _("Variables can only be used with a template."), field="variables"
            )
        return prompts.RenderedPrompt(text), negative.strip()[:MAX_PROMPT_CHARS]
    if prompt:
        raise InvalidJobRequest(_("Give a template or a prompt, not both."), field="prompt")
    rendered, own_negative = render_version(version, values, shot=shot)
    return rendered, negative.strip() or own_negative


def render_version(
    version: TemplateVersion, values: Mapping[str, Any], *, shot: Shot | None = None
) -> tuple[prompts.RenderedPrompt, str]:
    """Return the prompt and the negative prompt of a version with the values of its variables.

    `shot` is one of its own.

    :raises InvalidJobRequest: if a value is missing or not valid.
    """
    try:
        variables = prompts.variables_from(version.variables)
        rendered = shots.render(version.body, variables, values, shot)
        negative = version.negative
        if shot is not None and shots.names_shot(negative):
            own = prompts.render(shot.text, variables, values).text
            negative = shots.render_named(negative, variables, values, own).text
        elif "{" in negative:
            negative = prompts.render(negative, variables, values).text
    except prompts.PromptTemplateError as error:
        is_missing = isinstance(error, prompts.MissingValue)
        raise InvalidJobRequest(
            _(error.message) % error.values,
            field=error.variable or "template",
            remedy=_("Fill in “%(label)s”.") % error.values if is_missing else "",
        ) from None
    return rendered, negative
