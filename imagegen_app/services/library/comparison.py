"""Compare how two images were requested: each parameter that differs, and the words of the prompts."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.utils.text import capfirst
from django.utils.translation import gettext as _

from imagegen_app.core.limits import MAX_PROMPT_CHARS
from imagegen_app.core.types import texts_in
from imagegen_app.models.amounts import format_amount
from imagegen_app.services.audit import prompt_access
from imagegen_app.services.foundation.local_times import format_minute
from imagegen_app.services.job_requests import shot_choice
from imagegen_app.services.jobs import pass_chain
from imagegen_app.services.policy import access

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imagegen_app.core.actors import Person
    from imagegen_app.models import Asset

#: Words and what is between them: both sides are put together again without loss.
_WORDS = re.compile(r"\s+|[^\s]+")


@dataclass(frozen=True, slots=True)
class Difference:
    """A parameter that two images do not share; the texts are for people."""

    label: str
    left: str
    right: str


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of two prompts: in both, or only in one of them."""

    text: str
    #: `same`, `left` or `right`.
    side: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """What differs between the requests of two images."""

    differences: list[Difference]
    #: The prompts word for word; empty where they are equal, or may not be read.
    prompt: list[Piece]
    #: Whether both prompts may be read, and are the same.
    has_same_prompt: bool
    #: Whether a prompt may not be read.
    is_prompt_hidden: bool


def compare(reader: Person, left: Asset, right: Asset) -> Comparison:
    """Return what differs between two images that the reader may see.

    Reading the prompt of another person's job is recorded.
    """
    facts = zip(_facts(reader, left), _facts(reader, right), strict=True)
    found = [
        Difference(label, before or _("none"), after or _("none"))
        for (label, before), (_label, after) in facts
        if before != after
    ]
    prompts = [
        prompt_access.read_prompt(reader, pass_chain.root_job(one.job)) for one in (left, right)
    ]
    before, after = prompts
    is_hidden = before is None or after is None
    found += _parameter_differences(left.job.parameters, right.job.parameters, is_hidden)
    return Comparison(
        differences=found,
        prompt=[] if is_hidden or before == after else word_differences(before or "", after or ""),
        has_same_prompt=not is_hidden and before == after,
        is_prompt_hidden=is_hidden,
    )


def word_differences(before: str, after: str) -> list[Piece]:
    """Return two texts as pieces that are in both or in one of them, in the order of reading."""
    left, right = (_WORDS.findall(text[:MAX_PROMPT_CHARS]) for text in (before, after))
    pieces = []
    matcher = difflib.SequenceMatcher(a=left, b=right, autojunk=False)
    for kind, a_from, a_to, b_from, b_to in matcher.get_opcodes():
        if kind == "equal":
            pieces.append(Piece("".join(left[a_from:a_to]), "same"))
            continue
        if a_to > a_from:
            pieces.append(Piece("".join(left[a_from:a_to]), "left"))
        if b_to > b_from:
            pieces.append(Piece("".join(right[b_from:b_to]), "right"))
    return pieces


def _facts(reader: Person, asset: Asset) -> Iterator[tuple[str, str]]:
    job = asset.job
    root = pass_chain.root_job(job)
    may_see_costs = job.requester_id == reader.user.pk or access.has_permission(
        reader, "view_costs"
    )
    cost = format_amount(pass_chain.total_spent(job)) if may_see_costs else ""
    for label, value in shot_choice.facts_of(root):
        yield label, str(value)
    yield _("Brand kit"), str(root.brand_kit_version or "")
    yield _("Operation"), str(job.get_operation_display())
    yield _("Model"), f"{asset.attempt.image_model} {asset.attempt.model_version}".strip()
    yield _("Size"), f"{asset.width} \N{MULTIPLICATION SIGN} {asset.height}"
    yield _("Quality"), job.quality
    yield _("Seed"), "" if asset.seed is None else str(asset.seed)
    yield _("Background"), job.background
    yield _("Format"), asset.media_type.rpartition("/")[2]
    yield "LoRA", ", ".join(f"{one['name']} ({one['weight']:g})" for one in job.loras)
    yield _("Cost"), f"{cost} {job.currency}" if cost else ""
    yield _("Requested"), format_minute(root.created_at)


def _parameter_differences(
    left: dict[str, Any], right: dict[str, Any], is_hidden: bool
) -> list[Difference]:
    return [
        Difference(
            capfirst(name.replace("_", " ")),
            str(left.get(name, _("as usual"))),
            str(right.get(name, _("as usual"))),
        )
        for name in sorted({*left, *right})
        if left.get(name) != right.get(name)
        # Words may be as personal as the prompt.
        and not (is_hidden and _has_words(left.get(name), right.get(name)))
    ]


def _has_words(*values: object) -> bool:
    return any(" " in text for value in values for text in texts_in(value))
