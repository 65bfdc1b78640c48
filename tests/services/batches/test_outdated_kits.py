"""An image that was made with a kit of the requester's choice is compared with that kit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imagegen_app.models import Job
from imagegen_app.services.batches import outdated, row_jobs
from imagegen_app.services.job_requests import brand_kits
from imagegen_app.testing.factories import make_brand_kit
from tests.services.batches.test_outdated import boss, found, placed, target, told, version

if TYPE_CHECKING:
    from imagegen_app.models import TemplateVersion
    from tests.services.conftest import Site

__all__ = ["version"]


def test_a_kit_that_was_chosen_beside_the_template_stays_the_images_own(
    site: Site, version: TemplateVersion
) -> None:
    chosen = make_brand_kit(style_words="at dusk")
    placed(site, version, brand_kit=chosen)
    assert found(site) == []

    brand_kits.publish(
        actor=boss(), kit=chosen.kit, draft=brand_kits.KitDraft(style_words="at dawn")
    )

    assert told(site) == [("Brand kit", f"{chosen.kit.name} v1", f"{chosen.kit.name} v2")]
    (batch,) = outdated.refresh(actor=site.actor, target=target(), shown=None, key="again")
    assert str(batch.brand_kit_version) == f"{chosen.kit.name} v2"
    while row_jobs.create_next_jobs():
        pass
    assert Job.objects.get(batch=batch).prompt.endswith("at dawn")
