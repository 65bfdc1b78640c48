"""Run the main job through a provider, and then everything else that its models can do."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from imagegen_app.models import Asset
from imagegen_app.services.policy.access import ActionRefused
from project.demo import main_job, simulated

if TYPE_CHECKING:
    from collections.abc import Callable

    from imagegen_app.models import ImageModel, Job
    from project.demo.main_job import Row
    from project.demo.simulated import SimulatedProvider
    from project.demo.supervision import Supervised

SANDBOX_MODEL = "sandbox-1"


@dataclass(frozen=True, slots=True)
class ProviderRun:
    """What became of the jobs at one provider."""

    provider: str
    adapter: str
    seconds: float
    rows: list[Row] = field(default_factory=list)
    #: What the provider billed; None where nobody does.
    billed: int | None = None
    #: Why it did not come to its end.
    error: str = ""

    @property
    def operations(self) -> list[str]:
        """What was run, in order and once each."""
        return list(dict.fromkeys(row.operation for row in self.rows))

    @property
    def is_ok(self) -> bool:
        """Whether every job made an image with valid credentials, and was billed once."""
        made = all(row.state == "succeeded" and row.credentials_valid for row in self.rows)
        return made and bool(self.rows) and not self.error and self._has_honest_bill

    @property
    def _has_honest_bill(self) -> bool:
        return self.billed in {None, len(self.rows)}

    @property
    def outcome(self) -> str:
        """One line about it for people."""
        if self.error:
            return self.error
        failed = [row for row in self.rows if row.state != "succeeded"]
        if failed:
            return f"{failed[0].operation}: {failed[0].error or failed[0].state}"
        if not self._has_honest_bill:
            return f"{len(self.rows)} images, but {self.billed} billed"
        if not self.is_ok:
            return "an image without valid credentials"
        billed = "nothing to bill" if self.billed is None else f"{self.billed} billed"
        return f"{len(self.rows)} signed, {billed}"

    def as_dict(self) -> dict[str, Any]:
        return {
            "provider": self.provider,
            "adapter": self.adapter,
            "ok": self.is_ok,
            "operations": self.operations,
            "seconds": round(self.seconds, 1),
            "billed": self.billed,
            "error": self.error,
            "jobs": [row.as_dict() for row in self.rows],
        }


@dataclass(frozen=True, slots=True)
class Options:
    """How the main job is run."""

    #: Products that get an image.
    images: int
    #: The first of them in the catalogue, from 0.
    first: int
    #: Whether the home page gets an image, too.
    on_home_page: bool
    #: The short name of a model; empty for the provider's first one.
    model: str
    timeout: float


def run(
    provider: SimulatedProvider,
    *,
    url: str,
    worker: Supervised,
    options: Options,
    say: Callable[[str], None],
    progress: Callable[[int, int], None],
) -> ProviderRun:
    """Run the main job and one job for each further operation, with the simulator as the provider."""
    started = time.monotonic()
    rows: list[Row] = []
    error, billed = "", None

    def waited(jobs: list[Job]) -> list[Job]:
        main_job.wait(jobs, worker=worker, seconds=options.timeout, progress=progress)
        return jobs

    try:
        models = simulated.setup(provider, url=url)
        with simulated.running(provider, url=url, say=say):
            # Models that only alter images get one of the sandbox's.
            usual = models[0].slug if provider.generates else SANDBOX_MODEL
            jobs = main_job.request_all(
                count=options.images, model=options.model or usual, first=options.first
            )
            made = main_job.finish(waited(jobs), on_home_page=options.on_home_page)
            rows += made if provider.generates else []
            if made[0].asset:
                picture = Asset.objects.get(pk=made[0].asset)
                rows += main_job.check(waited(_further(provider, models, picture=picture)))
            billed = simulated.billed_images(provider, url=url)
    except ActionRefused as refusal:
        error = str(refusal)
    except (main_job.MainJobFailed, simulated.SimulatorFailed) as fault:
        error = f"{fault}".removesuffix(".") + "."
    return ProviderRun(
        provider=provider.name,
        adapter=provider.adapter,
        seconds=time.monotonic() - started,
        rows=rows,
        billed=billed,
        error=error,
    )


def _further(provider: SimulatedProvider, models: list[ImageModel], *, picture: Asset) -> list[Job]:
    """Request what the main job has not: it generates with the first model."""
    slugs = {model.provider_model_name: model.slug for model in models}
    done = (models[0].provider_model_name, "generate")
    return [
        main_job.request_like(sample, model=slugs[sample.model], picture=picture)
        for sample in provider.requests
        if (sample.model, sample.operation) != done
    ]
