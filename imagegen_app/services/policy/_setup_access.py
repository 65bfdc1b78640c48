"""Plan the groups of a set-up, their grants, and the budgets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission
from django.core.exceptions import ValidationError
from django.utils import timezone

from imagegen_app import database
from imagegen_app.core.i18n import gettext_noop
from imagegen_app.core.types import Operation
from imagegen_app.models import Budget, Grant
from imagegen_app.models.money import PERIODS
from imagegen_app.services.foundation.acting import acting_as
from imagegen_app.services.gateways import adapters
from imagegen_app.services.policy import access, roles
from imagegen_app.services.policy._setup_steps import (
    SetupAction,
    SetupChange,
    SetupDifference,
    Step,
)

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from imagegen_app.core.actors import Actor
    from imagegen_app.core.setup_document import BudgetSetup, GrantSetup, GroupSetup
    from imagegen_app.models import ImageModel
    from imagegen_app.services.policy._setup_catalog import CatalogPlan
    from imagegen_app.services.policy._setup_steps import Notes

#: Logins among which the nearest to a mistyped one is looked for.
_MAX_LOGINS = 2000


def members_permission() -> str:
    """Return the permission that a person needs to put people into groups."""
    options = get_user_model()._meta  # noqa: SLF001 - Django's documented API
    return f"{options.app_label}.change_{options.model_name}"


class AccessPlan:
    """The groups of the site and of a set-up, and what they may use."""

    def __init__(self, notes: Notes, catalog: CatalogPlan, *, actor: Actor) -> None:
        self._notes = notes
        self._catalog = catalog
        self._actor = actor
        self._groups: dict[str, Group] = {row.name: row for row in database.accounts(Group)}

    def plan_groups(self, setups: Iterable[GroupSetup]) -> None:
        """Plan each group of a set-up."""
        for one in setups:
            if not self._notes.is_repeated(one.place, "group", one.name):
                self._plan_group(one)

    def _plan_group(self, one: GroupSetup) -> None:
        before = len(self._notes.problems)
        group = self._groups.get(one.name)
        if group is None:
            group = self._new_group(one)
        codenames = self._codenames(one)
        people = self._people(one)
        if len(self._notes.problems) > before:
            return
        if not group._state.adding:  # noqa: SLF001 - Django's documented API
            held = group.permissions.using(database.alias()).filter(
                content_type__app_label="imagegen"
            )
            codenames -= set(held.values_list("codename", flat=True))
            members = set(group.user_set.using(database.alias()).values_list("pk", flat=True))
            people = [user for user in people if user.pk not in members]
        self._notes.steps.append(_group_step(one.place, group, codenames, people))

    def _new_group(self, one: GroupSetup) -> Group:
        group = self._groups[one.name] = Group(name=one.name)
        try:
            group.clean_fields()
        except ValidationError as error:
            self._notes.problems.append((f"{one.place}.name", " ".join(error.messages)))
        return group

    def _codenames(self, one: GroupSetup) -> set[str]:
        """Return the permissions of a group's roles; one that is called as a role has that role."""
        wanted = one.roles
        if wanted is None:
            wanted = (one.name,) if one.name in roles.ROLES else ()
        for name in wanted:
            if name not in roles.ROLES:
                self._notes.note_unknown(f"{one.place}.roles", name, roles.ROLES)
        return {code for name in wanted for code in roles.ROLES.get(name, ())}

    def _people(self, one: GroupSetup) -> list[Any]:
        """Return the people of a group's entry; nobody learns of logins who may not change people."""
        if not one.members:
            return []
        access.require_permission(self._actor, members_permission())
        found = _people_named(one.members)
        missing = [login for login in one.members if login not in found]
        known = _newest_logins() if missing else []
        for login in missing:
            self._notes.note_unknown(f"{one.place}.members", login, known)
        return list(found.values())

    def plan_grants(self, setups: Iterable[GrantSetup]) -> None:
        """Plan each grant, whose groups and models are planned before."""
        for one in setups:
            group = self._groups.get(one.group)
            if group is None:
                self._notes.note_unknown(f"{one.place}.group", one.group, self._groups)
            unknown = [name for name in one.operations or () if name not in set(Operation)]
            for name in unknown:
                self._notes.note_unknown(f"{one.place}.operations", name, [*Operation])
            starts, ends = _aware(one.starts_at), _aware(one.ends_at)
            for name in one.models:
                model = self._catalog.find_model(name, place=f"{one.place}.models")
                if group is not None and model is not None and not unknown:
                    self._plan_grant(one, group, model, starts=starts, ends=ends)

    def _plan_grant(
        self,
        one: GrantSetup,
        group: Group,
        model: ImageModel,
        *,
        starts: datetime | None,
        ends: datetime | None,
    ) -> None:
        if self._notes.is_repeated(one.place, "grant", group.name, model.slug):
            return
        is_stored = not (group._state.adding or model._state.adding)  # noqa: SLF001 - Django's documented API
        rows = list(Grant.objects.filter(group=group, image_model=model)) if is_stored else []
        if len(rows) > 1:
            text = gettext_noop(
                "“%(group)s” has several grants for “%(model)s”; change them in the admin"
            )
            self._notes.note(one.place, text, group=group.name, model=model.slug)
            return
        operations = None if one.operations is None else list(one.operations)
        if rows:
            row = rows[0]
            if operations is not None and set(operations) == set(row.operations):
                operations = None
        else:
            row = Grant(group=group, image_model=model)
            operations = operations or _operations_of(model)
        begins, expires = starts or row.starts_at, ends or row.ends_at
        if begins is not None and expires is not None and expires <= begins:
            self._notes.note(one.place, gettext_noop("“ends_at” must be after “starts_at”"))
            return
        # The plan's own rows, which an earlier step may store.
        row.group, row.image_model = group, model
        wanted: dict[str, Any] = {
            "operations": operations,
            "max_pixels": one.max_pixels,
            "max_count": one.max_count,
            "starts_at": starts,
            "ends_at": ends,
            "reason": one.reason,
        }
        self._notes.plan_row(
            row,
            wanted,
            kind="grant",
            name=f"{group.name} → {model.slug}",
            place=one.place,
            related=["group", "image_model"],
        )

    def plan_budgets(self, setups: Iterable[BudgetSetup]) -> None:
        """Plan each budget; groups and providers are planned before."""
        for one in setups:
            if not self._notes.is_repeated(one.place, "budget", one.name):
                self._plan_budget(one)

    def _plan_budget(self, one: BudgetSetup) -> None:
        rows = list(Budget.objects.filter(name=one.name))
        targets = self._targets(one)
        if targets is None:
            return
        if len(rows) > 1:
            text = gettext_noop("several budgets are called “%(name)s”; rename them in the admin")
            self._notes.note(one.place, text, name=one.name)
            return
        if not rows and one.limit is None:
            self._notes.note(one.place, gettext_noop("“%(name)s” is missing; add it"), name="limit")
            return
        periods = [value for value, _label in PERIODS]
        if one.period is not None and one.period not in periods:
            self._notes.note_unknown(f"{one.place}.period", one.period, periods)
            return
        row = rows[0] if rows else Budget(name=one.name, scope="site")
        wanted: dict[str, Any] = {
            name: getattr(one, name)
            for name in ("limit", "currency", "period", "warn_percent", "is_enabled")
        }
        wanted |= {"scope": next(iter(targets)), **targets} if targets else {}
        self._notes.plan_row(
            row,
            wanted,
            kind="budget",
            name=one.name,
            place=one.place,
            related=["group", "user", "provider"],
        )

    def _targets(self, one: BudgetSetup) -> dict[str, Any] | None:
        """Return whom or what a budget is for, by its field; None if that cannot be."""
        named = [name for name in ("group", "user", "provider") if getattr(one, name)]
        if len(named) > 1:
            text = gettext_noop("a budget is for one of: %(names)s; make several budgets")
            self._notes.note(one.place, text, names=", ".join(named))
            return None
        if not named:
            return {}
        (kind,) = named
        name = str(getattr(one, kind))
        if kind == "user":
            access.require_permission(self._actor, members_permission())
            found = _people_named([name]).get(name)
            known = [] if found else _newest_logins()
        else:
            rows: dict[str, Any] = self._groups if kind == "group" else self._catalog.providers
            found, known = rows.get(name), list(rows)
        if found is None:
            self._notes.note_unknown(f"{one.place}.{kind}", name, known)
            return None
        return {kind: found}


