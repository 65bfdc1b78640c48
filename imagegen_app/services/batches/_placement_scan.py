"""Compare a number of placed images with what would be made today, in a constant number of queries."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from django.db.models import F, Q
from django.utils.translation import gettext as _

from imagegen_app.core.states import FINAL_STATES, ReviewState
from imagegen_app.core.variables import variables_from
from imagegen_app.models import (
    Batch,
    BrandKitVersion,
    ImageModel,
    Job,
    OutdatedDismissal,
    Placement,
    PromptTemplate,
    TemplateVersion,
)
from imagegen_app.services.audit import prompt_access
from imagegen_app.services.batches import composed_today, row_images
from imagegen_app.services.batches.composed_today import Comparison, OutdatedImage
from imagegen_app.services.gateways import content_fields
from imagegen_app.services.library import placement as placements
from imagegen_app.services.library import planned_places
from imagegen_app.services.policy import access

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from uuid import UUID

    from django.db.models import Model, QuerySet

    from imagegen_app.core.actors import Actor
    from imagegen_app.services.batches.composed_today import Sources, Today
    from imagegen_app.services.batches.row_images import RowImage
    from imagegen_app.services.gateways.content_fields import Target

#: Batches whose rows wait for a worker, which are looked through; the newest ones.
_MAX_WAITING: Final = 50


@dataclass(slots=True)
class PlacementScan:
    """Compares placements of one target, and remembers what many of them share."""

    actor: Actor
    target: Target
    currents: dict[int, TemplateVersion | None] = field(default_factory=dict)
    versions: dict[int, TemplateVersion] = field(default_factory=dict)
    kits: dict[int, BrandKitVersion] = field(default_factory=dict)
    batches: dict[UUID, Batch] = field(default_factory=dict)
    models: dict[int, ImageModel] = field(default_factory=dict)
    guesses: dict[int, Mapping[str, str]] = field(default_factory=dict)
    comparison: Comparison = field(default_factory=Comparison)
    #: By batch and shot, whether its images are for this target.
    places: dict[tuple[UUID, str], bool] = field(default_factory=dict)
    #: Fields of the objects that lead to further rows, which are read with them.
    relations: set[str] = field(default_factory=set)

    def images_of(self, rows: Sequence[Placement]) -> list[OutdatedImage]:
        """Return the outdated ones among placements, without those that were kept as they are."""
        jobs = self._requested_jobs(rows)
        self._read_shared(list(jobs.values()))
        sources = {row.pk: self._sources_of(jobs[row.pk]) for row in rows}
        instances = self._instances([row.object_id for row in rows])
        readable = self._readable(jobs.values())
        before = row_images.names_by_job(
            [jobs[key].pk for key, origin in sources.items() if origin and origin.images]
        )
        now = self._images_now(rows, sources, instances)
        found = []
        for row in rows:
            instance, origin = instances.get(row.object_id), sources[row.pk]
            job = jobs[row.pk]
            if instance is None or origin is None or job.prompt_erased_at is not None:
                # The object or the template is gone, or nobody knows any more what was asked for.
                continue
            if placements.value_of(instance, self.target.field) != row.placed_value:
                # Somebody has put another image there by hand.
                continue
            may_read = job.pk in readable
            current = self._current_of(job)
            if current is None:
                continue
            today = composed_today.with_images(
                self._compare(job, origin, instance, current=current, may_read=may_read),
                target=self.target,
                before=before.get(job.pk, {}),
                now=now.get(row.pk, ()),
            )
            if today.changes and not today.problem and origin.fixed and not may_read:
                # A new batch would be the reader's own, with the words of somebody else in it.
                today = replace(today, problem=_others_words())
            if today.is_outdated:
                found.append(OutdatedImage(row, instance, job, today))
        return self.with_requests(self._without_kept(found))

    def _compare(
        self,
        job: Job,
        sources: Sources,
        instance: Model,
        *,
        current: TemplateVersion,
        may_read: bool,
    ) -> Today:
        return self.comparison.compare(
            job,
            current=current,
            kit=_kit_today(job, current),
            sources=sources,
            instance=instance,
            shows_values=job.batch_id is not None or may_read,
        )

    @staticmethod
    def _images_now(
        rows: Sequence[Placement],
        sources: Mapping[int, Sources | None],
        instances: Mapping[str, Model],
    ) -> dict[int, tuple[RowImage, ...]]:
        """Return the input images that the objects of placements have now, by placement."""
        groups: dict[tuple[tuple[str, str], ...], list[Placement]] = {}
        for row in rows:
            origin = sources[row.pk]
            if origin is not None and origin.images and row.object_id in instances:
                groups.setdefault(tuple(sorted(origin.images.items())), []).append(row)
        found: dict[int, tuple[RowImage, ...]] = {}
        for images, members in groups.items():
            objects = {instances[row.object_id].pk: instances[row.object_id] for row in members}
            by_key = row_images.images_of_objects(objects.values(), dict(images))
            found |= {row.pk: by_key[row.object_id] for row in members}
        return found

    def _readable(self, jobs: Collection[Job]) -> set[UUID]:
        """Return the keys of those jobs whose prompts the actor may read."""
        if access.has_permission(self.actor, "view_prompt"):
            return {job.pk for job in jobs}
        return prompt_access.own_prompts(self.actor, jobs)

    def _current_of(self, job: Job) -> TemplateVersion | None:
        version = job.template_version
        return None if version is None else self.currents.get(version.template_id)

    def _sources_of(self, job: Job) -> Sources | None:
        current = self._current_of(job)
        if current is None:
            return None
        batch = None if job.batch_id is None else self.batches.get(job.batch_id)
        if current.pk not in self.guesses:
            self.guesses[current.pk] = content_fields.guess_mapping(
                self.target, variables_from(current.variables)
            )
        found = composed_today.sources_of(
            self.target, current, job, batch, guesses=self.guesses[current.pk]
        )
        self.relations |= content_fields.relations_in(
            self.target.model, [*found.mapping.values(), *found.images.values()]
        )
        return found

    def _requested_jobs(self, rows: Sequence[Placement]) -> dict[int, Job]:
        """Return by placement the job that a person or a batch requested, not a pass that followed."""
        found = {row.pk: row.asset.job for row in rows}
        roots: dict[UUID, Job] = {}
        _read(Job.objects.all(), roots, [job.root_id for job in found.values()])
        return {
            key: job if job.root_id is None else roots[job.root_id] for key, job in found.items()
        }

    def _read_shared(self, jobs: list[Job]) -> None:
        """Read versions, kits and batches of jobs, each once, and put them in their places."""
        _read(TemplateVersion.objects.all(), self.versions, [j.template_version_id for j in jobs])
        _read(
            BrandKitVersion.objects.select_related("kit__current"),
            self.kits,
            [j.brand_kit_version_id for j in jobs],
        )
        _read(Batch.objects.defer("rows", "invalid_rows"), self.batches, [j.batch_id for j in jobs])
        _read(
            ImageModel.objects.select_related("provider"),
            self.models,
            [j.image_model_id for j in jobs],
        )
        for job in jobs:
            job.image_model = self.models[job.image_model_id]
            if job.template_version_id is not None:
                job.template_version = self.versions[job.template_version_id]
            if job.brand_kit_version_id is not None:
                job.brand_kit_version = self.kits[job.brand_kit_version_id]
        templates = {v.template_id for v in self.versions.values()} - set(self.currents)
        rows = PromptTemplate.objects.filter(pk__in=templates, is_archived=False).select_related(
            "current__image_model__provider", "current__brand_kit__current__kit"
        )
        self.currents |= dict.fromkeys(templates)
        for template in rows:
            if template.current is not None:
                template.current.template = template
            self.currents[template.pk] = template.current

    def _instances(self, keys: Collection[str]) -> dict[str, Model]:
        manager = self.target.model._default_manager  # noqa: SLF001 - Django's documented API
        rows = manager.select_related(*sorted(self.relations)) if self.relations else manager.all()
        return {str(one.pk): one for one in rows.filter(pk__in=set(keys))}

    def _without_kept(self, images: list[OutdatedImage]) -> list[OutdatedImage]:
        kept = set(
            OutdatedDismissal.objects.filter(
                placement__in=[one.placement.pk for one in images]
            ).values_list("placement", "digest")
        )
        return [one for one in images if (one.placement.pk, one.today.digest) not in kept]

    def with_requests(self, images: list[OutdatedImage]) -> list[OutdatedImage]:
        """Note in which batch each was asked for already, and that still waits or was approved."""
        by_key = {one.placement.object_id: one for one in images}
        if not by_key:
            return images
        waiting = [ReviewState.PENDING.value, ReviewState.APPROVED.value]
        jobs = (
            Job.objects.filter(
                ~Q(state__in=sorted(FINAL_STATES)) | Q(assets__review_state__in=waiting),
                batch__mapping__target__in=self._paths(),
                row_key__in=list(by_key),
            )
            .select_related("batch")
            .defer("batch__rows", "batch__invalid_rows")
            .order_by("created_at")
        )
        asked = self._unprepared_rows(by_key)
        for job in jobs:
            one = by_key[job.row_key]
            is_todays = job.template_version_id == one.today.version.pk and self._is_here(
                job.batch, job.shot
            )
            if is_todays and job.created_at > one.placement.placed_at and job.batch is not None:
                asked[job.row_key] = job.batch
        return [
            one
            if one.placement.object_id not in asked
            else replace(one, asked_in=asked[one.placement.object_id])
            for one in images
        ]

    def _unprepared_rows(self, images: dict[str, OutdatedImage]) -> dict[str, Batch]:
        """Return by object the batch that no worker has made a job for it in yet."""
        batches = Batch.objects.filter(
            mapping__target__in=self._paths(),
            cancelled_at__isnull=True,
            prepared_rows__lt=F("row_count"),
        ).order_by("-created_at")[:_MAX_WAITING]
        return {
            key: batch
            for batch in batches
            for key in batch.rows[batch.prepared_rows :]
            if key in images
            and images[key].today.version.pk == batch.template_version_id
            and self._is_here(batch, images[key].today.shot)
        }

    def _paths(self) -> list[str]:
        """Return the targets of the same objects: a batch for one may place shots in the others."""
        every = content_fields.all_targets()
        return [one.path for one in every if one.model is self.target.model]

    def _is_here(self, batch: Batch | None, shot: str) -> bool:
        """Return whether a batch makes images of a shot for the field that is looked at."""
        if batch is None:
            return False
        if (batch.pk, shot) not in self.places:
            target = planned_places.target_of(batch, shot)
            self.places[batch.pk, shot] = target is not None and target.path == self.target.path
        return self.places[batch.pk, shot]


def _kit_today(job: Job, current: TemplateVersion) -> BrandKitVersion | None:
    """Return the kit of today: the template's, else the one that the requester chose beside it."""
    if current.brand_kit is not None:
        return current.brand_kit.current
    then, used = job.template_version, job.brand_kit_version
    is_chosen = used is not None and then is not None and then.brand_kit_id is None
    if used is None or not is_chosen or used.kit.is_archived:
        return None
    return used.kit.current


def _others_words() -> str:
    return _(
        "Some of its values were given by somebody else, and you may not read them. "
        "Ask whoever requested it, or may read all prompts, to make it anew."
    )


def _read(rows: QuerySet[Any], known: dict[Any, Any], keys: Collection[Any]) -> None:
    missing = {key for key in keys if key is not None and key not in known}
    if missing:
        known.update(rows.in_bulk(list(missing)))
