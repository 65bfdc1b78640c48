"""An outdated image is made anew only by who may read the words that its new batch would hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from imagegen_app.models import AuditEvent, Batch
from imagegen_app.services.batches import outdated
from imagegen_app.services.batches.outdated import NothingToRefresh
from imagegen_app.services.policy import access
from imagegen_app.testing.factories import make_user
from project.catalog.models import Product
from tests.services.batches.test_outdated import placed, target, version

if TYPE_CHECKING:
    from imagegen_app.models import TemplateVersion
    from tests.services.conftest import Site

__all__ = ["version"]


def test_values_that_somebody_else_gave_are_not_taken_over_by_who_may_not_read_them(
    site: Site, version: TemplateVersion
) -> None:
    (product,) = placed(site, version)
    Product.objects.filter(pk=product.pk).update(name="Red bowl")
    other = access.actor_for(
        make_user(groups=["Image editors"], permissions=["catalog.change_product"])
    )

    (one,) = outdated.find_page(actor=other, target=target()).images
    with pytest.raises(NothingToRefresh, match="given by somebody else"):
        outdated.refresh(actor=other, target=target(), shown=None, key="k")

    assert not one.is_refreshable
    assert "Ask whoever requested it" in one.today.problem
    assert Batch.objects.count() == 1
    officer = make_user(
        groups=["Image editors"], permissions=["catalog.change_product", "imagegen.view_prompt"]
    )
    outdated.refresh(actor=access.actor_for(officer), target=target(), shown=None, key="k")
    assert AuditEvent.objects.filter(type="asset.prompt_viewed").count() == 1


def test_what_comes_from_the_objects_alone_is_refreshed_by_anybody_who_may_change_them(
    site: Site, version: TemplateVersion
) -> None:
    (product,) = placed(site, version, mapping={"product": "name", "look": "material"}, fixed={})
    Product.objects.filter(pk=product.pk).update(name="Red bowl")
    other = access.actor_for(
        make_user(groups=["Image editors"], permissions=["catalog.change_product"])
    )

    assert len(outdated.refresh(actor=other, target=target(), shown=None, key="k")) == 1