def _people_named(logins: Iterable[str]) -> dict[str, Any]:
    """Return the accounts of those logins that exist."""
    field = get_user_model().USERNAME_FIELD
    rows = database.accounts(get_user_model()).filter(**{f"{field}__in": list(logins)})
    return {user.get_username(): user for user in rows}


def _newest_logins() -> list[str]:
    """Return the logins among which the nearest to a mistyped one is looked for."""
    newest = database.accounts(get_user_model()).order_by("-pk")
    return list(newest.values_list(get_user_model().USERNAME_FIELD, flat=True)[:_MAX_LOGINS])


def _group_step(place: str, group: Group, codenames: set[str], people: list[Any]) -> Step:
    """Return the step that gives a group what it lacks."""
    is_new = group._state.adding  # noqa: SLF001 - Django's documented API
    lacking = {
        "permissions": codenames,
        "members": {str(user.get_username()) for user in people},
    }
    differences = tuple(
        SetupDifference(name, None, sorted(values)) for name, values in lacking.items() if values
    )
    action = SetupAction.UPDATE if differences else SetupAction.UNCHANGED
    needed = ["auth.add_group"] if is_new else []
    needed += ["auth.change_group"] if codenames else []

    def carry_out(actor: Actor) -> None:
        with acting_as(actor):
            if is_new:
                group.save(force_insert=True)
            known = database.accounts(Permission).filter(content_type__app_label="imagegen")
            group.permissions.add(*known.filter(codename__in=codenames))
            group.user_set.add(*people)

    change = SetupChange("group", group.name, SetupAction.CREATE if is_new else action, differences)
    return Step(place, change, tuple(needed), carry_out)


def _operations_of(model: ImageModel) -> list[str]:
    """Return all that a model can do, or all operations where that cannot be told."""
    try:
        known = adapters.capabilities(model).operations
    except adapters.ProviderNotConfigured:
        known = frozenset(Operation)
    return sorted(str(one) for one in known)


def _aware(moment: datetime | None) -> datetime | None:
    """Return a moment with the site's time zone, unless it has one."""
    if moment is None or timezone.is_aware(moment):
        return moment
    return timezone.make_aware(moment)
