"""A change of rights leaves an event, whoever makes it and by whichever side."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.db import DatabaseError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from imagegen_app.models import AuditEvent
from imagegen_app.services.audit import descriptions
from imagegen_app.services.foundation import acting
from imagegen_app.services.policy import access, account_events, roles
from imagegen_app.testing.factories import make_group, make_user

if TYPE_CHECKING:
    from django.test import Client

pytestmark = pytest.mark.django_db


def recorded() -> list[tuple[str, str, dict[str, Any]]]:
    """Return kind, object and data of all events about accounts and groups, in order."""
    rows = AuditEvent.objects.filter(type__regex="^(account|group)").order_by("pk")
    return [(row.type, row.object_id, json.loads(row.body)["data"]) for row in rows]


def make_account(**fields: Any) -> User:
    account: User = make_user(**fields)
    return account


def test_an_editor_made_administrator_and_superuser_leaves_a_trace() -> None:
    officer, editor = make_account(username="officer"), make_account(username="editor")
    administrators = make_group("Image administrators")

    with acting.acting_as(access.actor_for(officer)):
        editor.groups.add(administrators)
        editor.is_superuser = editor.is_staff = True
        editor.save()

    assert [(kind, key) for kind, key, _data in recorded()] == [
        ("account.group_added", str(editor.pk)),
        ("account.rights_changed", str(editor.pk)),
    ]
    assert recorded()[0][2]["group_name"] == "Image administrators"
    assert recorded()[1][2]["changes"] == {
        "is_superuser": {"before": False, "after": True},
        "is_staff": {"before": False, "after": True},
    }
    assert set(AuditEvent.objects.values_list("actor_id", flat=True)) == {str(officer.pk)}


def test_the_admin_records_the_person_who_changed_an_account(client: Client) -> None:
    chief, editor = make_account(is_superuser=True, is_staff=True), make_account()
    group = make_group("Compliance")
    client.force_login(chief)

    answer = client.post(
        reverse("admin:auth_user_change", args=[editor.pk]),
        {
            "username": editor.username,
            "is_active": "on",
            "is_superuser": "on",
            "groups": [str(group.pk)],
            "date_joined_0": "2026-11-01",
            "date_joined_1": "10:00:00",
        },
    )

    assert answer.status_code == 302
    rows = AuditEvent.objects.filter(object_id=str(editor.pk), object_type="user")
    kinds = {"account.rights_changed", "account.group_added"}
    assert set(rows.values_list("type", flat=True)) == kinds
    assert set(rows.values_list("actor_id", flat=True)) == {str(chief.pk)}
    assert len(set(rows.values_list("request_id", flat=True))) == 1
    assert rows[0].request_id


def test_code_that_does_not_say_who_acts_is_named_as_such() -> None:
    make_account().groups.add(make_group("Compliance"))

    event = AuditEvent.objects.get(type="account.group_added")
    assert (event.actor_kind, event.actor_id) == ("system", "code")


def test_groups_left_cleared_and_set_from_either_side() -> None:
    account, other = make_account(), make_account()
    one, two = make_group("One"), make_group("Two")

    account.groups.add(one, two)
    account.groups.add(one)
    account.groups.remove(one, make_group("Three"))
    account.groups.clear()
    one.user_set.add(account, other)
    one.user_set.set([other])
    one.user_set.clear()

    assert [(kind, key, data["group_name"]) for kind, key, data in recorded()] == [
        ("account.group_added", str(account.pk), "One"),
        ("account.group_added", str(account.pk), "Two"),
        ("account.group_removed", str(account.pk), "One"),
        ("account.group_removed", str(account.pk), "Two"),
        ("account.group_added", str(account.pk), "One"),
        ("account.group_added", str(other.pk), "One"),
        ("account.group_removed", str(account.pk), "One"),
        ("account.group_removed", str(other.pk), "One"),
    ]


def test_permissions_of_groups_and_accounts_from_either_side() -> None:
    account, group = make_account(), make_group("One")
    allowed = Permission.objects.get(codename="request_job")
    costs = Permission.objects.get(codename="view_costs")

    group.permissions.set([allowed, costs])
    group.permissions.remove(costs)
    allowed.group_set.clear()
    account.user_permissions.add(costs)
    costs.user_set.remove(account)

    def facts(data: dict[str, Any]) -> Any:
        return data.get("added"), data.get("removed")

    assert [(kind, key, facts(data)) for kind, key, data in recorded()] == [
        (
            "group.permissions_changed",
            str(group.pk),
            (["imagegen.request_job", "imagegen.view_costs"], None),
        ),
        ("group.permissions_changed", str(group.pk), (None, ["imagegen.view_costs"])),
        ("group.permissions_changed", str(group.pk), (None, ["imagegen.request_job"])),
        ("account.permissions_changed", str(account.pk), (["imagegen.view_costs"], None)),
        ("account.permissions_changed", str(account.pk), (None, ["imagegen.view_costs"])),
    ]


def test_many_permissions_take_as_many_statements_as_few() -> None:
    def statements(group: Group, permissions: list[Permission]) -> int:
        with CaptureQueriesContext(connection) as queries:
            group.permissions.add(*permissions)
        return len(queries)

    some = list(Permission.objects.order_by("pk")[:40])
    statements(make_group("First"), some[:1])  # Django remembers the types of contents from now on

    assert statements(make_group("One"), some[:1]) == statements(make_group("Two"), some)


def test_the_roles_that_come_with_the_app_are_recorded_once() -> None:
    roles.create_groups()
    first = recorded()

    roles.create_groups()

    assert {data["group_name"] for _kind, _key, data in first} == set(roles.ROLES)
    assert recorded() == first


def test_renamed_and_deleted_groups_and_deleted_accounts() -> None:
    group = make_group("One")
    group.permissions.add(Permission.objects.get(codename="request_job"))
    account = make_account(groups=["One"], is_staff=True)
    before = len(recorded())

    group.name = "Other"
    group.save()
    group.save()
    group_id, account_id = str(group.pk), str(account.pk)
    group.delete()
    account.delete()

    assert recorded()[before:] == [
        ("group.renamed", group_id, {"group_name": "Other", "before": "One", "after": "Other"}),
        (
            "group.deleted",
            group_id,
            {
                "group_name": "Other",
                "count": 1,
                "members": [account_id],
                "permissions": ["imagegen.request_job"],
            },
        ),
        (
            "account.deleted",
            account_id,
            {"is_superuser": False, "is_staff": True, "is_active": True, "groups": []},
        ),
    ]


def test_new_accounts_and_sign_ups_without_rights_leave_none() -> None:
    account = make_account()
    account.is_active = False
    account.first_name = "Ada"
    account.save()
    account.save(update_fields=["last_login"])
    account.delete()

    assert recorded() == []


def test_a_superuser_made_by_a_command_and_a_disabled_officer_leave_one_each() -> None:
    chief = User.objects.create_superuser("chief")
    chief.is_active = False
    chief.save(update_fields=["is_active"])

    assert [data["changes"] for _kind, _key, data in recorded()] == [
        {
            "is_superuser": {"before": False, "after": True},
            "is_staff": {"before": False, "after": True},
        },
        {"is_active": {"before": True, "after": False}},
    ]


def test_a_change_that_is_rolled_back_leaves_none() -> None:
    account = make_account()

    with transaction.atomic():
        account.groups.add(make_group("One"))
        transaction.set_rollback(True)

    assert recorded() == []


def test_before_the_logs_tables_exist_accounts_can_be_changed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_arguments: Any) -> None:
        raise DatabaseError("no such table")

    monkeypatch.setattr(account_events, "_append", fail)
    group = make_group("One")
    with pytest.raises(DatabaseError), transaction.atomic():
        make_account().groups.add(group)
    monkeypatch.setattr(connection.introspection, "table_names", list)

    make_account().groups.add(group)

    assert group.user_set.exists()


def test_the_events_are_told_in_sentences() -> None:
    account = make_account()
    account.groups.add(Group.objects.create(name="Compliance"))

    told = descriptions.describe_events(AuditEvent.objects.filter(type="account.group_added"))

    assert told[0].sentence == f"system code added {account} to the group Compliance."
