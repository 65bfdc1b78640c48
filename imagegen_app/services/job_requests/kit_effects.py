"""Apply a brand kit to a request: what the template and the requester say goes first.

Whoever publishes the kit must be allowed to use its reference images; whoever requests images with it
need not be. What a model cannot take of a kit refuses the request: nothing of it is left out in silence.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from django.utils.translation import gettext as _

from imagegen_app.core import kit_values
from imagegen_app.core.limits import MAX_PROMPT_CHARS
from imagegen_app.core.prompts import RenderedPrompt
from imagegen_app.core.types import WORDLESS_OPERATIONS, ImageInput, InputRole, Lora, Operation
from imagegen_app.models import Asset, BrandKit, BrandKitVersion
from imagegen_app.services.job_requests.fixed_guides import unusable_reason
from imagegen_app.services.job_requests.values import AppliedKit, InputSource, InvalidJobRequest
from imagegen_app.services.policy.access import contact_sentence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imagegen_app.core.capabilities import Capabilities
    from imagegen_app.core.types import Complaint
    from imagegen_app.models import TemplateVersion

#: Kits that a refusal names.
_MAX_NAMED = 10


@dataclass(frozen=True, slots=True)
class KitWords:
    """The words of a request with those of its kit."""

    rendered: RenderedPrompt
    negative: str
    #: What was appended to the prompt, and to the negative prompt.
    added: str = ""
    added_negative: str = ""


def resolve_kit(
    given: str | BrandKit | BrandKitVersion | None, version: TemplateVersion | None
) -> BrandKitVersion | None:
    """Return the kit of a request: the template's, or else the given one; None for none.

    A version of the template's own kit may be given, so that all rows of a batch have the same.

    :raises InvalidJobRequest: if there is no such kit, it is archived, or the template has another.
    """
    inherited = None if version is None else version.brand_kit
    found = inherited
    if isinstance(given, BrandKitVersion):
        found = given.kit
    elif given:
        found = _named(given) if isinstance(given, str) else given
        if found.is_archived:
            raise _unusable(found, _("It is archived."))
    if inherited is not None and found != inherited:
        raise InvalidJobRequest(
            _("The template fixes this (%(part)s).") % {"part": _("brand kit")},
            field="brand_kit",
            remedy=_("Leave it out, or use another template."),
        )
    if isinstance(given, BrandKitVersion):
        return given
    if found is not None and found.current is None:
        raise _unusable(found, _("It has no published version."))
    return None if found is None else found.current


def with_words(kit: BrandKitVersion | None, rendered: RenderedPrompt, negative: str) -> KitWords:
    """Return the words of a request with the kit's behind them.

    :raises InvalidJobRequest: if the prompt becomes too long.
    """
    if kit is None:
        return KitWords(rendered, negative)
    added = kit_values.added_style(rendered.text, kit.style_words)
    terms = kit_values.added_terms(negative, kit.negative_words)
    text = rendered.text + added
    if len(text) > MAX_PROMPT_CHARS:
        raise InvalidJobRequest(
            _("The prompt has %(length)s characters; at most %(most)s are accepted.")
            % {"length": len(text), "most": MAX_PROMPT_CHARS},
            field="prompt",
            remedy=_("Shorten it: the brand kit adds %(number)s characters.")
            % {"number": len(added)},
        )
    return KitWords(
        RenderedPrompt(text, rendered.spans),
        kit_values.with_terms(negative, terms) if terms else negative,
        added,
        terms,
    )


def with_references(kit: BrandKitVersion | None, given: Sequence[InputSource]) -> list[InputSource]:
    """Return the given input images and then the kit's reference images, each once.

    :raises InvalidJobRequest: if one cannot be used any more.
    """
    found, keys = list(given), references_of(kit)
    assets = Asset.objects.in_bulk(keys) if keys else {}
    for number, key in enumerate(keys, start=1):
        asset = assets.get(key)
        reason = unusable_reason(asset)
        if reason or asset is None:
            raise InvalidJobRequest(
                _("Reference %(number)s of the brand kit cannot be used: %(reason)s")
                % {"number": number, "reason": reason},
                field="brand_kit",
                remedy=_("Use another brand kit, or have this one changed. %(contact)s")
                % {"contact": contact_sentence()},
            )
        if not any(_is_reference(source, [key]) for source in given):
            # A job that is requested again has it already.
            found.append(InputSource(role=InputRole.STYLE, asset=asset))
    return found


def without_references(
    kit: BrandKitVersion | None, sources: Sequence[InputSource]
) -> list[InputSource]:
    """Return the input images of an earlier job without those that its kit had added."""
    keys = references_of(kit)
    return [source for source in sources if not _is_reference(source, keys)]


def with_loras(kit: BrandKitVersion | None, given: Sequence[Lora]) -> tuple[Lora, ...]:
    """Return the given LoRA and then those of the kit that are not among them."""
    names = {one.name for one in given}
    return (*given, *(one for one in loras_of(kit) if one.name not in names))


def loras_of(kit: BrandKitVersion | None) -> tuple[Lora, ...]:
    """Return the LoRA of a kit."""
    return () if kit is None else tuple(Lora(**one) for one in kit.loras)


def references_of(kit: BrandKitVersion | None) -> list[UUID]:
    """Return the keys of a kit's reference images."""
    return [] if kit is None else [UUID(one) for one in kit.references]


