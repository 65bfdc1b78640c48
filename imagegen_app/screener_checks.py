"""Check the content checks of the settings: whether they can decide, and what they leave out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.core.checks import CheckMessage, Error, Warning  # noqa: A004 - Django's name for it

from imagegen_app.services.monitoring import screener_status

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imagegen_app import conf

_STAGES = {"prompt", "input", "output"}


def screeners(settings: conf.Settings) -> Iterator[CheckMessage]:
    """Yield what is wrong with the settings of each content check."""
    for entry in settings.screeners:
        unknown = set(entry.stages) - _STAGES
        if unknown:
            yield Error(
                f"The content check {entry.name!r} has an unknown stage {min(unknown)!r}.",
                hint="Stages are prompt, input and output.",
                id="imagegen.E008",
            )
        if entry.on_error not in {"block", "pass"}:
            yield Error(
                f"The content check {entry.name!r} has an unknown ON_ERROR {entry.on_error!r}.",
                hint="Use block (closed) or pass (open).",
                id="imagegen.E008",
            )
        if problem := screener_status.load_problem(entry):
            yield Error(
                f"The content check {entry.name!r} cannot be loaded: {problem}.",
                hint=f"Check that {entry.backend} exists and accepts the OPTIONS.",
                id="imagegen.E008",
            )
        if screener_status.lacks_price(entry):
            yield Error(
                f"The content check {entry.name!r} is billed and has no price; it is not asked, "
                "and counts as failed.",
                hint="Give it a PRICE, or say in its OPTIONS that it is free: is_billed=False.",
                id="imagegen.E072",
            )


def image_screening(settings: conf.Settings) -> Iterator[CheckMessage]:
    """Yield what no content check of images looks at."""
    del settings
    if not screener_status.has_image_check():
        yield Warning(
            "No content check looks at images.",
            hint="Add one to IMAGEGEN['SCREENERS'] with the stages input and output.",
            id="imagegen.W074",
        )
    elif categories := screener_status.unseen_in_images():
        yield Warning(
            "The only content check of images does not judge these categories in them: "
            f"{', '.join(categories)}.",
            hint="Add a second one that does, such as HttpClassifier for a service that sees minors.",
            id="imagegen.W073",
        )
    if unseen := screener_status.hard_categories_unseen_in_images():
        yield Warning(
            f"No content check finds these hard categories in images: {', '.join(unseen)}.",
            hint="Name the service's categories for them in the OPTIONS as hard_categories, or add a "
            "content check that has them.",
            id="imagegen.W075",
        )
