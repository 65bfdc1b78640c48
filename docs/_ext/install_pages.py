"""Make the tables of the page about installing: what is needed, and what each extra brings."""

from __future__ import annotations

import re
import tomllib
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from django.db.backends.mysql import features as mysql
from django.db.backends.postgresql import features as postgresql
from django.db.backends.sqlite3 import features as sqlite
from markdown_tables import cell, code, table

from imagegen_app.engines import base as engine_base

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

ROOT = Path(__file__).resolve().parents[2]
#: What each extra is for; those that only we need are left out.
EXTRAS = {
    "postgresql": "PostgreSQL as the database",
    "mysql": "MariaDB or MySQL as the database",
    "s3": "images in S3, or in a store that copies its API",
    "gcs": "images in Google Cloud Storage",
    "azure": "images in Azure Blob Storage",
    "celery": "Celery as the engine",
    "rq": "RQ as the engine",
    "djangocms": "django CMS with django-filer",
    "yaml": "[set-up files](../how-to/set-up-by-script.md) in YAML; TOML and JSON need nothing",
    "xlsx": "[tables](../how-to/make-images-from-a-table.md) from Excel workbooks, and results as workbooks; "
    "CSV needs nothing",
    "bedrock": "Amazon Bedrock",
    "heif": "HEIF and HEIC images as input",
    "vault": "keys from HashiCorp Vault or OpenBao",
    "aws-secrets": "keys from AWS Secrets Manager or Parameter Store",
    "google-secrets": "keys from Google Cloud Secret Manager",
    "azure-secrets": "keys from Azure Key Vault",
    "simulator": "the simulator of providers, for tests",
}
OURS = {"demo", "dev", "docs"}
_ENGINES = ("django_tasks.DjangoTasksEngine", "celery.CeleryEngine", "rq.RqEngine")


def project() -> dict[str, Any]:
    """Return the package's description of itself."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    found: dict[str, Any] = tomllib.loads(text)["project"]
    return found


def _classified(project_: dict[str, Any], prefix: str) -> list[str]:
    """Return the versions that the classifiers name."""
    found = (one.removeprefix(prefix) for one in project_["classifiers"] if one.startswith(prefix))
    return [one for one in found if re.fullmatch(r"\d+\.\d+", one)]


def _version(parts: Iterable[int]) -> str:
    return ".".join(map(str, parts))


def _mysql_version(*, is_mariadb: bool) -> str:
    """Return the oldest version that Django connects to."""
    known = SimpleNamespace(connection=SimpleNamespace(mysql_is_mariadb=is_mariadb))
    oldest: Any = mysql.DatabaseFeatures.__dict__["minimum_database_version"]
    return _version(oldest.func(known))


def requirements() -> str:
    """List what a site needs."""
    described = project()
    django = next(one for one in described["dependencies"] if one.startswith("Django"))
    engines = [_engine(path) for path in _ENGINES]
    oldest = {
        "SQLite": _version(sqlite.DatabaseFeatures.minimum_database_version),
        "PostgreSQL": _version(postgresql.DatabaseFeatures.minimum_database_version),
        "MariaDB": _mysql_version(is_mariadb=True),
        "MySQL": _mysql_version(is_mariadb=False),
    }
    rows = [
        (
            "Python",
            f"{code(described['requires-python'])}; declared: "
            + ", ".join(_classified(described, "Programming Language :: Python :: ")),
        ),
        (
            "Django",
            f"{code(django)}; declared: {', '.join(_classified(described, 'Framework :: Django :: '))}",
        ),
        (
            "database",
            ", ".join(f"{name} {version} or newer" for name, version in oldest.items())
            + ": the oldest that the Django which built this page connects to",
        ),
        ("engine, which wakes the worker", ", ".join(engines)),
        (
            "storage for images",
            "any Django storage that visitors cannot read: a folder, S3, Google Cloud Storage, Azure",
        ),
        (
            "packages that come along",
            ", ".join(code(one) for one in described["dependencies"] if one != django),
        ),
        (
            "system packages",
            "none; to build `mysqlclient`, a C compiler, `pkg-config` and MariaDB's client headers",
        ),
    ]
    return table(("what", "which"), rows)


def _engine(path: str) -> str:
    module, _dot, name = path.partition(".")
    engine = getattr(import_module(f"{engine_base.__package__}.{module}"), name)
    return f"{cell(engine.label)} ({code(f'{engine_base.__package__}.{path}')})"


def extras() -> str:
    """List the extras that a site may need."""
    declared = project()["optional-dependencies"]
    return table(
        ("extra", "for", "installs"),
        (
            (code(name), cell(meaning), ", ".join(map(code, declared[name])))
            for name, meaning in EXTRAS.items()
        ),
    )


PAGES: dict[str, Callable[[], str]] = {"extras": extras, "requirements": requirements}
