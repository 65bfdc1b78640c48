"""Tell what became of each version of a template, and what differs between two of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from django.db.models import Count, Sum
from django.utils.translation import gettext as _

from imagegen_app.core.states import ReviewState
from imagegen_app.models import Asset, Job, TemplateVersion
from imagegen_app.services.job_requests import template_files
from imagegen_app.services.library.comparison import Difference, Piece, word_differences
from imagegen_app.services.library.template_usage import APPROVED_STATES
from imagegen_app.services.policy import access

if TYPE_CHECKING:
    from decimal import Decimal

    from imagegen_app.core.actors import Actor
    from imagegen_app.models import PromptTemplate

#: Versions on one page, the newest first.
MAX_VERSIONS = 30
#: Images of a version that are shown beside those of another one.
MAX_PICTURES = 4
#: A version's pictures are looked for among so many of the template's newest images.
_PICTURES_AMONG = 300
#: Parts that are compared word by word.
_WORDED = ("prompt", "negative_prompt", "alt_pattern")


@dataclass(slots=True)
class VersionUse:
    """A version, and what was made with it."""

    version: TemplateVersion
    is_published: bool
    request_count: int = 0
    image_count: int = 0
    approved_count: int = 0
    rejected_count: int = 0
    #: What its jobs have cost, by currency; None if the reader may not see costs.
    spent: dict[str, Decimal] | None = None
    #: The newest images that were made with it, the newest first.
    pictures: list[Asset] = field(default_factory=list)

    @property
    def picture(self) -> Asset | None:
        """The newest image that was made with it."""
        return self.pictures[0] if self.pictures else None

    @property
    def approval_percent(self) -> int | None:
        """The share of the decided images that were approved; None before the first decision."""
        decided = self.approved_count + self.rejected_count
        return round(100 * self.approved_count / decided) if decided else None


@dataclass(frozen=True, slots=True)
class VersionComparison:
    """What differs between two versions."""

    differences: list[Difference] = field(default_factory=list)
    #: Texts that differ, with their label, word by word.
    texts: list[tuple[str, list[Piece]]] = field(default_factory=list)


def uses_of(reader: Actor, template: PromptTemplate) -> list[VersionUse]:
    """Return the newest versions of a template with what became of them, with at most seven queries.

    :raises NotPermitted: if the reader may not view templates.
    """
    access.require_permission(reader, "view_prompttemplate")
    versions = template.versions.select_related(
        "image_model", "created_by", "template", "brand_kit"
    )
    uses = {
        one.pk: VersionUse(one, is_published=one.pk == template.current_id)
        for one in versions.order_by("-number")[:MAX_VERSIONS]
    }
    _count_requests(uses, may_see_costs=access.has_permission(reader, "view_costs"))
    _count_images(uses)
    if access.has_permission(reader, "view_asset"):
        _add_pictures(uses, template)
    return list(uses.values())


def _count_requests(uses: dict[int, VersionUse], *, may_see_costs: bool) -> None:
    jobs = Job.objects.filter(template_version__in=uses).order_by()
    requested = jobs.filter(root__isnull=True).values_list("template_version")
    for key, count in requested.annotate(count=Count("pk")):
        uses[key].request_count = count
    if may_see_costs:
        amounts: dict[int, dict[str, Decimal]] = {key: {} for key in uses}
        spent = jobs.filter(actual_cost__isnull=False).values_list("template_version", "currency")
        for key, currency, amount in spent.annotate(amount=Sum("actual_cost")):
            amounts[key][currency] = amount
        for key, one in uses.items():
            one.spent = amounts[key]


def _count_images(uses: dict[int, VersionUse]) -> None:
    rows = (
        Asset.objects.filter(job__template_version__in=uses, is_intermediate=False)
        .order_by()
        .values_list("job__template_version", "review_state")
        .annotate(count=Count("pk"))
    )
    for key, state, count in rows:
        one = uses[key]
        one.image_count += count
        if state in APPROVED_STATES:
            one.approved_count += count
        elif state == ReviewState.REJECTED.value:
            one.rejected_count += count


def _add_pictures(uses: dict[int, VersionUse], template: PromptTemplate) -> None:
    newest = (
        Asset.objects.filter(
            job__template_version__template=template, is_intermediate=False, hard_category=""
        )
        .order_by("-created_at")
        .values_list("job__template_version", "pk")[:_PICTURES_AMONG]
    )
    chosen: dict[int, list[Any]] = {key: [] for key in uses}
    for version, key in newest:
        if version in chosen and len(chosen[version]) < MAX_PICTURES:
            chosen[version].append(key)
    found = Asset.objects.prefetch_related("renditions").in_bulk(
        [key for keys in chosen.values() for key in keys]
    )
    for version, keys in chosen.items():
        uses[version].pictures = [found[key] for key in keys if key in found]


def compare(left: TemplateVersion, right: TemplateVersion) -> VersionComparison:
    """Return what differs between two versions, part by part, in the words of a file of templates."""
    before, after = (template_files.describe(one) for one in (left, right))
    found = VersionComparison()
    labels = _labels()
    for name in {**before, **after}:
        if name == "note" or before.get(name) == after.get(name):
            continue
        if name in _WORDED:
            pieces = word_differences(str(before.get(name, "")), str(after.get(name, "")))
            found.texts.append((labels[name], pieces))
        elif name == "variables":
            found.differences.extend(_variable_differences(before.get(name), after.get(name)))
        elif name == "shots":
            found.differences.extend(_shot_differences(before.get(name), after.get(name)))
        else:
            texts = (_shown(one.get(name)) for one in (before, after))
            found.differences.append(Difference(labels[name], *texts))
    return found


def _labels() -> dict[str, str]:
    return {
        "prompt": _("Prompt"),
        "negative_prompt": _("Negative prompt"),
        "alt_pattern": _("Pattern of the alternative text"),
        "operation": _("Operation"),
        "model": _("Model"),
        "width": _("Width"),
        "height": _("Height"),
        "images": _("Images"),
        "quality": _("Quality"),
        "seed_strategy": _("Seed"),
        "seed": _("Fixed seed"),
        "passes": _("Follow-up passes"),
        "parameters": _("Fixed parameters"),
        "loras": "LoRA",
        "guides": _("Guides"),
        "brand_kit": _("Brand kit"),
    }


def _variable_differences(before: Any, after: Any) -> list[Difference]:
    left, right = ({one["name"]: one for one in rows or ()} for rows in (before, after))
    return [
        Difference(
            _("Variable “%(name)s”") % {"name": name},
            _shown(_parts(left.get(name), right.get(name))),
            _shown(_parts(right.get(name), left.get(name))),
        )
        for name in {**left, **right}
        if left.get(name) != right.get(name)
    ]


def _shot_differences(before: Any, after: Any) -> list[Difference]:
    left, right = ({one["key"]: one for one in rows or ()} for rows in (before, after))
    found = [
        Difference(
            _("Shot “%(name)s”") % {"name": key},
            _shown(_parts(left.get(key), right.get(key), known_by="key")),
            _shown(_parts(right.get(key), left.get(key), known_by="key")),
        )
        for key in {**left, **right}
        if left.get(key) != right.get(key)
    ]
    kept = [[key for key in rows if key in left and key in right] for rows in (left, right)]
    if kept[0] != kept[1]:
        found.append(Difference(_("Order of the shots"), ", ".join(left), ", ".join(right)))
    return found


def _parts(
    one: dict[str, Any] | None, other: dict[str, Any] | None, *, known_by: str = "name"
) -> Any:
    """Return what of a variable or a shot differs from the other one; all that it says where there is none."""
    if one is None:
        return None
    return {
        name: value
        for name, value in one.items()
        if name != known_by and value != (other or {}).get(name)
    }


def _shown(value: object) -> str:
    match value:
        case _ if value in (None, "", [], {}):
            return _("none")
        case dict():
            return ", ".join(f"{name}: {_shown(one)}" for name, one in value.items())
        case list():
            return "; ".join(_shown(one) for one in value)
        case bool():
            return _("yes") if value else _("no")
        case _:
            return str(value)
