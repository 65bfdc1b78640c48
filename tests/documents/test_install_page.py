"""The page about installing leads from an empty folder to an image, by its own lines alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.tree import ROOT
from tests.documents.snippets import Snippet, snippets_in

PAGE = ROOT / "docs" / "tutorial" / "install.md"
#: What this environment has already.
_DONE = ("python3 -m venv", ". .venv/bin/activate", "python -m pip install")
#: What does not end by itself.
_SERVERS = ("python manage.py imagegen_worker", "python manage.py runserver")


def put(snippet: Snippet, *, folder: Path) -> None:
    """Do with a block of Python or TOML what the page says: a file, or the end of one."""
    first = snippet.source.partition("\n")[0]
    if first.startswith("# "):
        (folder / first.removeprefix("# ")).write_text(snippet.source, encoding="utf-8")
        return
    name = "urls.py" if "urlpatterns" in snippet.source else "settings.py"
    with (folder / "mysite" / name).open("a", encoding="utf-8") as file:
        file.write(snippet.source)


def run(line: str, *, folder: Path) -> str:
    """Run one line of the page in a shell, and return what it printed."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("DJANGO_", "PYTEST"))
    }
    environment |= {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
    }
    ended = subprocess.run(
        ["bash", "-c", line],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    # No worker runs here, which the doctor tells.
    assert ended.returncode == 0 or "imagegen_doctor" in line, ended.stdout + ended.stderr
    return ended.stdout + ended.stderr


@pytest.mark.slow
def test_the_lines_of_the_page_make_a_first_image(tmp_path: Path) -> None:
    printed: dict[str, str] = {}

    for snippet in snippets_in(PAGE.read_text(encoding="utf-8"), page="install.md"):
        if snippet.language in {"python", "toml"}:
            put(snippet, folder=tmp_path)
            continue
        for line in snippet.source.splitlines():
            if not line.startswith((*_DONE, *_SERVERS)):
                printed[line] = run(line, folder=tmp_path)

    assert "no issues" in printed["python manage.py check"]
    assert "Done: 4 new, 1 changed" in printed["python manage.py imagegen_setup imagegen.toml"]
    images = list((tmp_path / "first-image").glob("*.png"))
    assert len(images) == 1
    found = printed["python manage.py imagegen_doctor"].splitlines()
    assert [one.split()[1] for one in found if one.startswith("error")] == ["worker:"], found
