"""Make the reference pages: Markdown from the tables, values and docstrings of the code."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
from importlib import import_module
from typing import TYPE_CHECKING, Any

import provider_pages
from django.apps import apps
from django.core.management import BaseCommand, get_commands, load_command_class
from markdown_tables import cell, code, first_line, notes, table

from imagegen_app import check_ids, conf, signals
from imagegen_app.core import error_guide, pricing, states, uploaded_tables
from imagegen_app.core import errors as core_errors
from imagegen_app.core import events as core_events
from imagegen_app.services.gateways import workbooks

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable
    from enum import StrEnum


BILLED = {"no": "no", "yes": "yes", "unknown": "perhaps"}


def _default(field: dataclasses.Field[Any]) -> str:
    if field.default is not dataclasses.MISSING:
        default = _plain(field.default)
        return f"default {code(default)}" if default else "default as listed below"
    if field.default_factory is not dataclasses.MISSING:
        value = field.default_factory()
        return "see below" if dataclasses.is_dataclass(value) else f"default {code(repr(value))}"
    return "required"


def _plain(value: Any) -> str | None:
    """Return a default as a site would write it; None where it is a nested section."""
    if dataclasses.is_dataclass(value):
        return None
    if isinstance(value, tuple) and any(dataclasses.is_dataclass(entry) for entry in value):
        return None
    return repr(list(value)) if isinstance(value, tuple) else repr(value)


def settings() -> str:
    """List every setting with its type, default and meaning."""
    kinds = [conf.Settings] + [
        kind
        for _, kind in inspect.getmembers(conf, dataclasses.is_dataclass)
        if kind is not conf.Settings and inspect.isclass(kind)
    ]
    parts = []
    for kind in kinds:
        said = notes(kind)
        title = "IMAGEGEN" if kind is conf.Settings else kind.__name__
        parts += [f"**{title}**: {first_line(kind)}", ""]
        for field in dataclasses.fields(kind):
            parts += [
                code(field.name.upper()),
                f": {cell(said[field.name])} Type {code(field.type)}, {_default(field)}.",
                "",
            ]
    return "\n".join(parts)


def events() -> str:
    """List every audit event with its sentence, severity and personal fields."""
    everywhere = ", ".join(code(name) for name in core_events.PERSONAL_EVERYWHERE)
    rows = [
        (
            code(name),
            cell(event.severity),
            cell(event.sentence),
            cell(
                ", ".join(
                    code(field)
                    for field in event.personal
                    if field not in core_events.PERSONAL_EVERYWHERE
                )
            ),
        )
        for name, event in sorted(core_events.EVENTS.items())
    ]
    return f"Personal in every event: {everywhere}.\n\n" + table(
        ("event", "severity", "sentence", "personal besides"), rows
    )


def errors() -> str:
    """List every error that a provider can cause, with what follows from it."""
    yes_no = {True: "yes", False: "no"}
    return table(
        ("error", "what happened, and what you can do", "tried again", "other model", "billed"),
        (
            (
                _error_link(error.code),
                f"{first_line(error)} {cell(error.remedy)}",
                yes_no[error.retryable],
                yes_no[error.can_fail_over],
                BILLED[error.billed],
            )
            for _, error in sorted(core_errors.all_errors().items())
        ),
    )


def _error_link(error_code: str) -> str:
    """Return an error's code, linked to its section about troubleshooting where there is one."""
    if error_code not in error_guide.GUIDES:
        return code(error_code)
    anchor = f"error-{error_code.replace('_', '-')}"
    return f"[{code(error_code)}](../how-to/troubleshooting.md#{anchor})"


def _states(kind: type[StrEnum], moves: dict[Any, frozenset[Any]]) -> str:
    said = notes(kind)
    return table(
        ("state", "meaning", "may become"),
        (
            (
                code(state.value),
                cell(said[state.name] or "An end."),
                ", ".join(code(target.value) for target in kind if target in moves[state])
                or "nothing: it is final",
            )
            for state in kind
        ),
    )


def job_states() -> str:
    """List the states of a job and every move."""
    return _states(states.JobState, states.JOB_TRANSITIONS)


def attempt_states() -> str:
    """List the states of an attempt and every move."""
    return _states(states.AttemptState, states.ATTEMPT_TRANSITIONS)


def review_states() -> str:
    """List the states of an asset's review and every move."""
    return _states(states.ReviewState, states.REVIEW_TRANSITIONS)


def public_signals() -> str:
    """List the signals that a site may listen to."""
    return table(
        ("signal", "sent when"),
        ((code(name), cell(said)) for name, said in notes(signals).items()),
    )


def _arguments(name: str, *, app: str) -> list[argparse.Action]:
    """Return a command's own arguments, without those that every command has."""

    def parser(command: BaseCommand) -> argparse.ArgumentParser:
        return command.create_parser("manage.py", name)

    everywhere = {action.dest for action in parser(BaseCommand())._actions}
    ours = parser(load_command_class(app, name))._actions
    return [action for action in ours if action.dest not in everywhere]


def our_commands() -> dict[str, str]:
    """Return our management commands and the app each belongs to."""
    ours = {config.name for config in apps.get_app_configs()}
    return {
        name: str(app)
        for name, app in sorted(get_commands().items())
        if app in ours and str(app).partition(".")[0] in {"imagegen_app", "project"}
    }


