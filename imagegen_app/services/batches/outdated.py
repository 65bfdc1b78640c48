"""Find placed images for which another would be made today, make them anew, or keep them.

Requests are compared, not times: what was changed and changed back is not out of date.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from django.contrib.contenttypes.models import ContentType
from django.utils.translation import gettext as _

from imagegen_app.core import canonical
from imagegen_app.core.actors import Person
from imagegen_app.models import (
    Batch,
    OutdatedDismissal,
    Placement,
    PromptTemplate,
)
from imagegen_app.services.audit import prompt_access
from imagegen_app.services.batches import lifecycle
from imagegen_app.services.batches._placement_scan import PlacementScan
from imagegen_app.services.batches.batch_shots import ShotPlace
from imagegen_app.services.batches.lifecycle import BatchLimits
from imagegen_app.services.foundation import event_log
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.gateways import content_fields
from imagegen_app.services.policy import access
from imagegen_app.services.policy.access import ActionRefused

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from django.db.models import QuerySet

    from imagegen_app.core.actors import Actor
    from imagegen_app.services.batches.composed_today import OutdatedImage
    from imagegen_app.services.gateways.content_fields import Target

#: Outdated images on one page.
PAGE_ROWS: Final = 50
#: Placements that are compared at a time, with a constant number of queries.
_CHUNK: Final = 200
#: Placements that one page looks through at most.
MAX_LOOKED_THROUGH: Final = 2_000
#: Batches that one press starts at most.
MAX_BATCHES: Final = 10
#: A refresh of more rows begins with a pilot of so many.
_PILOT_FROM, _PILOT = 50, 3


class NothingToRefresh(ActionRefused):
    """None of the images is out of date any more, or all were asked for already."""

    code = "nothing_to_refresh"


class TooManyBatches(ActionRefused):
    """The images come from too many templates, models or fixed values for one press."""

    code = "too_many_batches"


@dataclass(frozen=True, slots=True)
class OutdatedPage:
    """Some outdated images of a target, the newest placements first."""

    images: list[OutdatedImage]
    #: Below which placement to look further; None at the end.
    after: int | None
    #: How many placements were compared for this page.
    looked_through: int


def targets_for(actor: Actor) -> list[Target]:
    """Return the targets whose objects the actor may change."""
    return [one for one in content_fields.all_targets() if _may_change(actor, one)]


def find_page(*, actor: Actor, target: Target, after: int | None = None) -> OutdatedPage:
    """Return outdated images of a target; it looks through a bounded number of placements.

    :raises NotPermitted: if the actor may not request images, or not change the objects.
    """
    _require_allowed(actor, target)
    scan, images, looked = PlacementScan(actor, target), [], 0
    for rows in _chunks(_placements(target), after):
        images += scan.images_of(rows)
        looked += len(rows)
        after = rows[-1].pk
        if len(images) >= PAGE_ROWS or looked >= MAX_LOOKED_THROUGH:
            break
    else:
        after = None
    if len(images) > PAGE_ROWS:
        after = images[PAGE_ROWS - 1].placement.pk
    return OutdatedPage(images[:PAGE_ROWS], after, looked)


@use_case()
def refresh(
    *,
    actor: Actor,
    target: Target,
    shown: Sequence[tuple[int, str]] | None,
    key: str,
) -> list[Batch]:
    """Start batches that make outdated images anew, and return them.

    `shown` are placements with the digests that the person has seen, or None for all of the target.
    What is not out of date any more, differs from what was shown or was asked for already is left out.
    The same `key` starts nothing twice.

    :raises NotPermitted: if the actor may not request images, or not change the objects.
    :raises NothingToRefresh: if nothing is left.
    :raises TooManyBatches: if they need more than `MAX_BATCHES` batches.
    :raises ActionRefused: if a batch cannot be started: see `lifecycle.start`.
    """
    _require_allowed(actor, target)
    if shown is not None and not shown:
        raise NothingToRefresh(
            _("No images were requested."),
            reason=_("No image is selected."),
            remedy=_("Select at least one."),
        )
    scan = PlacementScan(actor, target)
    chosen = _chosen(scan, shown)
    images = _unasked(scan, [one for one in chosen if one.is_refreshable])
    groups: dict[str, list[OutdatedImage]] = defaultdict(list)
    for one in images:
        groups[_group_key(one)].append(one)
    if not groups:
        raise _nothing_left(chosen)
    if len(groups) > MAX_BATCHES:
        raise TooManyBatches(
            _("No images were requested."),
            reason=_("They would need %(number)s batches; at most %(most)s start at once.")
            % {"number": len(groups), "most": MAX_BATCHES},
            remedy=_("Select fewer images."),
        )
    return [_start(actor, target, group, f"{key}:{name}") for name, group in groups.items()]


@use_case()
def keep(*, actor: Actor, target: Target, shown: Sequence[tuple[int, str]]) -> int:
    """Keep outdated images as they are, until something else changes; return how many.

    :raises NotPermitted: if the actor may not request images, or not change the objects.
    """
    _require_allowed(actor, target)
    images = _chosen(PlacementScan(actor, target), shown[:PAGE_ROWS])
    user = actor.user if isinstance(actor, Person) else None
    for one in images:
        _row, is_new = OutdatedDismissal.objects.get_or_create(
            placement=one.placement,
            digest=one.today.digest,
            defaults={"dismissed_by": user},
        )
        if is_new:
            event_log.record(
                actor,
                "placement.kept",
                subject=one.placement.asset,
                job=one.placement.asset.job,
                asset=one.placement.asset,
                data={
                    "target": f"{target.path}:{one.placement.object_id}",
                    "digest": one.today.digest,
                },
                personal={"target_label": one.placement.object_label},
            )
    return len(images)


def _nothing_left(images: list[OutdatedImage]) -> NothingToRefresh:
    """Return the refusal for images of which none can be made anew."""
    problem = next((one.today.problem for one in images if one.today.problem), "")
    return NothingToRefresh(
        _("No images were requested."),
        reason=problem
        or _("None of these images is out of date any more, or all were asked for already."),
        remedy="" if problem else _("Load the page again."),
        is_already_done=not problem,
    )


def _unasked(scan: PlacementScan, images: list[OutdatedImage]) -> list[OutdatedImage]:
    """Return those for which nobody else has asked at the same moment."""
    _lock_templates({one.today.version.template_id for one in images})
    found: list[OutdatedImage] = []
    for start in range(0, len(images), _CHUNK):
        found += scan.with_requests(images[start : start + _CHUNK])
    return [one for one in found if one.is_refreshable]


def _lock_templates(keys: Collection[int]) -> None:
    """Make a second press wait until the batches of the first can be seen."""
    locked = PromptTemplate.objects.select_for_update().filter(pk__in=keys)
    list(locked.order_by("pk").values_list("pk"))


def _chosen(scan: PlacementScan, shown: Sequence[tuple[int, str]] | None) -> list[OutdatedImage]:
    """Return the outdated images that were shown so, or all of a target up to a batch's limit."""
    if shown is None:
        found: list[OutdatedImage] = []
        for rows in _chunks(_placements(scan.target), None):
            found += scan.images_of(rows)
            if len(found) >= lifecycle.MAX_ROWS:
                break
        return found[: lifecycle.MAX_ROWS]
    digests = dict(shown[:PAGE_ROWS])
    rows = list(_placements(scan.target).filter(pk__in=list(digests)))
    return [one for one in scan.images_of(rows) if digests[one.placement.pk] == one.today.digest]


