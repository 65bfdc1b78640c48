"""Every command is given twice: by the same tab, by an old one, and by another person.

The second time changes nothing and records nothing. It answers as the first time did, or says
calmly that it was done before.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import pytest
from django.db.models import Model

from imagegen_app.models import AuditEvent
from imagegen_app.services.policy import access, model_catalog
from imagegen_app.services.policy.access import ActionRefused
from imagegen_app.testing.factories import (
    make_user,
)
from tests.services import commands_in_use
from tests.services.command_exceptions import EXCEPTIONS
from tests.services.command_table import COMMANDS, Command

if TYPE_CHECKING:
    from imagegen_app.core.actors import Person
    from tests.services.conftest import Site


def _id(command: Command) -> str:
    return f"{command.name.partition('.')[2]}{f' ({command.note})' if command.note else ''}"


@pytest.fixture
def two_people(site: Site) -> tuple[Person, Person]:
    groups = ["Image editors", "Image administrators"]
    first, second = (
        access.actor_for(make_user(name, groups=groups, is_superuser=True))
        for name in ("ann", "bo")
    )
    return first, second


def events() -> list[str]:
    return list(AuditEvent.objects.order_by("pk").values_list("type", flat=True))


def plain(answer: object) -> object:
    return (type(answer).__name__, answer.pk) if isinstance(answer, Model) else answer


@pytest.mark.parametrize("again", ["in the same tab", "in an old tab", "by another person"])
@pytest.mark.parametrize("command", COMMANDS, ids=_id)
def test_a_command_given_twice_is_carried_out_once(
    site: Site, two_people: tuple[Person, Person], command: Command, again: str
) -> None:
    if again == "by another person" and command.own:
        pytest.skip(command.own)
    subject = command.arrange(site)
    old_tab = subject if again == "in the same tab" else copy.deepcopy(subject)
    before = events()

    first = plain(command.give(two_people[0], subject))
    recorded = events()[len(before) :]
    refusal: ActionRefused | None = None
    second: object = None
    try:
        second = plain(command.give(two_people[again == "by another person"], old_tab))
    except ActionRefused as error:
        refusal = error

    assert recorded.count(command.event) == (1 if command.event else 0), recorded
    assert events()[len(before) + len(recorded) :] == []
    if refusal is None:
        assert second == first
    elif command.field:
        assert isinstance(refusal, model_catalog.InvalidRecord)
    else:
        assert refusal.is_already_done, str(refusal)
        assert "ann did this on" in refusal.reason


def test_the_table_names_every_command_that_is_in_use() -> None:
    named = {command.name for command in COMMANDS} | EXCEPTIONS.keys()

    assert sorted(commands_in_use.commands() - named) == []


def test_an_exception_is_in_use_and_not_in_the_table() -> None:
    assert sorted(EXCEPTIONS.keys() - commands_in_use.commands()) == []
    assert sorted(EXCEPTIONS.keys() & {command.name for command in COMMANDS}) == []
