"""Describe what a person made in a session of the studio, turn by turn, and what they wait for."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from django.db.models import Count, Exists, F, Max, OuterRef, Q, Subquery
from django.db.models.functions import Coalesce

from imagegen_app.core.states import JobState
from imagegen_app.models import Asset, Job
from imagegen_app.services.audit import prompt_access
from imagegen_app.services.foundation import worker_registry
from imagegen_app.services.job_requests import sessions
from imagegen_app.services.library import grid_turns
from imagegen_app.services.monitoring import progress

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from django.db.models import QuerySet

    from imagegen_app.core.actors import Person
    from imagegen_app.services.library.grid_turns import Grid
    from imagegen_app.services.monitoring.progress import Progress

#: Turns on one page of a session.
TURNS = 12


@dataclass(frozen=True, slots=True)
class Turn:
    """One request of a session, with its images so far."""

    progress: Progress
    #: The template's name, or the first words of the prompt.
    title: str
    images: tuple[Asset, ...]
    #: How many of the requested images could not be used.
    missing_count: int
    #: How long this model usually takes, in seconds; None before it has made anything.
    usual_seconds: int | None = None
    #: The grid whose first job this is; None for a request of its own.
    grid: Grid | None = None

    @property
    def job(self) -> Job:
        """The job that was requested."""
        return self.progress.job

    @property
    def blanks(self) -> range:
        """One for each image that is still to come."""
        return range(0 if self.progress.is_final else self.job.count)


@dataclass(frozen=True, slots=True)
class Stage:
    """What the studio shows beside the form."""

    #: The person's jobs that have not ended, of all their sessions, in the order of their turn.
    running: tuple[Turn, ...]
    #: The ended requests of the session, newest first.
    turns: tuple[Turn, ...]
    #: The key of the last turn, if older ones follow it.
    older_than: UUID | None = None

    @property
    def is_running(self) -> bool:
        """Whether something is waited for."""
        return bool(self.running) or any(one.grid and one.grid.is_running for one in self.turns)

    @property
    def cancellable_count(self) -> int:
        """How many of the running jobs can be cancelled, those of grids included."""
        in_grids = [
            cell for one in self.turns if one.grid for row in one.grid.cells for cell in row
        ]
        waiting = [*self.running, *(turn for turn in in_grids if turn)]
        return sum(turn.progress.can_cancel for turn in waiting)


def stage_of(actor: Person, *, session: UUID, before: UUID | None = None) -> Stage:
    """Return the person's running jobs and the ended requests of a session of theirs."""
    unfinished = progress.unfinished_jobs(actor)
    # A grid of this session is one turn of it, from the start.
    running = [one for one in unfinished if one.job.grid is None or one.job.session_id != session]
    ended = list(
        _requests_of(actor, session)
        .filter(Q(grid__isnull=True) | Q(grid_cell=0))
        .exclude(pk__in=[one.job.pk for one in running])
        .filter(**({} if before is None else {"pk__lt": before}))
        .select_related(
            "image_model__provider", "template_version__template", "live_attempt", "cached_from"
        )
        .order_by("-pk")[: TURNS + 1]
    )
    older_than = ended[TURNS - 1].pk if len(ended) > TURNS else None
    shown = ended[:TURNS]
    keys = [job.grid for job in shown if job.grid is not None]
    in_grids = list(grid_turns.jobs_of(actor, keys)) if keys else []
    of_turns = [*(job for job in shown if job.grid is None), *in_grids]
    images = _images_of(of_turns)
    usual = {
        key: progress.typical_seconds(key) for key in {one.job.image_model_id for one in running}
    }
    titles = _titles(actor, [*(one.job for one in running), *of_turns])
    known = {one.job.pk: one for one in unfinished}
    turns = {
        job.pk: _turn(
            job, titles[job.pk], images.get(job.cached_from_id or job.pk, ()), known.get(job.pk)
        )
        for job in of_turns
    }
    return Stage(
        running=tuple(
            Turn(one, titles[one.job.pk], (), 0, usual[one.job.image_model_id])
            for one in sorted(running, key=_turn_in_queue)
        ),
        turns=tuple(_with_grid(turns[job.pk], in_grids, turns) for job in shown),
        older_than=older_than,
    )


