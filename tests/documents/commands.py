"""Read the command lines of pages: each command has to exist and to take these arguments."""

from __future__ import annotations

import argparse
import functools
import re
import shlex
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from django.core.management import get_commands, load_command_class
from packaging.requirements import Requirement

from imagegen_app.services.library import _pack_verifier
from tests.architecture.tree import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

_PYTHON = re.compile(r"^(?:\S*/)?python3?$")
_ASSIGNED = re.compile(r"^[A-Z][A-Z0-9_]*=")
#: Stands for an argument that a reader fills in.
_PLACEHOLDER = re.compile(r"^[A-Z][A-Z_]*$")
#: Tools of others: the forms that pages use, looked at by hand once.
_KNOWN_FORMS = [
    re.compile(form)
    for form in (
        r"export [A-Z_]+=\S*",
        r"openssl genpkey -algorithm ed25519 -out \S+\.pem",
        r"(?:\S*/)?pre-commit install",
        r"npm install --prefix \S+ @trustnxt/c2pa-ts",
        r"pipx install \S+",
        r"pip-audit -r constraints\.txt",
        r"\. \.venv/bin/activate",
        r"django-admin startproject mysite \.",
    )
]
#: Programs that `python -m` starts, beside pip, pytest and venv.
_KNOWN_MODULES = {
    "venv",
    "tests.mutations",
    "tests.mutations.sample",
    "tests.browser.pictures",
    "django",
}


class WrongCommand(AssertionError):
    """A command line of a page cannot be run."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise WrongCommand(message)


def command_lines(source: str, *, language: str) -> list[str]:
    """Return the commands of a block: in a console those behind the prompt."""
    joined = source.replace("\\\n", " ")
    lines = [line.strip() for line in joined.splitlines() if line.strip()]
    if language == "console":
        lines = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
        if not lines:
            raise WrongCommand("a console shows no command behind a `$ `")
    return lines


def check_line(line: str, *, pytest_parser: Any) -> None:
    """Look at one line of commands.

    :raises WrongCommand: if a command of it is not known or does not take its arguments.
    """
    for words in _commands(line):
        _check(words, pytest_parser=pytest_parser)


def check_options(code: str) -> None:
    """Look at a command in running text, whose arguments may be left out.

    :raises WrongCommand: if there is no such command, or it has no such option.
    """
    words = shlex.split(code)
    if not words:
        return
    if words[0] in {"python", "python3"}:
        words = words[1:]
    if words[:1] == ["manage.py"]:
        words = words[1:]
    elif not words or words[0] not in _our_commands():
        return
    if not words or words[0].startswith(("…", "-")):
        return
    parser = _parser_of(words[0])
    for word in words[1:]:
        name = word.partition("=")[0]
        if name.startswith("--") and name not in _options_of(parser):
            raise WrongCommand(f"{words[0]} has no option {name}")


def _options_of(parser: argparse.ArgumentParser) -> set[str]:
    found = set(parser._option_string_actions)
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for one in action.choices.values():
                found |= _options_of(one)
    return found


def _our_commands() -> set[str]:
    return {name for name, app in get_commands().items() if str(app).startswith("imagegen_app")}


def _commands(line: str) -> Iterator[list[str]]:
    """Return the commands of a line as words, without what is assigned before them."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="&|;<>")
    lexer.whitespace_split = True
    lexer.commenters = "#"
    words: list[str] = []
    for word in [*lexer, "&&"]:
        if set(word) <= set("&|;"):
            while words and _ASSIGNED.match(words[0]):
                _check_variable(words.pop(0).partition("=")[0])
            if words:
                yield words
            words = []
        elif set(word) <= set("<>"):
            words.append(word)
        else:
            words.append(word)


def _check(words: list[str], *, pytest_parser: Any) -> None:
    words = _without_redirection(words)
    if not _PYTHON.match(words[0]):
        _check_program(words)
        return
    rest = words[1:]
    while rest and rest[0] in {"-I", "-S"}:
        rest = rest[1:]
    match rest:
        case ["manage.py", *given]:
            _check_managed(given)
        case ["-m", "pip", *given]:
            _check_pip(given)
        case ["-m", "pytest", *given]:
            _check_pytest(given, parser=pytest_parser)
        case ["-m", module, *_] if module in _KNOWN_MODULES:
            pass
        case ["verify.py", *given]:
            _check_verifier(given)
        case _:
            raise WrongCommand(f"no known program: {shlex.join(words)}")


