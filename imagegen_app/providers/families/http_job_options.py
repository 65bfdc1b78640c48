"""Declare and read the options by which an account describes its service's jobs."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final, get_args

from imagegen_app.core import json_templates
from imagegen_app.core.i18n import Message, gettext_noop
from imagegen_app.core.model_parameters import Parameter
from imagegen_app.core.types import Operation, RecoveryMethod
from imagegen_app.providers.families.statuses import CONTENT_CODES
from imagegen_app.providers.families.submit_poll import TERMINAL_WORDS, JobEnd, JobShape

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

#: What a body may have a place for, beside `parameters.NAME`.
PLACES: Final = frozenset(
    {
        *("background", "count", "end_user", "height", "idempotency_key", "image", "images"),
        *("mask", "model", "negative_prompt", "operation", "output_format", "parameters"),
        *("prompt", "quality", "seed", "size", "webhook_url", "width"),
    }
)
_ENDS: Final[tuple[str, ...]] = get_args(JobEnd)
#: These a call shows by its images; any other one has to be named in the body.
SHOWN_BY_IMAGES: Final = frozenset({Operation.GENERATE, Operation.EDIT, Operation.INPAINT})
_HEADER: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")
#: Headers that HTTP itself, or our client, decides about.
_RESERVED: Final = re.compile(
    r"(?i)host|content-.*|transfer-encoding|connection|keep-alive|accept.*|cookie|te|trailer"
    r"|upgrade|expect|proxy-.*|user-agent"
)
_SCHEME: Final = re.compile(r"[A-Za-z0-9_.-]{0,40}")
#: What a path must contain.
_PATHS: Final[Mapping[str, str]] = {
    "submit_path": "",
    "job_path": "{ref}",
    "cancel_path": "{ref}",
    "lookup_path": "{key}",
}
_BODY: Final = {
    "model": "$model",
    "prompt": "$prompt",
    "negative_prompt": "$negative_prompt",
    "width": "$width",
    "height": "$height",
    "count": "$count",
    "seed": "$seed",
}


@dataclass(frozen=True, slots=True)
class AnswerPaths:
    """Where the service's answers say what, as names and places in lists joined by dots."""

    #: The job in an answer; empty for the whole answer. The paths after it are below the job.
    job: str = ""
    id: str = "id"
    status: str = "status"
    #: A list of images, or one.
    output: str = "output"
    #: The address and the base64 text of an image in the output.
    url: str = "url"
    base64: str = "b64_json"
    error: str = "error"
    progress: str = "progress"
    position: str = "queue_position"
    model_version: str = "model_version"
    #: The list of jobs in the answer to a look-up, and below each job the key that it was asked with.
    jobs: str = "data"
    key: str = ""
    #: The job in a webhook's body; empty for the whole body.
    webhook: str = ""

    @classmethod
    def of(cls, given: object) -> AnswerPaths:
        """Read the option; what is no path keeps its default, and `problems_in` says so."""
        known = {entry.name for entry in fields(cls)}
        pairs = given.items() if isinstance(given, dict) else ()
        return cls(**{n: p for n, p in pairs if n in known and isinstance(p, str)})

    def shape(self, *, words: object, blocked_codes: Any) -> JobShape:
        """Return the shape of a job's document; `words` are the service's for an end."""
        pairs = words.items() if isinstance(words, dict) else ()
        return JobShape(
            id=self.id,
            status=self.status,
            output=self.output,
            item_url=self.url,
            item_base64=self.base64,
            error=self.error,
            has_bare_codes=True,
            terminal={str(word).lower(): end for word, end in pairs if end in _ENDS},
            progress=self.progress,
            position=self.position,
            model_version=self.model_version,
            content_codes=CONTENT_CODES | lower_codes(blocked_codes),
        )


def lower_codes(given: Any) -> frozenset[str]:
    """Return the service's own codes as they are compared."""
    return frozenset(one.lower() for one in given if isinstance(one, str))


