"""A site with one of each row, and people in every role."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from django.conf import settings as django_settings
from django.template.base import Variable, VariableDoesNotExist

from imagegen_app.core.actors import System
from imagegen_app.models import Budget, Provider, WorkflowVersion
from imagegen_app.services.audit import sealing
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.library import placement
from imagegen_app.services.policy import model_catalog
from imagegen_app.testing.factories import (
    make_asset,
    make_brand_kit,
    make_grant,
    make_group,
    make_image_model,
    make_template,
    make_user,
)
from tests import arranged_rows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.test import Client

CANARY = "canary-prompt-8231"


@pytest.fixture(autouse=True)
def variables_that_are_there(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let no page of ours name a variable that its view does not hand in: Django shows nothing."""
    missing: set[str] = set()
    look_up = Variable.resolve

    def resolve(self: Variable, context: Any) -> Any:
        try:
            return look_up(self, context)
        except VariableDoesNotExist:
            origin = str(getattr(context.render_context.template, "origin", ""))
            if "/imagegen_app/" in origin:
                missing.add(f"{origin.rpartition('/imagegen_app/')[2]}: {self.var}")
            raise

    monkeypatch.setattr(Variable, "resolve", resolve)
    yield
    assert missing == set()


@pytest.fixture
def immediate(settings: Any) -> Any:
    """Make images at once, small."""
    settings.IMAGEGEN = {
        **django_settings.IMAGEGEN,
        "ENGINE": "imagegen_app.engines.immediate.ImmediateEngine",
        "RENDITIONS": {"WIDTHS": [64], "FORMATS": ["webp", "jpeg"]},
    }
    return settings


@pytest.fixture
def people(db: None) -> dict[str, Any]:
    """Return one person of each role, staff all but the visitor."""
    return arranged_rows.people()


@pytest.fixture
def rows(people: dict[str, Any]) -> dict[str, Any]:
    """Return one row of each table that the admin shows, requested by a stranger."""
    owner = make_user("owner")
    model = make_image_model(provider_model_name="sandbox-1")
    version, kit = make_template(), make_brand_kit()
    grant = make_grant(group=make_group("Image editors"), image_model=model)
    asset = make_asset(requester=owner)
    budget = Budget(name="All", scope="site", period="month", limit=Decimal(10))
    model_catalog.save(actor=System("test"), record=budget)
    placement.record_placement(
        actor=System("test"), asset=asset, target=version.template, field="x", value="y"
    )
    sealing.seal_all()
    checkpoint = sealing.make_checkpoint(System("test"), force=True)
    return {
        "provider": model.provider,
        "imagemodel": model,
        "grant": grant,
        "brandkit": kit.kit,
        "brandkitversion": kit,
        "prompttemplate": version.template,
        "templateversion": version,
        "workflowversion": _stored_workflow(model.provider),
        "job": asset.job,
        "attempt": asset.attempt,
        "asset": asset,
        "rendition": asset.renditions.first(),
        "placement": asset.placements.first(),
        "budget": budget,
        "checkpoint": checkpoint,
    }


@use_case(audited=False)
def _stored_workflow(provider: Provider) -> WorkflowVersion:
    return WorkflowVersion.objects.create(
        provider=provider, name="portrait", number=1, document={}, digest="0" * 64
    )


@pytest.fixture
def editor(client: Client, people: dict[str, Any]) -> Client:
    """Return a browser in which the editor is logged in."""
    client.force_login(people["Image editors"])
    return client
