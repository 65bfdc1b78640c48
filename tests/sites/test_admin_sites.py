"""Our pages are found and work in every admin that a site may have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.sites.scratch_site import URLS, make_site

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

pytestmark = pytest.mark.slow

#: Our app stands before Django's admin, whose index it then extends.
APP_FIRST = (
    'INSTALLED_APPS = ["imagegen_app", *(a for a in INSTALLED_APPS if a != "imagegen_app")]\n'
)
#: A second admin site, with the tables of our app only if the test adds them.
TWO_SITES = """
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.urls import path

staff = admin.AdminSite(name="staff")
staff.register(get_user_model())
{more}
urlpatterns = [path("staff/", staff.urls), path("admin/", admin.site.urls)]
"""
REGISTER_OURS = """
for model, registered in admin.site._registry.items():
    if not staff.is_registered(model):
        staff.register(model, type(registered))
"""


def met_in(
    folder: Path,
    *,
    settings: str = "",
    urls: str = URLS,
    files: Mapping[str, str] | None = None,
    admin: str = "/admin/",
) -> dict[str, Any]:
    """Make a site, and return what is met in one of its admins."""
    site = make_site(folder, settings=settings, urls=urls, files=files)
    met: dict[str, Any] = site.crawl(admin)[admin]
    return met


def test_the_pages_are_found_wherever_the_app_stands(tmp_path: Path) -> None:
    last = met_in(tmp_path / "last")
    first = met_in(tmp_path / "first", settings=APP_FIRST)

    for met in (last, first):
        assert met["failed"] == []
        assert met["pages"] > 50
        assert met["studio"] == "/admin/imagegen/job/studio/"
        assert met["overview"] == "/admin/imagegen/job/overview/"
    assert (first["panel"], last["panel"]) == (True, False)


def test_an_admin_site_of_ones_own_has_the_pages(tmp_path: Path) -> None:
    met = met_in(
        tmp_path,
        settings=(
            'INSTALLED_APPS[INSTALLED_APPS.index("django.contrib.admin")] = "mysite.apps.OwnAdmin"\n'
        ),
        files={
            "mysite/apps.py": (
                "from django.contrib.admin.apps import AdminConfig\n\n"
                'class OwnAdmin(AdminConfig):\n    default_site = "mysite.own.OwnSite"\n'
            ),
            "mysite/own.py": (
                "from django.contrib import admin\n\n"
                "class OwnSite(admin.AdminSite):\n"
                '    site_header = "Our house"\n\n'
                '    def __init__(self, name="backoffice"):\n        super().__init__(name)\n'
            ),
        },
    )

    assert met["failed"] == []
    assert met["studio"] == "/admin/imagegen/job/studio/"


def test_another_admin_site_without_our_tables_is_left_alone(tmp_path: Path) -> None:
    site = make_site(tmp_path, settings=APP_FIRST, urls=TWO_SITES.format(more=""))

    met = site.crawl("/staff/", "/admin/")

    other, ours = met["/staff/"], met["/admin/"]

    assert other["failed"] == ours["failed"] == []
    assert (other["studio"], other["overview"], other["panel"]) == ("", "", False)
    assert ours["studio"] == "/admin/imagegen/job/studio/"


def test_an_admin_site_with_our_tables_links_to_itself(tmp_path: Path) -> None:
    urls = TWO_SITES.format(more=REGISTER_OURS)

    met = met_in(tmp_path, settings=APP_FIRST, urls=urls, admin="/staff/")

    assert met["failed"] == []
    assert met["studio"] == "/staff/imagegen/job/studio/"
    assert met["panel"]


def test_the_pages_work_where_the_default_admin_is_not_among_the_urls(tmp_path: Path) -> None:
    urls = TWO_SITES.format(more=REGISTER_OURS).replace(', path("admin/", admin.site.urls)', "")

    met = met_in(tmp_path, urls=urls, admin="/staff/")

    assert met["failed"] == []
    assert met["studio"] == "/staff/imagegen/job/studio/"


def test_the_pages_work_below_a_prefix_and_a_language(tmp_path: Path) -> None:
    met = met_in(
        tmp_path,
        settings=(
            'MIDDLEWARE.insert(1, "django.middleware.locale.LocaleMiddleware")\n'
            'FORCE_SCRIPT_NAME = "/cms"\n'
        ),
        urls=(
            "from django.conf.urls.i18n import i18n_patterns\n"
            "from django.contrib import admin\nfrom django.urls import path\n"
            'urlpatterns = i18n_patterns(path("back/office/", admin.site.urls))\n'
        ),
        admin="/cms/en/back/office/",
    )

    assert met["failed"] == []
    assert met["studio"] == "/cms/en/back/office/imagegen/job/studio/"


#: Users whose login is an e-mail address, whose key is a UUID, and who have no admin.
PEOPLE = {
    "people/__init__.py": "",
    "people/migrations/__init__.py": "",
    "people/models.py": """
import uuid

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.db import models


class Members(BaseUserManager):
    def create_superuser(self, _login, email, password):
        member = self.model(email=email, is_superuser=True, is_staff=True)
        member.set_password(password)
        member.save()
        return member


class Member(AbstractBaseUser, PermissionsMixin):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    email = models.EmailField(unique=True)
    is_staff = models.BooleanField(default=False)
    is_active = models.BooleanField(default=True)
    USERNAME_FIELD = "email"
    objects = Members()
""",
}


def test_users_of_ones_own_need_no_admin(tmp_path: Path) -> None:
    site = make_site(
        tmp_path,
        settings='INSTALLED_APPS.insert(0, "people")\nAUTH_USER_MODEL = "people.Member"\n',
        files=PEOPLE,
    )
    site.manage("makemigrations", "people")

    met = site.crawl("/admin/")["/admin/"]

    assert met["failed"] == []
    assert met["studio"] == "/admin/imagegen/job/studio/"


def test_a_site_without_an_admin_passes_its_checks(tmp_path: Path) -> None:
    site = make_site(
        tmp_path,
        settings='INSTALLED_APPS.remove("django.contrib.admin")\n',
        urls="from django.urls import path\nurlpatterns = []\n",
    )

    site.manage("check", "--fail-level", "ERROR")
    site.manage("migrate", "--verbosity", "0")
    site.manage("imagegen_roles")