def reference_stand_ins(kit: BrandKitVersion | None) -> list[ImageInput]:
    """Return input images without a picture, to ask whether a model takes a kit's references."""
    stand_in = ImageInput(
        role=InputRole.STYLE, media_type="image/png", sha256="", width=1024, height=1024, data=b""
    )
    return [stand_in for _key in references_of(kit)]


def event_data(kit: BrandKitVersion | None) -> dict[str, object]:
    """Return which version of which kit something is made with, for its event; empty without one."""
    return {} if kit is None else {"brand_kit": kit.kit.slug, "brand_kit_version": kit.number}


def require_words(
    kit: BrandKitVersion | None, operation: Operation, prompt: str, offer: Capabilities
) -> None:
    """Require that an operation uses words, since a kit's would be dropped otherwise.

    :raises InvalidJobRequest: if it does not.
    """
    is_wordless = operation in WORDLESS_OPERATIONS and not prompt
    if kit is not None and (is_wordless or operation in offer.promptless):
        raise InvalidJobRequest(
            _("This operation uses no words, so that a brand kit would change nothing."),
            field="brand_kit",
            remedy=_("Leave the brand kit out."),
        )


def blamed(kit: AppliedKit | None, complaint: Complaint, reason: str) -> InvalidJobRequest | None:
    """Return the refusal of what a kit added and the model does not take; None if it is no such."""
    added = (
        {}
        if kit is None
        else {
            "negative_prompt": bool(kit.negative_words),
            "loras": bool(kit.loras),
            "style_images": bool(kit.reference_count),
            "inputs": bool(kit.reference_count),
            "seed": kit.seed is not None,
            "prompt": bool(kit.words),
        }
    )
    if kit is None or not added.get(complaint.part):
        return None
    return InvalidJobRequest(
        _("The brand kit “%(kit)s” does not fit this model. %(reason)s")
        % {"kit": kit.version.kit.name, "reason": reason},
        field="brand_kit",
        remedy=_("Choose another model, or another brand kit."),
    )


def _is_reference(source: InputSource, keys: Sequence[UUID]) -> bool:
    return source.role is InputRole.STYLE and source.asset is not None and source.asset.pk in keys


def _named(slug: str) -> BrandKit:
    found = BrandKit.objects.filter(slug=slug).select_related("current").first()
    if found is None:
        known = BrandKit.objects.filter(is_archived=False).order_by("slug")
        names = ", ".join(known.values_list("slug", flat=True)[:_MAX_NAMED])
        raise InvalidJobRequest(
            _("“%(name)s” is not a valid brand kit.") % {"name": slug[:60]},
            field="brand_kit",
            remedy=_("Available: %(known)s.") % {"known": names or _("none")},
        )
    return found


def _unusable(kit: BrandKit, reason: str) -> InvalidJobRequest:
    return InvalidJobRequest(
        _("The brand kit “%(kit)s” cannot be used. %(reason)s")
        % {"kit": kit.name, "reason": reason},
        field="brand_kit",
        remedy=_("Choose another brand kit, or none."),
    )