OPTIONS: Final[Mapping[str, Parameter]] = {
    "body": Parameter(
        "json",
        high=20_000,
        default=_BODY,
        help=gettext_noop("What asks for a job: JSON with places such as $prompt for values."),
    ),
    "answers": Parameter(
        "json",
        high=4_000,
        default={},
        help=gettext_noop("Where answers say what: paths by name, such as the job's id."),
    ),
    "words": Parameter(
        "json",
        high=4_000,
        default=dict(TERMINAL_WORDS),
        help=gettext_noop(
            "The service's words for how a job ended: each is succeeded, failed or cancelled."
        ),
    ),
    "blocked_codes": Parameter(
        "list", default=(), help=gettext_noop("The service's error codes for blocked content.")
    ),
    "operations": Parameter(
        "list",
        choices=tuple(one.value for one in Operation),
        default=(),
        help=gettext_noop("What the service does; without it, what the body has places for."),
    ),
    "submit_path": Parameter(
        "text",
        default="/jobs",
        help=gettext_noop("Where jobs are asked for; {model} is the model."),
    ),
    "job_path": Parameter(
        "text", default="/jobs/{ref}", help=gettext_noop("Where a job is; {ref} is its id.")
    ),
    "cancel_path": Parameter(
        "text", default="", help=gettext_noop("Where a job is cancelled; empty if it cannot be.")
    ),
    "lookup_path": Parameter(
        "text",
        default="",
        help=gettext_noop("Where a lost job is looked up by its {key}; empty if it cannot be."),
    ),
    "key_header": Parameter(
        "text", default="", help=gettext_noop("The header for a key that is unique to each call.")
    ),
    "auth_header": Parameter(
        "text", default="Authorization", help=gettext_noop("The header that carries the key.")
    ),
    "auth_scheme": Parameter(
        "text", default="Bearer", help=gettext_noop("The word before the key; may be empty.")
    ),
    "image_form": Parameter(
        "choice",
        choices=("base64", "data_url"),
        default="base64",
        help=gettext_noop("How the body carries input images."),
    ),
    "mask_style": Parameter(
        "choice",
        choices=("white", "black", "alpha"),
        default="white",
        help=gettext_noop("What marks the part of a mask that is changed."),
    ),
}


def option(options: Mapping[str, Any], name: str) -> Any:
    """Return an option of the account, or its default."""
    return options.get(name, OPTIONS[name].default)


def placeholders_in(options: Mapping[str, Any]) -> frozenset[str]:
    """Return what the body has places for."""
    return json_templates.placeholders(option(options, "body"))


def operations_of(options: Mapping[str, Any]) -> frozenset[Operation]:
    """Return what the service does."""
    named = option(options, "operations")
    if named:
        return frozenset(Operation(one) for one in named if one in list(Operation))
    places = placeholders_in(options)
    found = {Operation.GENERATE}
    if places & {"image", "images"}:
        found |= {Operation.EDIT} | ({Operation.INPAINT} if "mask" in places else set())
    return frozenset(found)


def recovery_of(options: Mapping[str, Any]) -> frozenset[RecoveryMethod]:
    """Return how the outcome of a lost call can be found out at this service."""
    found = {RecoveryMethod.LOOKUP} if option(options, "lookup_path") else set()
    if "webhook_url" in placeholders_in(options):
        found.add(RecoveryMethod.WEBHOOK)
    return frozenset(found)


