"""The demo's content can be put in place again and again."""

from __future__ import annotations

from decimal import Decimal

import pytest
from cms.models import CMSPlugin, Page
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from djangocms_versioning.models import Version
from pytest_django import Settings

from project import seed
from project.catalog.models import Category, Product


def census() -> list[int]:
    """Count everything that seeding makes."""
    kinds = (get_user_model(), Group, Category, Product, Page, CMSPlugin, Version)
    return [kind._default_manager.count() for kind in kinds]


@pytest.mark.usefixtures("shop")
def test_a_second_run_adds_nothing() -> None:
    before = census()

    seed.create_users()
    seed.create_catalog()
    seed.create_pages()

    assert census() == before
    assert before[3] == 40


@pytest.mark.usefixtures("shop")
def test_a_second_run_keeps_what_people_changed() -> None:
    Product.objects.filter(sku="HH-MUG-01").update(name="Abend mug", price=Decimal("25.00"))

    seed.create_catalog()

    changed = Product.objects.get(sku="HH-MUG-01")
    assert (changed.name, changed.price) == ("Abend mug", Decimal("25.00"))


@pytest.mark.usefixtures("shop")
def test_every_page_is_published_in_the_editors_name() -> None:
    versions = Version.objects.all()

    assert {version.state for version in versions} == {"published"}
    assert {version.created_by.username for version in versions} == {"editor"}


def test_people_join_the_groups_of_the_image_app_as_soon_as_there_are_any(db: None) -> None:
    seed.create_users()
    editor = get_user_model().objects.get(username="editor")
    images = Group.objects.get_or_create(name="Image editors")[0]

    seed.create_users()

    assert images in editor.groups.all()


def test_nobody_signs_in_with_a_well_known_password_outside_debug_mode(
    db: None, settings: Settings
) -> None:
    settings.DEBUG = False

    seed.create_users()

    assert not any(user.has_usable_password() for user in get_user_model().objects.all())


def test_in_debug_mode_each_login_works_and_only_the_admin_may_do_everything(
    db: None, settings: Settings
) -> None:
    settings.DEBUG = True

    logins = seed.create_users()

    people = {user.username: user for user in get_user_model().objects.all()}
    assert all(people[login.username].check_password(login.password) for login in logins)
    assert [name for name, user in people.items() if user.is_superuser] == ["admin"]
    assert all(user.is_staff for user in people.values())


def test_a_changed_password_stays(db: None, settings: Settings) -> None:
    settings.DEBUG = True
    seed.create_users()
    editor = get_user_model().objects.get(username="editor")
    editor.set_password("my own")
    editor.save()

    seed.create_users()

    editor.refresh_from_db()
    assert editor.check_password("my own")
