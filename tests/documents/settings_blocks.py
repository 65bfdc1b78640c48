"""Evaluate blocks of settings as the end of `settings.py` of a site that `startproject` made."""

from __future__ import annotations

import ast
import functools
import importlib
import importlib.util
from contextlib import ExitStack
from logging.config import DictConfigurator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import django
import pytest
from django.apps import AppConfig
from django.conf import global_settings
from django.conf import settings as django_settings
from django.core import checks as django_checks
from django.core.exceptions import ImproperlyConfigured
from django.core.files.storage.handler import StorageHandler
from django.db.utils import ConnectionHandler
from django.template import Context, Engine
from django.test import override_settings
from django.utils.module_loading import import_string

from imagegen_app import conf
from tests.architecture.bare_site import site_lines
from tests.architecture.tree import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

    from tests.documents.snippets import Snippet

#: Settings of other packages that pages set.
_OF_OTHERS = ("CELERY_", "RQ_", "AWS_", "UNFOLD", "JAZZMIN_")
#: What a reader's own files settle: whether a certificate lies where the page says.
_OF_THE_PLACE = {"imagegen.E009"}
_KNOWN = {"IMAGEGEN", "BASE_DIR", "TASKS", "SECURE_CSP", "SECURE_CSP_REPORT_ONLY"}


def is_settings(source: str) -> bool:
    """Return whether a block of Python does nothing but assign settings."""
    nodes = [
        one for one in ast.parse(source).body if not isinstance(one, ast.Import | ast.ImportFrom)
    ]
    return bool(nodes) and all(map(_is_setting, nodes))


def _is_setting(node: ast.stmt) -> bool:
    match node:
        case ast.Assign(targets=[target]) | ast.AugAssign(target=target):
            return _root_of(target).isupper()
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=value))):
            return _root_of(value).isupper()
    return False


