"""Set a site up from a description: what is there already stays, what differs is changed, in one go.

Rows that a description does not name are left alone; so are values that its entries leave out. Each
change goes through the use case that the admin's form takes, and is in the audit log.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.contrib.auth.models import Permission

from imagegen_app import database
from imagegen_app.core.description_reader import InvalidDescription
from imagegen_app.core.setup_document import SiteSetup, read_description
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.gateways import setup_reader
from imagegen_app.services.policy import access
from imagegen_app.services.policy._setup_access import AccessPlan
from imagegen_app.services.policy._setup_catalog import CatalogPlan
from imagegen_app.services.policy._setup_steps import (
    InvalidSetup,
    Notes,
    SetupAction,
    SetupChange,
    SetupDifference,
)
from imagegen_app.services.policy.model_catalog import InvalidRecord

if TYPE_CHECKING:
    from imagegen_app.core.actors import Actor
    from imagegen_app.services.policy._setup_steps import Step

__all__ = [
    "InvalidSetup",
    "SetupAction",
    "SetupChange",
    "SetupDifference",
    "SetupReport",
    "apply",
    "preview",
    "read",
]


@dataclass(frozen=True, slots=True)
class SetupReport:
    """What a set-up has changed, or would change."""

    #: One for each thing that the description names, also those that stay as they are.
    changes: tuple[SetupChange, ...]
    is_dry_run: bool = False

    @property
    def has_changes(self) -> bool:
        """Whether anything is new or different."""
        return any(one.action is not SetupAction.UNCHANGED for one in self.changes)


def read(description: object) -> SiteSetup:
    """Return what a file, given by its path, or a dict describes.

    :raises InvalidSetup: if it cannot be read, or has an unknown name or a wrong value; names all.
    """
    try:
        document = (
            setup_reader.read_file(description)
            if setup_reader.is_path(description)
            else description
        )
        return read_description(document)
    except InvalidDescription as error:
        raise InvalidSetup.from_problems(error.problems) from None


def preview(*, actor: Actor, setup: SiteSetup) -> SetupReport:
    """Return what `apply` would do; nothing is written.

    :raises InvalidSetup: if it could not be carried out; names all that is wrong.
    :raises NotPermitted: if the actor may not do a part of it.
    """
    steps = _plan(actor, setup)
    return SetupReport(tuple(step.change for step in steps), is_dry_run=True)


@use_case()
def apply(*, actor: Actor, setup: SiteSetup) -> SetupReport:
    """Carry a set-up out: all of it, or nothing.

    :raises InvalidSetup: if it cannot be carried out; names all that is wrong.
    :raises NotPermitted: if the actor may not do a part of it.
    """
    # Two set-ups at the same moment would both make what is missing. A row that every site has after
    # its migrations stands for all of it; whoever waits for it plans with what the first has made.
    rows = (
        database.accounts(Permission).select_for_update().filter(content_type__app_label="imagegen")
    )
    list(rows.order_by("pk").values_list("pk")[:1])
    steps = _plan(actor, setup)
    for step in steps:
        if step.change.action is not SetupAction.UNCHANGED:
            try:
                step.carry_out(actor)
            except InvalidRecord as refusal:
                raise InvalidSetup([(step.place, refusal.reason)]) from None
    return SetupReport(tuple(step.change for step in steps))


def _plan(actor: Actor, setup: SiteSetup) -> list[Step]:
    notes = Notes()
    catalog = CatalogPlan(notes)
    catalog.plan_providers(setup.providers)
    catalog.plan_models(setup.models)
    groups = AccessPlan(notes, catalog, actor=actor)
    groups.plan_groups(setup.groups)
    groups.plan_grants(setup.grants)
    groups.plan_budgets(setup.budgets)
    if notes.problems:
        raise InvalidSetup(notes.problems)
    for step in notes.steps:
        if step.change.action is not SetupAction.UNCHANGED:
            for permission in step.permissions:
                access.require_permission(actor, permission)
    return notes.steps
