"""Record who got or lost rights: groups, permissions and the flags of accounts.

Django's signals tell of it, whether the admin or other code changes it. They are silent about
`QuerySet.update`, bulk operations, raw SQL and migrations: such changes leave no event. What was stored
before is read from the database that is written (`using`), for a replica may lag behind.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from django.apps import apps
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission
from django.db import DatabaseError, models
from django.db.models.signals import m2m_changed, post_save, pre_delete, pre_save

from imagegen_app import database
from imagegen_app.models import AuditEvent
from imagegen_app.services.foundation import acting, event_log
from imagegen_app.services.foundation.unit import use_case

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from imagegen_app.core.actors import Actor

logger = logging.getLogger("imagegen.audit")

#: The fields of an account whose change is recorded; a user model may lack some.
FLAGS: Final = ("is_superuser", "is_staff", "is_active")
#: Names of permissions, or keys of members, that one event holds; the count says if there are more.
_MOST_NAMED: Final = 500
#: Where the values before a change stand on the row that is being saved.
_BEFORE: Final = "_imagegen_before"


def connect() -> None:
    """Listen to the changes of accounts and groups; may be repeated."""
    user_model = get_user_model()
    for model in apps.get_models(include_auto_created=True):
        # Proxies and children send the signals of their own class only.
        if issubclass(model, user_model):
            pre_save.connect(_note_flags, sender=model, dispatch_uid="imagegen.flags")
            post_save.connect(_record_flags, sender=model, dispatch_uid="imagegen.flags")
            pre_delete.connect(_record_account_deleted, sender=model, dispatch_uid="imagegen.gone")
        elif issubclass(model, Group):
            pre_save.connect(_note_name, sender=model, dispatch_uid="imagegen.name")
            post_save.connect(_record_name, sender=model, dispatch_uid="imagegen.name")
            pre_delete.connect(_record_group_deleted, sender=model, dispatch_uid="imagegen.gone")
    for owner, name, receiver in (
        (user_model, "groups", _record_membership),
        (user_model, "user_permissions", _record_permissions),
        (Group, "permissions", _record_permissions),
    ):
        relation = getattr(owner, name, None)
        if relation is not None:
            m2m_changed.connect(receiver, sender=relation.through, dispatch_uid=f"imagegen.{name}")


def record(entries: Iterable[event_log.NewEvent], *, actor: Actor | None = None) -> None:
    """Append events about accounts, in the transaction of the change if there is one.

    The default actor is the one who acts (`acting.current_actor`). Before the site's first
    migration there is no log, and nothing is recorded.
    """
    found = list(entries)
    if not found:
        return
    try:
        _append(actor or acting.current_actor(), found)
    except DatabaseError:
        if AuditEvent._meta.db_table in database.connection().introspection.table_names():  # noqa: SLF001 - Django's documented API
            raise
        logger.warning("A change of rights was not recorded: the log has no tables yet.")


@use_case()
def _append(actor: Actor, entries: list[event_log.NewEvent]) -> None:
    event_log.record_many(actor, entries)


def _note_flags(
    sender: type[models.Model],
    instance: Any,
    using: str,
    update_fields: Collection[str] | None = None,
    **_rest: Any,
) -> None:
    """Remember the flags that are stored, before a user is saved."""
    names = [
        name
        for name in _flags_of(sender)
        # Such as at each sign-in, which saves the time of it.
        if update_fields is None or name in update_fields
    ]
    before: dict[str, bool] | None = None
    if names:
        stored = get_user_model()._base_manager.using(using).filter(pk=instance.pk)  # noqa: SLF001 - Django's documented API
        before = stored.values(*names).first() if instance.pk is not None else None
        if before is None:
            # A new account is active, and that gives no right.
            before = {name: False for name in names if name != "is_active"}
    setattr(instance, _BEFORE, before or {})


def _record_flags(instance: Any, using: str, **_rest: Any) -> None:
    before: dict[str, bool] = instance.__dict__.pop(_BEFORE, {})
    changes = {
        name: {"before": value, "after": bool(getattr(instance, name))}
        for name, value in before.items()
        if value != bool(getattr(instance, name))
    }
    # Whether an account without any right may sign in is not about rights.
    if set(changes) == {"is_active"} and not _has_rights(instance, using):
        return
    if changes:
        record(
            [
                event_log.NewEvent(
                    "account.rights_changed", subject=instance, data={"changes": changes}
                )
            ]
        )


def _record_account_deleted(instance: Any, using: str, **_rest: Any) -> None:
    if not _has_rights(instance, using):
        return
    data: dict[str, Any] = {name: bool(getattr(instance, name)) for name in _flags_of(instance)}
    if hasattr(instance, "groups"):
        data["groups"] = sorted(instance.groups.using(using).values_list("name", flat=True))[
            :_MOST_NAMED
        ]
    record([event_log.NewEvent("account.deleted", subject=instance, data=data)])


def _note_name(instance: Group, using: str, **_rest: Any) -> None:
    """Remember the name that is stored, before a group is saved."""
    stored = Group.objects.using(using).filter(pk=instance.pk).values_list("name", flat=True)
    setattr(instance, _BEFORE, stored.first())


def _record_name(instance: Group, **_rest: Any) -> None:
    before = instance.__dict__.pop(_BEFORE, None)
    if before is not None and before != instance.name:
        data = {"group_name": instance.name, "before": before, "after": instance.name}
        record([event_log.NewEvent("group.renamed", subject=instance, data=data)])


def _record_group_deleted(instance: Group, using: str, **_rest: Any) -> None:
    members = get_user_model()._base_manager.using(using).filter(groups=instance.pk)  # noqa: SLF001 - Django's documented API
    keys = members.order_by("pk").values_list("pk", flat=True)
    data = {
        "group_name": instance.name,
        "count": members.count(),
        "members": [str(key) for key in keys[:_MOST_NAMED]],
        "permissions": _permission_names(instance.permissions.using(using)),
    }
    record([event_log.NewEvent("group.deleted", subject=instance, data=data)])


def _record_membership(instance: Any, action: str, reverse: bool, **rest: Any) -> None:
    """Record accounts that join or leave groups, from either side of the relation."""
    found = _changed(instance, action, "user_set" if reverse else "groups", **rest)
    if found is None:
        return
    kind = "account.group_added" if action == "post_add" else "account.group_removed"
    pairs = [(row, instance) if reverse else (instance, row) for row in found]
    record(
        event_log.NewEvent(
            kind, subject=user, data={"group_name": group.name, "group_id": group.pk}
        )
        for user, group in pairs
    )


def _record_permissions(instance: Any, action: str, reverse: bool, **rest: Any) -> None:
    """Record permissions that groups or accounts get or lose, from either side of the relation."""
    model: type[models.Model] = rest["model"]
    if reverse:
        # A permission was given to groups or accounts: `model` is theirs.
        name = "group_set" if issubclass(model, Group) else "user_set"
    else:
        name = "permissions" if isinstance(instance, Group) else "user_permissions"
    found = _changed(instance, action, name, **rest)
    if not found:
        return
    owners = found if reverse else [instance]
    names = _permission_names([instance] if reverse else found)
    change = "added" if action == "post_add" else "removed"
    record(
        event_log.NewEvent(
            "group.permissions_changed"
            if isinstance(owner, Group)
            else "account.permissions_changed",
            subject=owner,
            data={change: names, "count": 1 if reverse else len(found)}
            | ({"group_name": owner.name} if isinstance(owner, Group) else {}),
        )
        for owner in owners
    )


def _changed(
    instance: Any,
    action: str,
    name: str,
    *,
    model: type[models.Model],
    using: str,
    pk_set: set[Any] | None = None,
    **_rest: Any,
) -> list[Any] | None:
    """Return the rows that a relation gets or loses; None for the other half of the signals.

    What is lost is read before it goes: afterwards Django names also what was not there.
    """
    if action == "post_add":
        rows = model._base_manager.using(using).filter(pk__in=pk_set or ())  # noqa: SLF001 - Django's documented API
    elif action in {"pre_remove", "pre_clear"}:
        rows = getattr(instance, name).using(using)
        if pk_set is not None:
            rows = rows.filter(pk__in=pk_set)
    else:
        return None
    if issubclass(model, Permission):
        rows = rows.select_related("content_type")  # its name begins with the app's
    return list(rows.order_by("pk"))


def _permission_names(permissions: Any) -> list[str]:
    rows = (
        permissions.select_related("content_type").order_by("pk")[:_MOST_NAMED]
        if isinstance(permissions, models.QuerySet)
        else permissions[:_MOST_NAMED]
    )
    return sorted(f"{row.content_type.app_label}.{row.codename}" for row in rows)


def _flags_of(model: Any) -> list[str]:
    """Return the flags that are fields of a user model; others are computed."""
    fields = {field.name for field in model._meta.concrete_fields}  # noqa: SLF001 - Django's documented API
    return [name for name in FLAGS if name in fields]


def _has_rights(user: Any, using: str) -> bool:
    """Return whether an account has any right: a flag, a group or a permission."""
    if getattr(user, "is_superuser", False) or getattr(user, "is_staff", False):
        return True
    return any(
        getattr(user, name).using(using).exists()
        for name in ("groups", "user_permissions")
        if hasattr(user, name)
    )