def _start(actor: Actor, target: Target, images: list[OutdatedImage], key: str) -> Batch:
    today = images[0].today
    if today.sources.fixed:
        # The new batch holds the values of the earlier jobs, which all of them share.
        prompt_access.read_prompt(actor, images[0].job)
    # An object shows one image in a field: the newest placement is the first.
    keys = list(dict.fromkeys(one.placement.object_id for one in images))
    return lifecycle.start(
        actor=actor,
        version=today.version,
        title=_("Out of date: %(template)s") % {"template": today.version.template.name},
        keys=keys,
        target=target,
        mapping=today.sources.mapping,
        fixed=today.sources.fixed,
        images=today.sources.images,
        image_model=today.image_model,
        brand_kit=today.kit,
        limits=BatchLimits(pilot=_PILOT if len(keys) > _PILOT_FROM else 0),
        shots=[ShotPlace(today.shot, target.field)] if today.shot else None,
        key=canonical.digest({"refresh": key}),
    )


def _group_key(one: OutdatedImage) -> str:
    """Return what rows must share to be one batch."""
    today = one.today
    return canonical.digest(
        {
            "version": today.version.pk,
            "model": None if today.image_model is None else today.image_model.pk,
            "kit": None if today.kit is None else today.kit.pk,
            "mapping": dict(today.sources.mapping),
            "fixed": dict(today.sources.fixed),
            "images": dict(today.sources.images),
            "shot": today.shot,
        }
    )


def _placements(target: Target) -> QuerySet[Placement]:
    kind = ContentType.objects.get_for_model(target.model)
    return (
        Placement.objects.active()
        .filter(content_type=kind, field=target.field, asset__job__template_version__isnull=False)
        .select_related("asset__job")
        .order_by("-pk")
    )


def _chunks(rows: QuerySet[Placement], after: int | None) -> Iterator[list[Placement]]:
    while True:
        chunk = list((rows if after is None else rows.filter(pk__lt=after))[:_CHUNK])
        if not chunk:
            return
        yield chunk
        if len(chunk) < _CHUNK:
            return
        after = chunk[-1].pk


def _may_change(actor: Actor, target: Target) -> bool:
    return access.may_change_content(actor, target.model())


def _require_allowed(actor: Actor, target: Target) -> None:
    access.require_permission(actor, "request_job")
    if not _may_change(actor, target):
        raise access.NotPermitted(
            _("You do not have permission to do this."),
            reason=_("You do not have permission to change “%(content)s”.")
            % {"content": target.model._meta.verbose_name_plural},  # noqa: SLF001 - Django's documented API
            remedy=access.contact_sentence(),
        )
