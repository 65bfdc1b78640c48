"""Nothing that belongs to one machine or registry is kept in the repository."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.architecture.tree import ROOT, kept_files, name_of

#: Homes and work folders of one machine, and where packages come from. Put together from parts, so
#: that this file names none of them either.
FOREIGN = re.compile(
    "|".join(
        first + second
        for first, second in (
            ("/wo", "rk/"),
            ("/ho", r"me/\w+/"),
            ("/Us", r"ers/\w+/"),
            ("/ro", r"ot/[.\w]"),
            ("@ fi", "le:///"),
            ("python", r"hosted\.org"),
            ("pypi", r"\.org/simple"),
            ("registry", r"\.npmjs"),
            ("registry", r"\.yarnpkg"),
            ("--(?:extra-)?", "index-url"),
            ("--find", "-links"),
            ("--trusted", "-host"),
        )
    )
)
_PLAIN_PIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*==[A-Za-z0-9][A-Za-z0-9.+!]*")


def texts() -> list[Path]:
    """Return the kept files that are text."""
    return [path for path in kept_files() if b"\0" not in path.read_bytes()[:8192]]


def test_no_kept_file_names_a_machine_or_a_registry() -> None:
    found = [
        f"{name_of(path)}:{number}: {match.group()}"
        for path in texts()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if (match := FOREIGN.search(line))
    ]

    assert not found


@pytest.mark.parametrize(
    "breach",
    [
        "x @ fi" + "le:///opt/x.whl",
        "/ho" + "me/ada/site",
        "--extra-" + "index-url=x",
        "/Us" + "ers/ada/x",
    ],
    ids=["file", "home", "index", "users"],
)
def test_a_breach_is_seen(breach: str) -> None:
    assert FOREIGN.search(breach)


def test_constraints_are_plain_sorted_pins() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()

    names = [line.partition("==")[0].lower() for line in lines]

    assert [line for line in lines if not _PLAIN_PIN.fullmatch(line)] == []
    assert names == sorted(set(names))
    assert "imagegen-app" not in names


def test_no_lock_file_or_secret_is_kept() -> None:
    suspicious = re.compile(r"(?:\.lock|-lock\.\w+|\.pem|\.key|\.sqlite3|\.env)$")

    assert [name_of(path) for path in kept_files() if suspicious.search(path.name)] == []