def _check_program(words: list[str]) -> None:
    name = words[0].rpartition("/")[2]
    if name == "manage.py":
        _check_managed(words[1:])
    elif name == "pip":
        _check_pip(words[1:])
    elif not any(form.fullmatch(" ".join(words)) for form in _KNOWN_FORMS):
        raise WrongCommand(f"no known form of a command: {shlex.join(words)}")


def _without_redirection(words: list[str]) -> list[str]:
    for sign in ("<", ">", ">>"):
        if sign in words:
            words = words[: words.index(sign)]
    return words


@functools.cache
def _known_variables() -> set[str]:
    """Return the variables of ours that something reads, this test left out."""
    sources = [
        path.read_text(encoding="utf-8")
        for folder in ("imagegen_app", "project", "tests")
        for path in (ROOT / folder).rglob("*.py")
        if path.parent != Path(__file__).parent
    ]
    return {name for source in sources for name in re.findall(r"\bIMAGEGEN_[A-Z0-9_]+", source)}


def _check_variable(name: str) -> None:
    if name.startswith("IMAGEGEN_LIVE_"):
        name = "IMAGEGEN_LIVE_"  # and the name of an adapter
    if name.startswith("IMAGEGEN_") and name not in _known_variables():
        raise WrongCommand(f"nothing reads the variable {name}")


@functools.cache
def _parser_of(name: str) -> argparse.ArgumentParser:
    if name not in get_commands():
        raise WrongCommand(f"there is no command {name}")
    app = get_commands()[name]
    command = load_command_class(app, name)
    return command.create_parser("manage.py", name)


def _check_managed(words: list[str]) -> None:
    if not words:
        raise WrongCommand("manage.py needs a command")
    parser = _parser_of(words[0])
    try:
        parser.parse_args(words[1:])
    except WrongCommand:
        raise
    except (Exception, SystemExit) as error:  # noqa: BLE001 - Django's parser raises CommandError
        if not isinstance(error, SystemExit) or error.code:
            raise WrongCommand(f"{words[0]}: {error}") from None


def _check_pip(words: list[str]) -> None:
    parser = _Parser(prog="pip")
    install = parser.add_subparsers(required=True).add_parser("install")
    install.add_argument("-q", "--quiet", action="store_true")
    install.add_argument("-U", "--upgrade", action="store_true")
    install.add_argument("-c", "--constraint", action="append", default=[])
    install.add_argument("-e", "--editable", action="append", default=[])
    install.add_argument("packages", nargs="*")
    found = parser.parse_args(words)
    for name in found.constraint:
        if not (ROOT / name).exists():
            raise WrongCommand(f"there is no file {name}")
    for package in [
        *found.packages,
        *(one.replace(".", "imagegen-app", 1) for one in found.editable),
    ]:
        _check_requirement(package)


@functools.cache
def project() -> dict[str, Any]:
    """Return the project's own description."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    found: dict[str, Any] = tomllib.loads(text)["project"]
    return found


@functools.cache
def _known_packages() -> set[str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return {line.partition("==")[0].lower() for line in lines} | {project()["name"]}


def _check_requirement(text: str) -> None:
    wanted = Requirement(text)
    if wanted.name.lower() not in _known_packages():
        raise WrongCommand(f"{wanted.name} is not among the packages that were tried")
    if wanted.name == project()["name"]:
        unknown = wanted.extras - set(project()["optional-dependencies"])
        if unknown:
            raise WrongCommand(f"no such extra: {', '.join(sorted(unknown))}")


def _check_pytest(words: list[str], *, parser: Any) -> None:
    found = parser.parse_known_args(words)
    unknown = parser.parse_known_and_unknown_args(words)[1]
    if unknown:
        raise WrongCommand(f"pytest has no option {unknown}")
    for name in found.file_or_dir:
        if not (ROOT / name.partition("::")[0]).exists():
            raise WrongCommand(f"there are no tests in {name}")
    if found.markexpr and not re.search(
        rf'"{found.markexpr}:', (ROOT / "pyproject.toml").read_text()
    ):
        raise WrongCommand(f"no mark is called {found.markexpr}")


def _check_verifier(words: list[str]) -> None:
    source = Path(_pack_verifier.__file__).read_text(encoding="utf-8")
    for word in words:
        if word.startswith("--") and f'"{word}"' not in source:
            raise WrongCommand(f"verify.py has no option {word}")