def _with_grid(turn: Turn, in_grids: Sequence[Job], turns: Mapping[UUID, Turn]) -> Turn:
    if turn.job.grid is None:
        return turn
    jobs = [job for job in in_grids if job.grid == turn.job.grid]
    return replace(turn, grid=grid_turns.grid_of(jobs, turns))


def etag_of(actor: Person, *, session: UUID) -> str:
    """Return a hash of what the stage shows, with two queries, before anything is rendered.

    Seconds are not part of it: the page counts them itself.
    """
    ahead = (
        Job.objects.filter(state=JobState.QUEUED.value, created_at__lt=OuterRef("created_at"))
        .order_by()
        .values("state")
        .annotate(count=Count("pk"))
        .values("count")
    )
    waiting = (
        Job.objects.unfinished()
        .filter(requester=actor.user, batch__isnull=True)
        .annotate(
            ahead=Coalesce(Subquery(ahead), 0),
            has_worker=Exists(worker_registry.live_rows()),
        )
        .order_by("pk")
        .values_list(
            "pk",
            "state",
            "tries",
            "progress",
            "preview_number",
            "waiting_for",
            "cancel_requested_at",
            "queue_order",
            "ahead",
            "has_worker",
            "live_attempt__provider_stage",
            "live_attempt__queue_position",
            "image_model__name",
        )
    )
    ended = Job.objects.filter(requester=actor.user, session=session).aggregate(
        count=Count("pk"),
        last=Max("finished_at"),
        decided=Max("assets__reviewed_at"),
        returned=Max("assets__sent_back_at"),
    )
    shown = repr((list(waiting), sorted(ended.items())))
    return hashlib.sha256(shown.encode()).hexdigest()[:20]


def _requests_of(actor: Person, session: UUID) -> QuerySet[Job]:
    requests: QuerySet[Job] = Job.objects.filter(
        requester=actor.user, session=session, root__isnull=True
    )
    return requests


def _turn_in_queue(one: Progress) -> tuple[bool, int, str]:
    return (one.state is JobState.QUEUED, one.job.queue_order, str(one.job.pk))


def _turn(job: Job, title: str, images: Sequence[Asset], known: Progress | None) -> Turn:
    is_over = job.state == JobState.SUCCEEDED and known is None
    return Turn(
        progress=known or progress.job_progress(job),
        title=title,
        images=tuple(images),
        missing_count=max(0, job.count - len(images)) if is_over else 0,
    )


def title_of(actor: Person, job: Job) -> str:
    """Return the heading of one job, as its turn in a session has it."""
    return _titles(actor, [job])[job.pk]


def _titles(actor: Person, jobs: Sequence[Job]) -> dict[UUID, str]:
    """Return a heading for each of a person's own jobs; a prompt may be read by who wrote it."""
    written = prompt_access.own_prompts(actor, jobs)
    return {job.pk: _title(job, shows_prompt=job.pk in written) for job in jobs}


def _title(job: Job, *, shows_prompt: bool) -> str:
    if job.template_version is not None:
        return str(job.template_version.template.name)
    return sessions.shortened(job.prompt) if shows_prompt else str(job.get_operation_display())


def _images_of(jobs: Sequence[Job]) -> dict[UUID, list[Asset]]:
    """Return the results of several ended jobs, by the job that made them, with two queries."""
    sources = {job.cached_from_id or job.pk for job in jobs}
    found: dict[UUID, list[Asset]] = {}
    rows: Any = (
        Asset.objects.filter(Q(job__in=sources) | Q(job__root__in=sources), is_intermediate=False)
        .select_related("job")
        .annotate(source=Coalesce(F("job__root"), F("job")))
        .prefetch_related("renditions")
        .order_by("position", "pk")
    )
    for asset in rows:
        found.setdefault(asset.source, []).append(asset)
    return found
