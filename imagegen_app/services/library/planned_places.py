"""Tell for which field of its row's object a batch has made an image, by the shot that it shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imagegen_app.services.gateways import content_fields

if TYPE_CHECKING:
    from imagegen_app.models import Batch
    from imagegen_app.services.gateways.content_fields import Target


def main_target(batch: Batch) -> Target | None:
    """Return the field that a batch was started for; None for none, or if the site has it no more."""
    return content_fields.target_by_path(str(batch.mapping.get("target", "")))


def target_of(batch: Batch, shot: str = "") -> Target | None:
    """Return the field that a batch's images of a shot are for.

    None if they are for the library alone, or if the site has the field no more.
    """
    main = main_target(batch)
    fields = batch.shot_fields
    if main is None or not fields:
        return main
    name = fields.get(shot, "")
    return content_fields.target_for_field(main.model, name) if name else None


def unplaced_shots(batch: Batch) -> list[str]:
    """Return the shots of a batch whose images stay in the library."""
    return [shot for shot in batch.shot_fields if target_of(batch, shot) is None]
