"""The studio's fields that depend on the model: proportions, quality, number, seed, operation."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django import forms
from django.core.validators import RegexValidator
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from imagegen_app.core.limits import MAX_COUNT
from imagegen_app.core.model_parameters import MAX_NUMBER
from imagegen_app.core.quality_tiers import QualityTier
from imagegen_app.core.types import Operation, Size
from imagegen_app.forms.fields import OfferedChoiceField
from imagegen_app.models.labels import LABELS
from imagegen_app.services.job_requests.composition import LARGEST_SEED
from imagegen_app.services.job_requests.model_options import operations_of
from imagegen_app.services.job_requests.values import SIZE_OF_SOURCE, describe_part

if TYPE_CHECKING:
    from imagegen_app.models import TemplateVersion
    from imagegen_app.services.job_requests.model_options import ModelOptions

#: Names of common proportions; others are called by their numbers.
_RATIO_NAMES = {
    "1:1": gettext_lazy("Square"),
    "3:2": gettext_lazy("Landscape"),
    "2:3": gettext_lazy("Portrait"),
    "16:9": gettext_lazy("Wide"),
    "9:16": gettext_lazy("Tall"),
}
TIER_NAMES = {
    QualityTier.DRAFT: gettext_lazy("Draft"),
    QualityTier.STANDARD: gettext_lazy("Standard"),
    QualityTier.HIGH: gettext_lazy("High"),
}
#: The value of the quality field for the model's own usual one, where empty means the template's.
USUAL_QUALITY = "usual"
COUNTS = (1, 2, 3, 4)
_MAX_SEED_DIGITS = 18
DEFAULT_COUNT = 4
#: What the studio decides by the input images; nobody has to choose between these.
DECIDED_BY_INPUTS = frozenset(
    {Operation.GENERATE, Operation.EDIT, Operation.INPAINT, Operation.CONTROL}
)


def model_fields(
    options: ModelOptions | None, version: TemplateVersion | None
) -> dict[str, forms.Field]:
    """Return the fields, with what the model offers; without a model, with what is usual."""
    offer = None if options is None else options.capabilities
    return {
        "size": OfferedChoiceField(
            label=_("Proportions"),
            choices=_sizes(options, version),
            required=False,
            widget=forms.RadioSelect,
        ),
        "quality": OfferedChoiceField(
            label=_("Quality"),
            choices=_qualities(options, version),
            required=False,
            widget=forms.RadioSelect,
        ),
        "count": _count(options),
        "operation": OfferedChoiceField(
            label=_("Operation"),
            choices=_operations(options),
            required=False,
            help_text=_("Decided by the images that you hand in, unless you choose one."),
        ),
        "seed": forms.IntegerField(
            label=_("Seed"),
            required=False,
            min_value=0,
            max_value=MAX_NUMBER,
            help_text=_seed_help(options),
        ),
        "seed_lock": forms.BooleanField(
            label=_("Keep this seed for the next requests"), required=False
        ),
        "negative": forms.CharField(
            label=_("Negative prompt (what to leave out)"), required=False, max_length=1000
        ),
        # Shown where an earlier job had one.
        "background": _words("background", offer.backgrounds if offer else ()),
        "output_format": _words("output_format", offer.output_formats if offer else ()),
    }


@dataclass(frozen=True, slots=True)
class Lacking:
    """Sentences that tell which usual options a model does not have; empty for those that it has."""

    size: str = ""
    quality: str = ""
    seed: str = ""
    negative: str = ""


def lacking(options: ModelOptions) -> Lacking:
    """Return which usual options a model does not have."""
    offer, name = options.capabilities, {"model": options.image_model.name}
    return Lacking(
        size=""
        if options.ratios
        else _("“%(model)s” takes no proportions here: it decides them itself.") % name,
        quality="" if options.tiers else _("“%(model)s” has no quality tiers.") % name,
        seed=""
        if offer.supports_seed
        else _("“%(model)s” takes no seed: each request gives another image.") % name,
        negative=""
        if offer.supports_negative_prompt
        else _("“%(model)s” takes no negative prompt.") % name,
    )


def _sizes(options: ModelOptions | None, version: TemplateVersion | None) -> list[tuple[str, str]]:
    automatic = _("As set in the template") if version else _("Automatic")
    ratios = () if options is None else options.ratios
    named = [
        (ratio, f"{_RATIO_NAMES[ratio]} {ratio}" if ratio in _RATIO_NAMES else ratio)
        for ratio in ratios
    ]
    return [("", automatic), *named, (SIZE_OF_SOURCE, _("As the source image"))]


def _qualities(
    options: ModelOptions | None, version: TemplateVersion | None
) -> list[tuple[str, str]]:
    automatic = _("As set in the template") if version and version.quality else _("As usual")
    tiers = () if options is None else options.tiers
    return [("", automatic), *((tier.value, str(TIER_NAMES[tier])) for tier in tiers)]


def whole_number(value: object) -> int | None:
    """Return a seed as a number; None for what is none."""
    text = str(value if value is not None else "")
    return int(text) if text.isdecimal() and len(text) <= _MAX_SEED_DIGITS else None


def drawn_seed(nonce: str) -> int:
    """Return a seed for a form that is to keep one but names none: the same for the same page."""
    return int.from_bytes(hashlib.sha256(nonce.encode()).digest()[:4], "big") % LARGEST_SEED


def given_quality(value: str) -> str | None:
    """Return a chosen quality as a request takes it: None for the template's, empty for the usual."""
    return "" if value == USUAL_QUALITY else value or None