def problems_in(options: Mapping[str, Any]) -> Iterator[tuple[str, Message]]:
    """Yield what does not fit together in an account's options, with the name of the option."""
    body, places = option(options, "body"), placeholders_in(options)
    if not isinstance(body, dict) or not body:
        yield "body", Message(gettext_noop("must be a JSON object"))
    yield from _problems_of_texts(body)
    for name in sorted(places):
        if name not in PLACES and not name.startswith("parameters."):
            text = gettext_noop("$%(name)s is not known; there are %(known)s")
            yield "body", Message(text, {"name": name, "known": ", ".join(sorted(PLACES))})
    if "prompt" not in places:
        yield "body", Message(gettext_noop("has no place for the prompt: $prompt"))
    operations = operations_of(options)
    if len(operations) > 1 and not operations <= SHOWN_BY_IMAGES and "operation" not in places:
        text = gettext_noop("has no place for the operation, $operation, and there are several")
        yield "body", Message(text)
    yield from _problems_of_answers(options)
    yield from _problems_of_headers(options)
    yield from _problems_of_paths(options, is_keyed="idempotency_key" in places)


def _problems_of_paths(
    options: Mapping[str, Any], *, is_keyed: bool
) -> Iterator[tuple[str, Message]]:
    for name, part in _PATHS.items():
        path = str(option(options, name))
        is_needed = name in {"submit_path", "job_path"}
        if (path or is_needed) and (not path.startswith("/") or path.startswith("//")):
            # A whole URL could lead the key to another host.
            yield name, Message(gettext_noop("must begin with one /"))
        elif path and part not in path:
            yield name, Message(gettext_noop("must contain %(part)s"), {"part": part})
    if option(options, "lookup_path") and not is_keyed and not option(options, "key_header"):
        text = gettext_noop("needs a key_header, or $idempotency_key in the body")
        yield "lookup_path", Message(text)
    if option(options, "lookup_path") and not AnswerPaths.of(option(options, "answers")).key:
        text = gettext_noop("needs “key” in answers, to tell whether a job that was found is ours")
        yield "lookup_path", Message(text)


def _problems_of_texts(body: object) -> Iterator[tuple[str, Message]]:
    if json_templates.is_too_deep(body):
        text = gettext_noop("has more than %(most)s objects and lists inside of each other")
        yield "body", Message(text, {"most": json_templates.MAX_DEPTH})
    for wrong in json_templates.misspelt(body):
        text = gettext_noop("“%(text)s” is no place; write $$ for a text that begins with $")
        yield "body", Message(text, {"text": wrong[:60]})


def _problems_of_headers(options: Mapping[str, Any]) -> Iterator[tuple[str, Message]]:
    for name in ("auth_header", "key_header"):
        header = str(option(options, name))
        is_name = _HEADER.fullmatch(header) is not None
        if (header or name == "auth_header") and (not is_name or _RESERVED.fullmatch(header)):
            yield name, Message(gettext_noop("is no header that can be set"))
    auth, key = (str(option(options, name)).lower() for name in ("auth_header", "key_header"))
    if key and key == auth:
        yield "key_header", Message(gettext_noop("already carries the credential"))
    if not _SCHEME.fullmatch(str(option(options, "auth_scheme"))):
        yield "auth_scheme", Message(gettext_noop("must be one word"))


def _problems_of_answers(options: Mapping[str, Any]) -> Iterator[tuple[str, Message]]:
    known = sorted(entry.name for entry in fields(AnswerPaths))
    given = option(options, "answers")
    if not isinstance(given, dict) or not all(isinstance(path, str) for path in given.values()):
        yield "answers", Message(gettext_noop("must be a JSON object of paths"))
    elif unknown := sorted(set(given) - set(known)):
        text = gettext_noop("%(name)s is not known; there are %(known)s")
        yield "answers", Message(text, {"name": unknown[0], "known": ", ".join(known)})
    if not all(isinstance(one, str) for one in option(options, "blocked_codes")):
        yield "blocked_codes", Message(gettext_noop("must be a list of texts"))
    words = option(options, "words")
    ends = list(words.values()) if isinstance(words, dict) else []
    if not all(end in _ENDS for end in ends) or not {"succeeded", "failed"} <= set(ends):
        text = gettext_noop(
            "must be a JSON object of %(ends)s, with words for succeeded and failed"
        )
        yield "words", Message(text, {"ends": ", ".join(_ENDS)})
