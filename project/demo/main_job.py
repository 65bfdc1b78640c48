"""Run the main job: products of the catalogue get governed, marked, signed, approved images."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from cms.models import PageContent
from django.contrib.auth import get_user_model

from imagegen_app import attach, generate
from imagegen_app.contrib.djangocms.publishing import place_on_page
from imagegen_app.core.states import FINAL_STATES
from imagegen_app.core.types import InputRole, Size
from imagegen_app.models import Asset, Job
from imagegen_app.services.job_requests.values import InputSource
from imagegen_app.services.library import alt_texts, inspection, review
from imagegen_app.services.policy import access
from project.catalog.models import Product
from project.demo.supervision import KeepsDying

if TYPE_CHECKING:
    from collections.abc import Callable

    from imagegen_app.core.types import GenerationRequest
    from project.demo.supervision import Supervised

POLL_SECONDS = 0.2


class MainJobFailed(Exception):
    """The main job did not come to its end; the message says why."""


@dataclass(frozen=True, slots=True)
class Row:
    """The result of one job."""

    job: str
    operation: str
    state: str
    model: str
    cost: str
    asset: str
    file: str
    placed: tuple[str, ...]
    credentials_valid: bool
    credentials: str
    error: str = ""

    def as_dict(self) -> dict[str, object]:
        return asdict(self)


def request_all(*, count: int, model: str, first: int = 0) -> list[Job]:
    """Request one image for each of `count` products from the first one on, as the editor.

    :raises MainJobFailed: if the catalogue has too few products.
    """
    editor = get_user_model().objects.get(username="editor")
    published = Product.objects.filter(is_published=True).order_by("pk")
    products = list(published[first : first + count])
    if len(products) < count:
        raise MainJobFailed(f"the catalogue has {len(products)} products, not {count}")
    return [
        generate(
            user=editor,
            template="product-still-life",
            variables={
                "product": product.name,
                "material": product.material,
                "colour": product.colour,
            },
            model=model,
            row_key=product.sku,
        )
        for product in products
    ]


def request_like(sample: GenerationRequest, *, model: str, picture: Asset) -> Job:
    """Request what a sample asks for, as the editor; the picture stands in for its input image."""
    editor = get_user_model().objects.get(username="editor")
    inputs = [
        InputSource(role=one.role, asset=picture, guide=one.guide)
        if one.role is InputRole.IMAGE
        else InputSource(role=one.role, data=one.data, guide=one.guide)
        for one in sample.inputs
    ]
    size = sample.size
    for one in sample.inputs[:1]:
        # As much larger than its input as in the sample.
        size = Size(
            picture.width * size.width // one.width, picture.height * size.height // one.height
        )
    return generate(
        user=editor,
        prompt="The same on a wooden table, in evening light.",
        model=model,
        operation=sample.operation,
        size=size,
        output_format=sample.output_format,
        parameters=sample.parameters,
        loras=sample.loras,
        inputs=inputs,
    )


def wait(
    jobs: list[Job],
    *,
    worker: Supervised,
    seconds: float,
    progress: Callable[[int, int], None],
) -> None:
    """Wait until all jobs have ended.

    :raises MainJobFailed: if the worker keeps dying, or it takes too long.
    """
    until = time.monotonic() + seconds
    while True:
        ended = Job.objects.filter(
            pk__in=[j.pk for j in jobs], state__in=sorted(FINAL_STATES | {"uncertain"})
        ).count()
        progress(ended, len(jobs))
        if ended == len(jobs):
            return
        try:
            worker.look()
        except KeepsDying as fault:
            raise MainJobFailed(str(fault).removesuffix(".")) from None
        if time.monotonic() > until:
            raise MainJobFailed(f"{len(jobs) - ended} jobs had not ended after {seconds:.0f} s")
        time.sleep(POLL_SECONDS)


def finish(jobs: list[Job], *, on_home_page: bool = True) -> list[Row]:
    """Approve, place and check what the jobs made; the home page gets the first image."""
    users = get_user_model().objects
    editor, reviewer = users.get(username="editor"), users.get(username="reviewer")
    rows = []
    for number, job in enumerate(jobs):
        job.refresh_from_db()
        asset = Asset.objects.results_of(job).first()
        if asset is None:
            rows.append(_row(job, None, ()))
            continue
        product = Product.objects.get(sku=job.row_key)
        if asset.review_state == "pending":
            review.approve(actor=access.actor_for(reviewer), asset=asset, note="Demo")
        alt = f"{product.name}, {product.colour}"
        alt_texts.set_alt_text(actor=access.actor_for(editor), asset=asset, alt_text=alt)
        attach(asset, product, "image", user=editor)
        placed = [f"product “{product.name}”"]
        if number == 0 and on_home_page:
            placed.append(_on_home_page(asset, editor, alt))
        rows.append(_row(job, asset, tuple(placed)))
    return rows


def check(jobs: list[Job]) -> list[Row]:
    """Check what jobs made whose images are placed nowhere."""
    rows = []
    for job in jobs:
        job.refresh_from_db()
        rows.append(_row(job, Asset.objects.results_of(job).first(), ()))
    return rows


def _on_home_page(asset: Asset, editor: object, alt: str) -> str:
    content = (
        PageContent.admin_manager.filter(page__is_home=True, language="en")
        .current_content()
        .order_by("-pk")
        .first()
    )
    if content is None:
        raise MainJobFailed("there is no home page to place an image on")
    place_on_page(
        actor=access.actor_for(editor),
        page_content=content,
        asset=asset,
        placeholder="hero",
        alt_text=alt,
        publish=True,
    )
    return f"page “{content.title}”"


def _row(job: Job, asset: Asset | None, placed: tuple[str, ...]) -> Row:
    found = inspection.inspect_stored(asset) if asset is not None else None
    return Row(
        job=str(job.pk),
        operation=job.operation,
        state=job.state,
        model=job.image_model.slug,
        cost=f"{job.actual_cost or 0:.4f} {job.currency}",
        asset="" if asset is None else str(asset.pk),
        file="" if asset is None else asset.storage_key,
        placed=placed,
        credentials_valid=found is not None and found.is_intact,
        credentials="none" if found is None else found.summary,
        error=job.error_message if asset is None else "",
    )
