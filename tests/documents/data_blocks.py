"""Read blocks of data as what their authors say that they are: JSON, TOML, units, templates, SQL."""

from __future__ import annotations

import configparser
import json
import shlex
import tomllib
from typing import TYPE_CHECKING, Any

import yaml
from django.db import connection
from django.template import engines

from imagegen_app.admin.fixed_lines import FixedParametersField
from imagegen_app.core import (
    capability_overrides,
    catalog_entries,
    data_handling,
    pricing,
    setup_document,
    template_document,
)
from imagegen_app.providers import registry
from imagegen_app.providers.families import comfy_examples, comfy_workflows
from tests.documents import commands

if TYPE_CHECKING:
    from collections.abc import Callable


def check_data(source: str, *, language: str, kind: str) -> None:
    """Look at a block of data of a language.

    :raises AssertionError: if nothing here reads it.
    """
    match language, kind:
        case "json", _:
            check_json(source, kind=kind)
        case "toml", _:
            # The one file of ours in TOML.
            setup_document.read_description(tomllib.loads(source))
        case "yaml", _:
            # The one file of ours in YAML.
            assert template_document.read_templates(yaml.safe_load(source))
        case "sql", _:
            check_sql(source)
        case "text", "fixed parameters":
            assert FixedParametersField().clean(source)
        case _:
            raise AssertionError(f"nothing here reads {language or 'a block'} {kind}")


def check_json(source: str, *, kind: str) -> None:
    """Read JSON, and let what will read it on a site look at it."""
    document = json.loads(source)
    assert kind in _DOCUMENTS, "say above the block what this JSON is: <!-- snippet: price list -->"
    _DOCUMENTS[kind](document)


def _capabilities(document: Any) -> None:
    broad = registry.capabilities("sandbox", "sandbox-1")
    capability_overrides.overridden(broad, document)


def _price_list(document: Any) -> None:
    pricing.PriceList.from_dict(document)


def _catalogue(document: Any) -> None:
    assert catalog_entries.read_catalog(json.dumps(document).encode())


def _data_handling(document: Any) -> None:
    data_handling.parse_facts(document)


def _options_of(adapter: str) -> Callable[[Any], None]:
    def check(document: Any) -> None:
        assert not (wrong := registry.option_errors(adapter, document)), wrong

    return check


def _workflow_slots(document: Any) -> None:
    graph = comfy_examples.WORKFLOWS["text-to-image"]["graph"]
    comfy_workflows.read({"graph": graph, "slots": document})


_DOCUMENTS: dict[str, Callable[[Any], None]] = {
    "capabilities": _capabilities,
    "price list": _price_list,
    "catalogue": _catalogue,
    "data handling": _data_handling,
    "options of http_jobs": _options_of("http_jobs"),
    "options of azure_openai": _options_of("azure_openai"),
    "workflow slots": _workflow_slots,
}


def check_unit(source: str, *, pytest_parser: Any) -> None:
    """Read a unit of systemd: its sections, and the command that it starts."""
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read_string(source)
    assert set(parser.sections()) <= {"Unit", "Service", "Timer", "Install"}
    if parser.has_option("Service", "ExecStart"):
        started = parser.get("Service", "ExecStart")
        assert shlex.split(started)[0].startswith("/"), "systemd wants a whole path"
        commands.check_line(started, pytest_parser=pytest_parser)


def check_template(source: str, *, context: dict[str, Any]) -> None:
    """Compile a template with the libraries that it loads, and render it."""
    rendered = engines["django"].from_string(source).render(context)
    assert rendered.strip()


def check_sql(source: str) -> None:
    """Run a statement on the tables that stand."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            connection.connection.create_function("now", 0, lambda: "2026-11-28 12:00:00")
        cursor.execute(source)