def label_before(name: str, value: str) -> str:
    """Return the label of an earlier job's value that is not on offer otherwise."""
    if name == "count":
        return value
    before = _("As before")
    pixels = value.replace("x", " \N{MULTIPLICATION SIGN} ")
    return f"{before}: {pixels}" if name == "size" else before


def size_beside(quality: str | None, size: str, options: ModelOptions | None) -> str:
    """Return only the proportions of a size in pixels where a resolution is chosen beside it.

    The size of an earlier job is in pixels; whoever then chooses a tier wants another resolution.
    """
    tiers = {} if options is None else options.tiers
    if quality not in set(QualityTier) or tiers.get(QualityTier(quality)) != "":
        return size
    try:
        pixels = Size.parse(size)
    except ValueError:
        return size
    return f"{pixels.width}:{pixels.height}"


def _words(part: str, words: tuple[str, ...]) -> forms.Field:
    return OfferedChoiceField(
        label=capfirst(describe_part(part)),
        choices=[("", _("As usual")), *((word, word) for word in words)],
        required=False,
    )


def _count(options: ModelOptions | None) -> forms.Field:
    most = MAX_COUNT if options is None else options.capabilities.max_count
    counts = [number for number in COUNTS if number <= most] or [1]
    return OfferedChoiceField(
        label=_("Variations"),
        choices=[(str(number), str(number)) for number in counts],
        initial=str(min(DEFAULT_COUNT, counts[-1])),
        validators=[RegexValidator(r"^[0-9]{1,3}$")],
        widget=forms.RadioSelect,
    )


def _operations(options: ModelOptions | None) -> list[tuple[str, str]]:
    offered = () if options is None else operations_of(options.capabilities)
    return [("", _("Automatic")), *((one.value, str(LABELS[Operation][one])) for one in offered)]


def has_further_operations(options: ModelOptions) -> bool:
    """Return whether a model has operations that input images alone do not decide."""
    return not set(operations_of(options.capabilities)) <= DECIDED_BY_INPUTS


def _seed_help(options: ModelOptions | None) -> str:
    if options is None or options.capabilities.is_reproducible:
        return _(
            "The same seed and settings give the same image. Leave empty for a new image each time."
        )
    if options.capabilities.supports_seed:
        return _(
            "The provider does not promise the same image for the same seed. Leave empty for a new "
            "image each time."
        )
    return _("“%(model)s” takes no seed. Leave it empty.") % {"model": options.image_model.name}
