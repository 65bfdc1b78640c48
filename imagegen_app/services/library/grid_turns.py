"""Describe the jobs that were requested together as a grid: its headings, and the job of each cell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from imagegen_app.core.alternatives import differing_parts
from imagegen_app.models import Job
from imagegen_app.services.job_requests import shot_choice

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from uuid import UUID

    from django.db.models import QuerySet

    from imagegen_app.core.actors import Person
    from imagegen_app.services.library.session_turns import Turn

#: The names of the axes that are no parameter, as `request_sets` has them.
_WORDS, _SEED, _MODEL = "words", "seed", "model"


@dataclass(frozen=True, slots=True)
class Grid:
    """Jobs that were requested together, in rows and columns."""

    #: What differs across and down: `words`, `seed`, `model` or a parameter; `rows` may be empty.
    columns: str
    rows: str
    column_labels: tuple[str, ...]
    #: One empty label where nothing differs down.
    row_labels: tuple[str, ...]
    #: Row by row; None where a job is gone.
    cells: tuple[tuple[Turn | None, ...], ...]

    @property
    def is_running(self) -> bool:
        """Whether one of its jobs has not ended."""
        return any(turn and not turn.progress.is_final for row in self.cells for turn in row)


def jobs_of(actor: Person, keys: Collection[UUID]) -> QuerySet[Job]:
    """Return the person's own jobs of several grids, cell by cell."""
    jobs: QuerySet[Job] = (
        Job.objects.filter(requester=actor.user, grid__in=keys, root__isnull=True)
        .select_related(
            "image_model__provider", "template_version__template", "live_attempt", "cached_from"
        )
        .order_by("grid", "grid_cell")
    )
    return jobs


def grid_of(jobs: Sequence[Job], turns: Mapping[UUID, Turn]) -> Grid:
    """Return the grid of its jobs; `turns` are by the keys of the jobs."""
    axes = jobs[0].grid_axes
    width = max(1, int(axes.get("width") or 1))
    by_cell = {job.grid_cell: job for job in jobs if job.grid_cell is not None}
    height = max(by_cell, default=0) // width + 1
    columns, rows = str(axes.get("columns", "")), str(axes.get("rows", ""))
    across = [_first(by_cell, range(column, width * height, width)) for column in range(width)]
    down = [_first(by_cell, range(row * width, (row + 1) * width)) for row in range(height)]
    return Grid(
        columns=columns,
        rows=rows,
        column_labels=tuple(_labels(columns, across)),
        row_labels=tuple(_labels(rows, down)),
        cells=tuple(
            tuple(
                turns.get(by_cell[row * width + column].pk)
                if row * width + column in by_cell
                else None
                for column in range(width)
            )
            for row in range(height)
        ),
    )


def _first(by_cell: Mapping[int, Job], cells: range) -> Job | None:
    return next((by_cell[cell] for cell in cells if cell in by_cell), None)


def _labels(axis: str, jobs: Sequence[Job | None]) -> list[str]:
    """Return the headings of one side; of words only what tells them from each other."""
    if axis == _WORDS:
        shots = ["" if job is None else shot_choice.shot_label(job) for job in jobs]
        if all(shots) and len(set(shots)) == len(shots):
            return shots
        return differing_parts(["" if job is None else job.prompt for job in jobs])
    return ["" if job is None else _label(axis, job) for job in jobs]


def _label(axis: str, job: Job) -> str:
    if axis == _SEED:
        return "" if job.seed is None else str(job.seed)
    if axis == _MODEL:
        return str(job.image_model.name)
    return str(job.parameters.get(axis, "")) if axis else ""