def _root_of(node: ast.expr) -> str:
    while isinstance(node, ast.Subscript | ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


@functools.cache
def _begun() -> str:
    """Return the settings that `startproject` writes."""
    template = Path(django.__file__).parent / "conf/project_template/project_name/settings.py-tpl"
    values = {"project_name": "mysite", "secret_key": "only-for-a-page", "docs_version": "5.2"}
    return Engine().from_string(template.read_text(encoding="utf-8")).render(Context(values))


def evaluated(snippet: Snippet, *, folder: Path) -> dict[str, Any]:
    """Return the settings of a site with the README's lines that has a page's block at its end."""
    names: dict[str, Any] = {"__file__": str(folder / "mysite" / "settings.py")}
    exec(_begun(), names)  # noqa: S102 -- Django's own template
    if '"imagegen_app", "django_tasks_db"' not in snippet.source:
        exec(site_lines(ROOT / "README.md")[0], names)  # noqa: S102 -- our own README
    code = compile("\n" * (snippet.line - 1) + snippet.source, snippet.page, "exec")
    exec(code, names)  # noqa: S102 -- our own page
    return {name: value for name, value in names.items() if name.isupper()}


def check_settings(snippet: Snippet, *, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Evaluate a block and let everything that reads such settings look at it.

    :raises AssertionError: if a setting is unknown, or a check finds an error.
    """
    found = evaluated(snippet, folder=folder)
    unknown = [name for name in found if not _is_known(name)]
    assert not unknown, f"no setting of Django, ours or a package we name: {unknown}"
    _check_apps(found["INSTALLED_APPS"])
    for path in found["MIDDLEWARE"]:
        import_string(path)
    for template in found["TEMPLATES"]:
        for path in template.get("OPTIONS", {}).get("context_processors", []):
            import_string(path)
    _check_databases(found["DATABASES"])
    if "LOGGING" in found:
        _check_logging(found["LOGGING"])
    missing = _check_storages(found["STORAGES"])
    if not missing:
        _check_ours(found, folder=folder, monkeypatch=monkeypatch)


def _is_known(name: str) -> bool:
    return (
        name in _KNOWN
        or hasattr(global_settings, name)
        or name in _names_begun()
        or name.startswith(_OF_OTHERS)
    )


@functools.cache
def _names_begun() -> set[str]:
    return {
        _root_of(node.targets[0])
        for node in ast.parse(_begun()).body
        if isinstance(node, ast.Assign)
    }


def _check_apps(entries: list[str]) -> None:
    labels = [AppConfig.create(entry).label for entry in entries]
    assert len(labels) == len(set(labels)), f"an app stands twice in INSTALLED_APPS: {labels}"


def _check_databases(databases: dict[str, Any]) -> None:
    handler = ConnectionHandler(databases)
    for alias, entry in databases.items():
        if entry["ENGINE"].endswith(".mysql") and importlib.util.find_spec("MySQLdb") is None:
            # It is no dependency of the tests; `.ci/run` installs it.
            pytest.skip("its driver is not installed: pip install '.[mysql]'")
        parameters = handler[alias].get_connection_params()
        if handler[alias].vendor == "sqlite":
            # It says only now that it does not know an option.
            handler[alias].get_new_connection({**parameters, "database": ":memory:"}).close()


def _check_storages(storages: dict[str, Any]) -> bool:
    """Build each storage; return whether the package of one is not installed here.

    Of such a one the options are compared with those that its source lists.
    """
    handler = StorageHandler(storages)
    is_missing = False
    for name, entry in storages.items():
        try:
            handler[name]
        except (ImportError, ImproperlyConfigured):
            path = entry["BACKEND"].rpartition(".")[0]
            assert path.startswith("storages.backends."), path
            assert entry.get("OPTIONS", {}).keys() <= _listed_options(path), name
            is_missing = True
    return is_missing


def _listed_options(module: str) -> set[str]:
    """Return the options of a storage of django-storages, by its source."""
    found = importlib.util.find_spec(module)
    assert found, f"there is no {module}"
    assert found.origin
    for node in ast.walk(ast.parse(Path(found.origin).read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef) and node.name == "get_default_settings":
            (values,) = [one for one in ast.walk(node) if isinstance(one, ast.Dict) and one.keys][
                :1
            ]
            return {ast.literal_eval(key) for key in values.keys if key is not None}
    raise AssertionError(f"{module} lists no options")


def _check_logging(config: dict[str, Any]) -> None:
    """Build filters, formatters and handlers; the loggers of this process stay as they are."""
    builder: Any = DictConfigurator(config)
    for kind, build in (
        ("formatters", builder.configure_formatter),
        ("filters", builder.configure_filter),
        ("handlers", builder.configure_handler),
    ):
        for name, entry in builder.config.get(kind, {}).items():
            builder.config[kind][name] = build(entry)
    loggers = [config.get("root", {}), *config.get("loggers", {}).values()]
    assert {name for one in loggers for name in one.get("handlers", ())} <= set(config["handlers"])


def _check_ours(found: dict[str, Any], *, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    imagegen = dict(found.get("IMAGEGEN", {}))
    for variable in _variables(imagegen):
        monkeypatch.setenv(variable, "a-value-of-this-page")
    imagegen.setdefault("STATE_DIR", folder / "state")
    changed = {
        name: value
        for name, value in found.items()
        if name in {"TASKS", "SECURE_CSP"} or name.startswith(_OF_OTHERS)
    }
    apps = [*django_settings.INSTALLED_APPS]
    added = [one for one in found["INSTALLED_APPS"] if one not in apps]
    storages = {**django_settings.STORAGES, **found["STORAGES"]}
    with ExitStack() as stack:
        stack.enter_context(override_settings(**changed, IMAGEGEN=imagegen, STORAGES=storages))
        # Read by our checks, and no reason to start all apps anew.
        monkeypatch.setattr(django_settings, "INSTALLED_APPS", [*apps, *added])
        conf.read(imagegen)
        issues = [
            issue
            for issue in django_checks.run_checks(tags=["imagegen"], databases=[])
            if issue.level >= django_checks.ERROR and issue.id not in _OF_THE_PLACE
        ]
    assert not issues, "\n".join(f"{issue.id}: {issue.msg} {issue.hint}" for issue in issues)


def _variables(value: Any) -> Iterator[str]:
    """Return the environment variables that settings name as a source."""
    if isinstance(value, dict):
        for entry in value.values():
            yield from _variables(entry)
    elif isinstance(value, list | tuple):
        for entry in value:
            yield from _variables(entry)
    elif isinstance(value, str) and value.startswith("env:"):
        yield value.removeprefix("env:")


def check_urls(snippet: Snippet) -> None:
    """Evaluate a block at the end of the `urls.py` that `startproject` writes."""
    begun = "from django.contrib import admin\nfrom django.urls import path\n"
    begun += 'urlpatterns = [path("admin/", admin.site.urls)]\n'
    names: dict[str, Any] = {}
    exec(begun + snippet.source, names)  # noqa: S102 -- our own page
    for pattern in names["urlpatterns"]:
        module = getattr(pattern, "urlconf_name", None)
        if isinstance(module, str):
            importlib.import_module(module)
