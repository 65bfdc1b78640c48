"""What many tests find in the database: the demo's shop, its products, a person of each role."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model

from imagegen_app.services.policy import roles
from imagegen_app.testing.factories import make_user
from project import seed
from project.demo import governance
from tests.recorded_rows import arrange


def demo_shop() -> None:
    """Have the demo's governance, people and products."""
    arrange("demo shop", _make_demo_shop)


def products() -> None:
    """Have the products of the demo."""
    arrange("products", seed.create_catalog)


def people() -> dict[str, Any]:
    """Have the groups of all roles, and return one person of each: staff, all but the visitor."""
    arrange("people", _make_people)
    accounts = {account.username: account for account in get_user_model().objects.all()}
    return {role: accounts[name] for role, name in _usernames().items()}


def _make_demo_shop() -> None:
    governance.setup()
    seed.create_users()
    seed.create_catalog()


def _make_people() -> None:
    roles.create_groups()
    for role, name in _usernames().items():
        make_user(
            name,
            groups=[role] if role in roles.ROLES else (),
            is_staff=role != "visitor",
            is_superuser=role == "superuser",
        )


def _usernames() -> dict[str, str]:
    of_roles = {name: f"{name.split()[-1]}-{name.split()[0]}" for name in roles.ROLES}
    return {"visitor": "visitor", "plain": "plain", **of_roles, "superuser": "root"}
