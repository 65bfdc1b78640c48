"""The command that writes templates to files and imports them."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import pytest
from django.core.management import CommandError, call_command

from imagegen_app.models import PromptTemplate
from imagegen_app.testing.factories import make_template

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.django_db


def run(*arguments: Any) -> str:
    out = io.StringIO()
    call_command("imagegen_templates", *arguments, stdout=out)
    return out.getvalue()


@pytest.mark.parametrize("ending", [".yaml", ".json"])
def test_a_file_that_was_written_is_imported_as_it_is(tmp_path: Path, ending: str) -> None:
    make_template(slug="vase")
    make_template(slug="mug", body="A {{ product }} öäü 🎨")
    file = tmp_path / f"templates{ending}"

    assert "2 templates were written to" in run("export", "--output", file)
    assert "🎨" in file.read_text(encoding="utf-8")
    assert run("import", file) == "Done: 0 new, 0 new version, 2 as it is.\n"
    printed = json.loads(run("export", "mug"))
    assert [one["slug"] for one in printed["templates"]] == ["mug"]


def test_a_dry_run_shows_what_would_be_done(tmp_path: Path) -> None:
    file = tmp_path / "new.yaml"
    file.write_text("templates:\n- {slug: mug, name: Mug, prompt: A mug.}\n", encoding="utf-8")

    said = run("import", file, "--dry-run")
    assert said.splitlines() == [
        "mug: new",
        "This would be done (nothing was written): 1 new, 0 new version, 0 as it is.",
    ]
    assert not PromptTemplate.objects.exists()

    told = json.loads(run("import", file, "--json"))
    assert told == {
        "dry_run": False,
        "templates": [{"slug": "mug", "name": "Mug", "action": "create", "parts": [], "notes": []}],
    }
    assert PromptTemplate.objects.get().current is not None


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["export", "nothing"], "There is no template “nothing”."),
        (["export", "--output", "templates.txt"], "must end in .yaml or .json"),
        (["import", "missing.yaml"], "the file cannot be read"),
        (["import", "README.md"], "must end in .toml, .yaml or .json"),
    ],
)
def test_wrong_arguments_give_one_clear_sentence(arguments: list[str], told: str) -> None:
    with pytest.raises(CommandError) as refused:
        run(*arguments)

    assert told.casefold() in str(refused.value).casefold()
    assert refused.value.returncode == 2


def test_all_mistakes_of_a_file_are_listed(tmp_path: Path) -> None:
    file = tmp_path / "wrong.json"
    entries = [{"slug": "a", "name": "A"}, {"slug": "b", "nam": "B", "prompt": "x"}]
    file.write_text(json.dumps({"templates": entries}), encoding="utf-8")

    with pytest.raises(CommandError) as refused:
        run("import", file)

    assert str(refused.value).splitlines() == [
        "No template was imported.",
        "- templates[1]: “prompt” is missing; add it.",
        "- templates[2].nam: “nam” does not exist; did you mean “name”?",
        "- templates[2]: “name” is missing; add it.",
    ]
