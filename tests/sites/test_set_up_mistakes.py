"""Mistakes in setting a site up end in one sentence with its remedy, and nothing is half done."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.sites.scratch_site import make_site

if TYPE_CHECKING:
    from pathlib import Path

    from tests.sites.scratch_site import ScratchSite

pytestmark = pytest.mark.slow

CMS = """
LANGUAGES = [("en", "English")]
LANGUAGE_CODE = "en"
SITE_ID = 1
CMS_CONFIRM_VERSION4 = True
INSTALLED_APPS += ["django.contrib.sites", "cms", "menus", "treebeard", "sekizai"]
"""
CONTRIB_FIRST = CMS + 'INSTALLED_APPS.insert(0, "imagegen_app.contrib.djangocms")\n'
CONTRIB_ALONE = CONTRIB_FIRST + 'INSTALLED_APPS.remove("imagegen_app")\n'
LISTED_TWICE = 'INSTALLED_APPS += ["imagegen_app"]\n'
WRONG_ENGINE = 'IMAGEGEN = {"ENGINE": "imagegen_app.engines.immediate.Immediate"}\n'
#: Opens pages as a superuser, and prints the status and the sentence of each.
OPENS_PAGES = """
import json, re
from django.contrib.auth import get_user_model
from django.test import Client

client = Client(raise_request_exception=False)
client.force_login(get_user_model().objects.get())
answers = [client.get("/admin/imagegen/job/" + page) for page in ("", "studio/", "overview/")]
answers.append(client.get("/admin/"))
told = "lacks tables of this version: imagegen.0001_initial. Run"
texts = [re.sub("<[^>]*>|\\s+", " ", a.content.decode()) for a in answers]
print(json.dumps([[a.status_code, told in " ".join(t.split())] for a, t in zip(answers, texts)]))
"""


def last_line(site: ScratchSite, *arguments: str) -> str:
    """Run a command that fails, and return the last line of what it says."""
    return site.manage(*arguments, fails=True).strip().splitlines()[-1]


def test_apps_that_are_listed_wrongly_are_named_in_the_last_line(tmp_path: Path) -> None:
    # Django itself shows a traceback above: no check runs before the apps are loaded.
    twice = make_site(tmp_path / "twice", settings=LISTED_TWICE)
    alone = make_site(tmp_path / "alone", settings=CONTRIB_ALONE)

    assert last_line(twice, "check").endswith("imagegen_app twice. Remove one of the two entries.")
    assert last_line(alone, "check").endswith("the app imagegen_app. Add it to INSTALLED_APPS.")


def test_our_apps_may_stand_in_any_order(tmp_path: Path) -> None:
    site = make_site(tmp_path, settings=CONTRIB_FIRST)

    site.manage("check", "--fail-level", "ERROR")
    site.manage("migrate", "--verbosity", "0")
    site.manage("imagegen_roles", "--verbosity", "0")

    assert "imagegen_djangocms" in site.manage("showmigrations", "--plan")


def test_a_wrong_engine_stops_a_worker_before_it_begins(tmp_path: Path) -> None:
    site = make_site(tmp_path, settings=WRONG_ENGINE)
    site.manage("migrate", "--verbosity", "0", "--skip-checks")

    refused = site.manage("imagegen_worker", fails=True)

    assert "Traceback" not in refused
    assert "The engine 'imagegen_app.engines.immediate.Immediate' cannot be imported" in refused
    assert "HINT: Set IMAGEGEN['ENGINE'] to" in refused


def test_a_forgotten_migration_is_named_by_pages_and_commands(tmp_path: Path) -> None:
    first = 'INSTALLED_APPS = ["imagegen_app", *INSTALLED_APPS[:-2], "django_tasks_db"]\n'
    site = make_site(tmp_path, settings=first + 'DATABASES["default"]["ATOMIC_REQUESTS"] = True\n')
    for app in ("admin", "auth", "sessions", "django_tasks_database"):
        site.manage("migrate", app, "--verbosity", "0")
    made = "from django.contrib.auth.models import User; User.objects.create_superuser('root')"
    site.python(made)

    pages = json.loads(site.python(OPENS_PAGES).splitlines()[-1])
    commands = ("imagegen_roles", "imagegen_worker", "imagegen_sweep", "imagegen_doctor")
    told = {name: site.manage(name, fails=True) for name in commands}

    # The overview and the index have more to show than ours.
    assert pages == [[503, True], [503, True], [200, True], [200, True]]
    for text in told.values():
        assert "The database lacks tables of this version: imagegen.0001_initial." in text
        assert "Run “manage.py migrate”" in text
        assert "Traceback" not in text
