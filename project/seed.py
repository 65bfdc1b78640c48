"""Fill the demo site: people, the catalogue and the CMS pages; a second run changes nothing."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from cms.api import add_plugin, create_page
from cms.models import Page, PageContent
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission
from django.contrib.sites.models import Site
from django.db import transaction
from django.db.models import Q
from django.utils.text import slugify
from djangocms_versioning.models import Version

from project.catalog.models import Category, Product
from project.catalog.products import SHELVES
from project.page_texts import PAGES

if TYPE_CHECKING:
    from django.contrib.auth.models import User

    from project.page_texts import PageText


class Login(NamedTuple):
    """Somebody who may sign in to the demo."""

    username: str
    password: str
    role: str


class Role(NamedTuple):
    """The role of a demo user and the groups that it brings."""

    name: str
    full_name: tuple[str, str]
    shop_group: str
    #: A group of the image app; joined once that app has made it.
    image_group: str


EDITORS = "Shop editors"
READERS = "Shop readers"
PEOPLE = {
    "editor": Role("makes and places images", ("Edda", "Brandt"), EDITORS, "Image editors"),
    "reviewer": Role("approves images", ("Rafael", "Moreau"), READERS, "Image reviewers"),
    "compliance": Role("reads the record", ("Clara", "Petersen"), READERS, "Compliance"),
    "admin": Role("may do everything", ("Anton", "Hain"), EDITORS, "Image administrators"),
}
#: Apps whose content the shop's people work on, the image plugins of the CMS among them.
CONTENT_APPS = ("catalog", "djangocms_text", "filer", "imagegen_djangocms")
_CMS_MODELS = ("page", "pagecontent", "pageurl", "placeholder", "cmsplugin")


def create_users() -> list[Login]:
    """Create the demo's users and their groups, and return who may sign in.

    Passwords are well known, so they are set in debug mode only; elsewhere nobody can sign in.
    """
    groups = _shop_groups()
    logins = []
    for username, role in PEOPLE.items():
        login = Login(username, f"{username}-demo", role.name)
        user = _user(login, full_name=role.full_name)
        user.groups.add(groups[role.shop_group], *Group.objects.filter(name=role.image_group))
        logins.append(login)
    return logins


def create_catalog() -> None:
    """Create the catalogue's categories and products; existing ones are not changed."""
    with transaction.atomic():
        for position, shelf in enumerate(SHELVES):
            category, _ = Category.objects.get_or_create(
                slug=shelf.slug, defaults={"name": shelf.name, "position": position}
            )
            for number, item in enumerate(shelf.items, start=1):
                Product.objects.get_or_create(
                    sku=f"HH-{shelf.code}-{number:02}",
                    defaults={
                        "category": category,
                        "name": item.name,
                        "slug": slugify(item.name),
                        "description": item.description,
                        "colour": item.colour,
                        "material": item.material,
                        "price": Decimal(item.price),
                    },
                )


def create_pages() -> None:
    """Create and publish the CMS pages as the editor."""
    # The name that Django gives a new site; the CMS shows it in its toolbar.
    for site in Site.objects.filter(name="example.com"):
        site.name = "Haus & Hain"
        site.save()
    author = get_user_model().objects.get(username="editor")
    for text in PAGES:
        if not Page.objects.filter(reverse_id=text.key).exists():
            with transaction.atomic():
                _publish(text, author)


def _shop_groups() -> dict[str, Group]:
    content = Q(content_type__app_label__in=CONTENT_APPS) | Q(
        content_type__app_label="cms", content_type__model__in=_CMS_MODELS
    )
    may_edit = Permission.objects.filter(
        content
        | Q(content_type__app_label="cms", codename="use_structure")
        | Q(content_type__app_label="djangocms_versioning", codename__contains="pagecontent")
    )
    may_read = Permission.objects.filter(content, codename__startswith="view_")
    groups = {}
    for name, permissions in ((EDITORS, may_edit), (READERS, may_read)):
        groups[name], _ = Group.objects.get_or_create(name=name)
        # Added, never taken away: apps installed later bring more.
        groups[name].permissions.add(*permissions)
    return groups


def _user(login: Login, *, full_name: tuple[str, str]) -> User:
    accounts = get_user_model().objects
    found = accounts.filter(username=login.username).first()
    if found is not None:
        return found
    first, last = full_name
    return accounts.create_user(
        login.username,
        email=f"{login.username}@haus-und-hain.example",
        password=login.password if settings.DEBUG else None,
        first_name=first,
        last_name=last,
        is_staff=True,
        is_superuser=login.username == "admin",
    )


def _publish(text: PageText, author: User) -> None:
    page = create_page(
        text.title,
        text.template,
        "en",
        slug=text.key,
        created_by=author,
        reverse_id=text.key,
        in_navigation=text.in_navigation,
        meta_description=text.summary,
        parent=Page.objects.get(reverse_id=text.parent) if text.parent else None,
    )
    content = PageContent.admin_manager.get(page=page, language="en")
    slots = content.rescan_placeholders()
    for slot, body in text.bodies.items():
        add_plugin(slots[slot], "TextPlugin", "en", body=body)
    Version.objects.get_for_content(content).publish(author)
    if text.is_home:
        page.refresh_from_db()
        page.set_as_homepage()