def commands() -> str:
    """List every management command with its arguments."""
    parts = []
    for name, app in our_commands().items():
        command = load_command_class(app, name)
        parts += [f"**`manage.py {name}`**: {cell(command.help)}", ""]
        rows = [
            (
                code(", ".join(action.option_strings) or action.metavar or action.dest),
                cell(action.help or ""),
            )
            for action in _arguments(name, app=app)
        ]
        parts.append(table(("argument", "meaning"), rows) if rows else "It takes no arguments.\n")
    return "\n".join(parts)


def prices() -> str:
    """List the kinds of tokens that can have a price, and what counts as each."""
    return table(
        ("tokens", "what counts as such"),
        ((code(name), cell(said)) for name, said in pricing.TOKEN_KINDS.items()),
    )


def price_units() -> str:
    """List the further units that can have a price, and what counts as each."""
    return table(
        ("unit", "what counts as such"),
        ((code(name), cell(said)) for name, said in pricing.UNIT_KINDS.items()),
    )


def _words(node: ast.expr | None) -> str:
    """Return the text of an expression; what is filled in at run time stands in braces."""
    match node:
        case None:
            text = ""
        case ast.Constant(value=str(constant)):
            text = constant
        case ast.JoinedStr(values=values):
            text = "".join(_words(value) for value in values)
        case ast.FormattedValue(value=value):
            text = "{" + ast.unparse(value) + "}"
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            text = _words(left) + _words(right)
        case ast.BinOp(left=left, op=ast.Mod()):
            text = _words(left)
        case ast.Call(func=ast.Attribute(value=value, attr="format")):
            text = _words(value)
        case ast.Call(args=[first, *_]):
            text = _words(first)
        case _:
            text = "{" + ast.unparse(node) + "}"
    return text


#: Where checks are made, and where engines and gateways name what is wrong with the settings.
_CHECKED = [
    import_module(f"imagegen_app.{name}")
    for name in (
        "checks",
        "text_service_checks",
        "certificate_checks",
        "environment_checks",
        "provider_checks",
        "publication_checks",
        "router_checks",
        "screener_checks",
        "static_checks",
        "engines.celery_checks",
        "engines.django_tasks",
        "engines.rq",
        "services.gateways.site_code",
    )
]


def found_checks() -> list[tuple[str, str, str, str]]:
    """Return id, severity, text and hint of every system check, in the order of their ids."""
    found = []
    for module in _CHECKED:
        for node in ast.walk(ast.parse(inspect.getsource(module))):
            if not isinstance(node, ast.Call):
                continue
            if isinstance(node.func, ast.Name) and node.func.id == "SettingsIssue":
                number, text, hint = (_words(part) for part in node.args)
                severity = "error" if number.startswith("E") else "warning"
                found.append((f"imagegen.{number}", severity, text, hint))
                continue
            named = {keyword.arg: keyword.value for keyword in node.keywords}
            identity = _words(named.get("id"))
            if identity.startswith("imagegen.") and "{" not in identity:
                severity = ast.unparse(node.func).rpartition(".")[2].lower().removeprefix("check")
                text = _words(node.args[0] if node.args else named.get("msg"))
                found.append((identity, severity, text, _words(named.get("hint"))))
    return sorted(found)


def remedy_of(hint: str) -> str:
    """Return a hint; where all of it is made when the check runs, say so."""
    return "told with the message" if re.fullmatch(r"\{[^{}]*\}", hint) else hint


def system_checks() -> str:
    """List every system check with what it looks for, and what may be done about it."""
    remedies: dict[tuple[str, str], list[str]] = {}
    for identity, severity, _, hint in found_checks():
        remedies.setdefault((identity, severity), []).append(cell(remedy_of(hint)))
    rows = [
        (
            code(identity),
            cell(severity),
            cell(check_ids.CHECKS[identity]),
            " ".join(dict.fromkeys(hints)),
        )
        for (identity, severity), hints in remedies.items()
    ]
    return table(("id", "severity", "what it looks for", "remedy"), rows)


def table_limits() -> str:
    """List the limits of the tables that people upload."""
    limits = (
        ("size of the file", f"{uploaded_tables.MAX_TABLE_BYTES // 1024**2} MB"),
        (
            "a workbook once it is unpacked",
            f"{workbooks.MAX_UNPACKED_BYTES // 1024**2} MB, {workbooks.MAX_PARTS:,} parts",
        ),
        ("rows below the header", f"{uploaded_tables.MAX_TABLE_ROWS:,}, as in a batch"),
        ("columns", f"{uploaded_tables.MAX_TABLE_COLUMNS:,}"),
        ("characters of a cell", f"{uploaded_tables.MAX_CELL_CHARS:,}"),
        ("characters of a column's name", f"{uploaded_tables.MAX_HEADER_CHARS:,}"),
        ("characters of all cells", f"{uploaded_tables.MAX_TABLE_CHARS:,}"),
        (
            "cells of a sheet up to the last filled one of each row",
            f"{workbooks.MAX_CELLS:,}",
        ),
    )
    return table(("what", "at most"), [(cell(what), cell(most)) for what, most in limits])


#: Every generated page by its name in the documentation.
PAGES: dict[str, Callable[[], str]] = {
    "adapter-options": provider_pages.adapter_options,
    "attempt-states": attempt_states,
    "capabilities": provider_pages.capability_fields,
    "checks": system_checks,
    "commands": commands,
    "data-facts": provider_pages.data_facts,
    "data-handling": provider_pages.data_handling,
    "errors": errors,
    "events": events,
    "job-states": job_states,
    "parameter-kinds": provider_pages.parameter_kinds,
    "price-units": price_units,
    "prices": prices,
    "providers": provider_pages.providers,
    "review-states": review_states,
    "settings": settings,
    "signals": public_signals,
    "table-limits": table_limits,
}
