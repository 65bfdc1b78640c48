"""What the demo and the tests share."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from django.utils.translation import gettext_lazy as _

from project.settings import simulator

BASE_DIR = Path(__file__).resolve().parent.parent.parent
#: Everything the site writes lies here; another place may be named, for tests and clones.
VAR_DIR = Path(os.environ.get("IMAGEGEN_DEMO_DIR", BASE_DIR / "var"))

INSTALLED_APPS = [
    "imagegen_app",
    "imagegen_app.contrib.djangocms",
    "imagegen_app.contrib.filer",
    "project.catalog",
    "project.demo",
    "django_tasks_db",
    "cms",
    "menus",
    "treebeard",
    "sekizai",
    "djangocms_text",
    "djangocms_versioning",
    "filer",
    "easy_thumbnails",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.sites",
    "django.contrib.sitemaps",
    "django.contrib.staticfiles",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "imagegen_app.middleware.audit_actor",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "cms.middleware.utils.ApphookReloadMiddleware",
    "cms.middleware.user.CurrentUserMiddleware",
    "cms.middleware.page.CurrentPageMiddleware",
    "cms.middleware.toolbar.ToolbarMiddleware",
    "cms.middleware.language.LanguageCookieMiddleware",
    "project.csp.ContentSecurityPolicy",
]
ROOT_URLCONF = "project.urls"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "sekizai.context_processors.sekizai",
                "cms.context_processors.cms_settings",
            ],
        },
    }
]

#: Server and worker write side by side: readers do not wait, and writers queue for their turn.
SQLITE_OPTIONS: dict[str, Any] = {
    "transaction_mode": "IMMEDIATE",
    "timeout": 20,
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English")), ("de", _("German")), ("fr", _("French"))]
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = True

STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "project" / "static"]
STATIC_ROOT = VAR_DIR / "static"
MEDIA_URL = "/media/"
MEDIA_ROOT = VAR_DIR / "media"
STORAGES: dict[str, Any] = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    "imagegen": {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": VAR_DIR / "imagegen", "allow_overwrite": True},
    },
}
TASKS = {
    "default": {
        "BACKEND": "django_tasks_db.DatabaseBackend",
        "QUEUES": ["default", "imagegen"],
    }
}

SITE_ID = 1
X_FRAME_OPTIONS = "SAMEORIGIN"
CMS_CONFIRM_VERSION4 = True
# Pages show products, whose changes the CMS's cache of whole pages would not see.
CMS_PAGE_CACHE = False
CMS_TEMPLATES = [("pages/home.html", _("Home")), ("pages/article.html", _("Article"))]
CMS_LANGUAGES = {
    SITE_ID: [
        {"code": "en", "name": _("English"), "fallbacks": ["de", "fr"], "public": True},
        {"code": "de", "name": _("German"), "fallbacks": ["en"], "public": True},
        {"code": "fr", "name": _("French"), "fallbacks": ["en"], "public": True},
    ]
}
THUMBNAIL_PROCESSORS = (
    "easy_thumbnails.processors.colorspace",
    "easy_thumbnails.processors.autocrop",
    "filer.thumbnail_processors.scale_and_crop_with_subject_location",
    "easy_thumbnails.processors.filters",
)
# The CMS pins an older treebeard, whose check complains without harm.
SILENCED_SYSTEM_CHECKS = ["treebeard.E001", "treebeard.W001"]

#: A real provider is offered where the environment holds its key; see the how-to.
OPENAI_BASE_URL = os.environ.get("OPENAI_BASE_URL", "https://api.openai.com/v1")
IMAGEGEN: dict[str, Any] = {
    "STATE_DIR": VAR_DIR / "imagegen-state",
    "CONTACT": "the image administrators of this site",
    "CREDENTIALS": {
        "openai": {
            "source": "env:OPENAI_API_KEY",
            "hosts": [OPENAI_BASE_URL.split("//", 1)[-1].split("/", 1)[0].split(":", 1)[0]],
        },
    },
    "TRUSTED_ORIGINS": (
        ["/".join(OPENAI_BASE_URL.split("/", 3)[:3])]
        if OPENAI_BASE_URL.startswith("http://")
        else []
    ),
    "PROVIDER_ORIGINS": (
        ["/".join(OPENAI_BASE_URL.split("/", 3)[:3])]
        if OPENAI_BASE_URL.startswith("https://")
        else []
    ),
    # A small shop: editors may approve what they made themselves; reviewers look at the rest.
    "REQUIRE_SECOND_REVIEWER": False,
    "AUDIT": {"ORIGIN": "demo.example/imagegen"},
    "C2PA": {"ORGANIZATION": "Haus & Hain demo"},
    "MARKS": {"CREDIT": "Haus & Hain"},
    "TARGETS": {
        "catalog.Product.image": {
            "template": "product-still-life",
            "variables": {"product": "name", "material": "material", "colour": "colour"},
            "alt": "image_alt",
            "texts": ["name", "material", "colour", "description"],
        },
        "catalog.Product.image_back": {
            "template": "product-still-life",
            "variables": {"product": "name", "material": "material", "colour": "colour"},
        },
    },
}
if os.environ.get(simulator.URL_VARIABLE):
    IMAGEGEN = simulator.with_simulator(
        IMAGEGEN, url=os.environ[simulator.URL_VARIABLE], folder=VAR_DIR
    )
if os.environ.get(simulator.CAPTIONS_URL_VARIABLE):
    IMAGEGEN = simulator.with_text_services(
        IMAGEGEN, url=os.environ[simulator.CAPTIONS_URL_VARIABLE], folder=VAR_DIR
    )
