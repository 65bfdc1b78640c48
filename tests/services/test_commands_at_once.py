"""Two people give the same command at the same moment: one event, and no error of ours."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import pytest
from django.db import connection

from imagegen_app.models import AuditEvent
from imagegen_app.services.policy import access
from imagegen_app.services.policy.access import ActionRefused
from imagegen_app.testing.factories import make_user
from tests.at_once import at_once
from tests.services.command_table import COMMANDS, Command

if TYPE_CHECKING:
    from imagegen_app.core.actors import Person
    from tests.services.conftest import Site

pytestmark = pytest.mark.django_db(transaction=True)
#: Commands that are left out, with the reason.
LEFT_OUT = {
    "audit.prompt_access.read_prompt": "of two readings at once, each may be recorded",
    "audit.sealing.make_checkpoint": "records no event; its lock has tests of its own",
    "audit.sealing.seal_all": "records no event; its lock has tests of its own",
    "library.template_cards.set_favourite": "records no event; a favourite is unique",
    "policy.roles.create_groups": "records an event for each group; no two people press it",
}
AT_ONCE = [command for command in COMMANDS if command.name not in LEFT_OUT]


def _id(command: Command) -> str:
    return f"{command.name.partition('.')[2]}{f' ({command.note})' if command.note else ''}"


@pytest.mark.parametrize("command", AT_ONCE, ids=_id)
def test_a_command_given_twice_at_once_is_carried_out_once(site: Site, command: Command) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("elsewhere, transactions follow one another or threads share a connection")
    groups = ["Image editors", "Image administrators"]
    people: list[Person] = [
        access.actor_for(make_user(name, groups=groups, is_superuser=True))
        for name in (["ann", "ann-2"] if not command.own else ["ann"])
    ]
    subject = command.arrange(site)
    other = copy.deepcopy(subject)
    before = AuditEvent.objects.count()

    raised = at_once(
        lambda: command.give(people[0], subject), lambda: command.give(people[-1], other)
    )

    recorded = list(AuditEvent.objects.order_by("pk").values_list("type", flat=True)[before:])
    assert [error for error in raised if not isinstance(error, ActionRefused)] == []
    assert len(raised) <= 1
    assert recorded.count(command.event) == 1, recorded
