"""The newcomer's first command, as a process: what it prints, and what its files carry."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from imagegen_app.imaging.content_credentials import read_content_credentials
from imagegen_app.imaging.metadata import read_xmp
from imagegen_app.services.library.delivery import MEDIA_TYPES
from tests.journeys.conftest import demo, run


def test_three_products_get_placed_images_with_valid_credentials(
    demo_run: tuple[Path, dict[str, Any]],
) -> None:
    _folder, answer = demo_run

    assert answer["ok"] is True
    assert answer["seconds"] < 60
    assert [row["state"] for row in answer["jobs"]] == ["succeeded"] * 3
    assert all(row["credentials_valid"] for row in answer["jobs"])
    assert len(answer["jobs"][0]["placed"]) == 2


def published(folder: Path) -> list[Path]:
    return [
        p
        for subfolder in ("assets", "renditions")
        for p in sorted((folder / "imagegen" / subfolder).rglob("*.*"))
    ]


def test_every_published_file_carries_its_marks_and_a_valid_signature(
    demo_run: tuple[Path, dict[str, Any]],
) -> None:
    files = published(demo_run[0])

    assert len(files) >= 3 * 10
    for path in files:
        data = path.read_bytes()
        credentials = read_content_credentials(data, MEDIA_TYPES[path.suffix[1:]])
        assert credentials.state == "valid", path.name
        assert "DEVELOPMENT ONLY" in credentials.signer
        assert read_xmp(data).digital_source_type.endswith("/trainedAlgorithmicMedia")


@pytest.mark.skipif(shutil.which("exiftool") is None, reason="exiftool is not installed")
def test_exiftool_finds_the_marks_in_every_published_file(
    demo_run: tuple[Path, dict[str, Any]],
) -> None:
    files = published(demo_run[0])

    found = subprocess.run(
        ["exiftool", "-j", "-DigitalSourceType", "-Credit", *map(str, files)],
        capture_output=True,
        text=True,
        check=True,
    )

    results = json.loads(found.stdout)
    assert len(results) == len(files)
    assert all(t["DigitalSourceType"].endswith("trainedAlgorithmicMedia") for t in results)
    assert all(t["Credit"] == "Haus & Hain" for t in results)


def test_the_log_of_the_demo_verifies(demo_run: tuple[Path, dict[str, Any]]) -> None:
    done = demo(demo_run[0], "imagegen_audit", "verify", "--json")

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["ok"] is True


def test_a_second_run_seeds_nothing_twice(demo_run: tuple[Path, dict[str, Any]]) -> None:
    done = demo(demo_run[0], "demo", "--once", "--json", "--images", "1")

    assert done.returncode == 0, done.stderr[-2000:]
    assert len(json.loads(done.stdout)["jobs"]) == 1


#: Each is refused with one sentence, and not with a traceback.
WRONG = {
    ("demo", "--json"): "--json goes with --once",
    ("demo", "--once", "--images", "0"): "--images lies between",
    ("demo", "--once", "--model", "nosuch"): "is not a valid model",
    ("demo", "--provider"): "--provider needs a name: choose one of the list above",
    ("demo", "--once", "--provider", "nosuch"): "There is no provider 'nosuch': choose one",
    ("demo", "--provider", "all"): "--provider all goes with --once",
    ("demo", "--once", "--provider", "all", "--model", "sandbox-1"): "--model goes with one",
    ("demo", "--provider", "gemini", "--json"): "--json goes with --once",
    ("imagegen_generate", "--user", "nobody"): "is not a known user",
    ("imagegen_generate", "--user", "editor", "--var", "x"): "write NAME=VALUE",
    ("imagegen_generate", "--user", "editor", "--prompt", ""): "The prompt is empty",
    ("imagegen_generate", "--user", "editor", "--image", "/nosuch"): "cannot be read",
    ("imagegen_audit", "export", "--out", "/nosuch/x.jsonl"): "cannot be written",
    ("imagegen_worker", "--sweep-seconds", "0"): "must be more than 0",
}
#: Runs command lines as `manage.py` does, one after the other, for the price of one start.
SEVERAL = """
import contextlib, io, json, sys, traceback
from django.core.management import execute_from_command_line
results = []
for arguments in json.load(sys.stdin):
    code, errors = 0, io.StringIO()
    with contextlib.redirect_stderr(errors), contextlib.redirect_stdout(io.StringIO()):
        try:
            execute_from_command_line(["manage.py", *arguments])
        except SystemExit as end:
            code = end.code
        except Exception:
            code = 1
            traceback.print_exc()
    results.append([code, errors.getvalue()])
print(json.dumps(results))
"""


def test_a_wrong_argument_gives_one_clear_sentence(demo_run: tuple[Path, dict[str, Any]]) -> None:
    done = run([sys.executable, "-c", SEVERAL], demo_run[0], stdin=json.dumps(list(WRONG)))

    answers = dict(zip(WRONG, json.loads(done.stdout), strict=True))
    wrong = {
        arguments: (code, errors)
        for arguments, (code, errors) in answers.items()
        if not code or WRONG[arguments] not in errors or "Traceback" in errors
    }
    assert wrong == {}


def test_the_shell_generates_prints_json_and_writes_files(
    demo_run: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    done = demo(
        demo_run[0], "imagegen_generate", "--user", "editor", "--template", "product-still-life",
        "--var", "product=bottle", "--seed", "5", "--run-inline", "--out", str(tmp_path), "--json",
    )  # fmt: skip
    again = demo(
        demo_run[0], "imagegen_generate", "--user", "editor", "--template", "product-still-life",
        "--var", "product=bottle", "--seed", "5", "--run-inline", "--json",
    )  # fmt: skip

    answer = json.loads(done.stdout)
    assert answer["state"] == "succeeded"
    assert Path(answer["files"][0]).stat().st_size > 1000
    assert json.loads(again.stdout)["cached"] is True
