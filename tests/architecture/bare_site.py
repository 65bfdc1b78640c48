"""Run a bare site made of the README's own lines, to show that an installed wheel is whole.

Called as `python bare_site.py README.md FOLDER`, by the wheel's test and by CI. It imports the
package from wherever Python finds it, and prints that place.
"""

from __future__ import annotations

import gettext
import sys
import types
from pathlib import Path
from typing import Any

import django
from django.conf import settings
from django.core.management import call_command

CONTRIB = ("admin", "auth", "contenttypes", "sessions", "messages", "staticfiles")


def fenced_blocks(markdown: str) -> list[str]:
    """Return the contents of the fenced code blocks, in order."""
    blocks: list[list[str]] = []
    inside = False
    for line in markdown.splitlines():
        if line.startswith("```"):
            inside = not inside
            if inside:
                blocks.append([])
        elif inside:
            blocks[-1].append(line)
    return ["\n".join(block) for block in blocks]


def site_lines(readme: Path) -> tuple[str, str]:
    """Return what the README says to put at the end of `settings.py`, and of `urls.py`."""
    blocks = fenced_blocks(readme.read_text(encoding="utf-8"))
    settings_lines, url_lines = (
        block for block in blocks if block.startswith(("INSTALLED_APPS", "from django.urls"))
    )
    return settings_lines + "\n", url_lines + "\n"


def configure(*, lines: str, folder: Path) -> None:
    """Make the settings: Django's own default site, plus the README's lines."""
    names: dict[str, Any] = {
        "BASE_DIR": folder,
        "INSTALLED_APPS": [f"django.contrib.{name}" for name in CONTRIB],
    }
    exec(lines, names)  # noqa: S102 -- our own README
    settings.configure(
        **{name: value for name, value in names.items() if name.isupper()},
        ALLOWED_HOSTS=["localhost"],
        DATABASES={
            "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": folder / "bare.sqlite3"}
        },
        MIDDLEWARE=[
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
            "django.contrib.messages.middleware.MessageMiddleware",
        ],
        ROOT_URLCONF="bare_urls",
        SECRET_KEY="bare-site-only-for-this-check-0123456789-abcdefghijklmnopq",
        MEDIA_ROOT=folder / "media",
        STATIC_URL="static/",
        TEMPLATES=[
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "APP_DIRS": True,
                "OPTIONS": {
                    "context_processors": [
                        "django.template.context_processors.request",
                        "django.contrib.auth.context_processors.auth",
                        "django.contrib.messages.context_processors.messages",
                    ]
                },
            }
        ],
        USE_TZ=True,
    )


def hang_in_urls(*, lines: str) -> None:
    """Make the URL module: the admin, plus the README's line."""
    from django.contrib import admin
    from django.urls import path

    urls: Any = types.ModuleType("bare_urls")
    urls.urlpatterns = [path("admin/", admin.site.urls)]
    sys.modules["bare_urls"] = urls
    exec(lines, {"urlpatterns": urls.urlpatterns, "path": path})  # noqa: S102 -- our own README


def look_for_files(package: Path) -> dict[str, int]:
    """Find every template, static file and catalogue of the package through Django.

    :raises FileNotFoundError: if a kind is missing altogether or a file cannot be found.
    """
    from django.contrib.staticfiles import finders
    from django.template.loader import get_template

    templates = sorted((package / "templates").rglob("*.html"))
    static = [path for path in sorted((package / "static").rglob("*")) if path.is_file()]
    for path in templates:
        get_template(path.relative_to(package / "templates").as_posix())
    for path in static:
        if finders.find(path.relative_to(package / "static").as_posix()) is None:
            raise FileNotFoundError(path)
    languages = [
        language
        for language in ("de", "fr")
        if gettext.find("django", str(package / "locale"), [language])
    ]
    found = {"templates": len(templates), "static": len(static), "catalogues": len(languages)}
    if not all(found.values()) or len(languages) != 2:
        raise FileNotFoundError(found)
    return found


def main(readme: Path, folder: Path) -> None:
    """Build the site, check it, migrate it and find its files."""
    settings_lines, url_lines = site_lines(readme)
    configure(lines=settings_lines, folder=folder)
    django.setup()
    hang_in_urls(lines=url_lines)
    call_command("check", fail_level="ERROR")
    call_command("migrate", verbosity=0)
    call_command("makemigrations", check_changes=True, dry_run=True, verbosity=0)

    import imagegen_app

    package = Path(imagegen_app.__file__).parent
    print(f"{package}: {look_for_files(package)}")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve())
