"""The command that sets a site up from a file."""

from __future__ import annotations

import io
import json
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import CommandError, call_command

from imagegen_app.models import AuditEvent, Budget, Grant, ImageModel, Provider
from imagegen_app.services.policy import access
from imagegen_app.testing.factories import make_user

pytestmark = pytest.mark.django_db
SMALL = '[[providers]]\nadapter = "sandbox"\n'


def run(*arguments: Any) -> str:
    out = io.StringIO()
    call_command("imagegen_setup", *arguments, stdout=out)
    return out.getvalue()


def refused(*arguments: Any) -> tuple[str, int]:
    with pytest.raises(CommandError) as raised:
        run(*arguments)
    return str(raised.value), raised.value.returncode


@pytest.fixture
def example(tmp_path: Path) -> Path:
    path = tmp_path / "site.toml"
    path.write_text(run("--example"), encoding="utf-8")
    return path


def test_the_example_sets_a_site_up_and_a_second_run_changes_nothing(example: Path) -> None:
    wanted = run(example, "--dry-run")
    assert not Provider.objects.exists()

    first, second = run(example), run(example)

    assert wanted.splitlines()[:-1] == first.splitlines()[:-1]
    assert "provider sandbox: new" in first
    assert '  price_list: {"currency": "USD", "per_image": [{"amount": "0"}]}' in first
    assert first.endswith("Done: 5 new, 0 changed, 0 as they are.\n")
    assert second == "Done: 0 new, 0 changed, 5 as they are.\n"
    editor = make_user(groups=["Image editors"])
    assert [m.slug for m in access.granted_models(access.actor_for(editor))] == ["sandbox-1"]
    assert Budget.objects.get().limit == 50


def test_the_example_holds_also_where_its_comments_are_taken_away(
    example: Path, settings: Any
) -> None:
    make_user("edda")
    settings.IMAGEGEN = {
        **settings.IMAGEGEN,
        "CREDENTIALS": {"openai-prod": {"source": "env:X", "hosts": ["api.openai.com"]}},
    }
    lines = example.read_text(encoding="utf-8").splitlines()
    # Comments that are lines of the file: a table, or a name with its value.
    opened = [
        line.removeprefix("# ") if line.startswith("# [[") or " = " in line else line
        for line in lines
    ]
    example.write_text("\n".join(opened).replace("members = []", 'members = ["edda"]'))

    run(example)

    assert ImageModel.objects.count() == 3
    assert str(Grant.objects.get().ends_at).startswith("2027-12-3")


def test_a_change_is_told_with_both_values(tmp_path: Path) -> None:
    path = tmp_path / "site.toml"
    path.write_text(SMALL + "burst = 3\n")
    run(path)
    path.write_text(SMALL + "burst = 4\n")

    text, code = refused(path, "--check")
    told = run(path)

    assert (text, code) == ("The site differs from the file.", 1)
    assert told.splitlines() == [
        "provider sandbox: changed",
        "  burst: 3 → 4",
        "Done: 0 new, 1 changed, 0 as they are.",
    ]
    assert run(path, "--check").startswith("This would be done (nothing was written): 0 new")


def test_json_says_the_same_for_programs(tmp_path: Path) -> None:
    path = tmp_path / "site.json"
    path.write_text(json.dumps({"providers": [{"adapter": "sandbox", "burst": 3}]}))

    told = json.loads(run(path, "--json"))

    assert told == {
        "dry_run": False,
        "changed": True,
        "changes": [
            {
                "kind": "provider",
                "name": "sandbox",
                "action": "create",
                "differences": [
                    {"field": "burst", "current": None, "wanted": 3},
                    {"field": "name", "current": None, "wanted": "Sandbox"},
                    {"field": "adapter", "current": None, "wanted": "sandbox"},
                ],
            }
        ],
    }


def test_toml_yaml_and_json_are_read_alike(example: Path, tmp_path: Path) -> None:
    document = tomllib.loads(example.read_text(encoding="utf-8"))
    (tmp_path / "site.yaml").write_text(yaml.safe_dump(document))
    (tmp_path / "site.json").write_text(json.dumps(document))
    run(example)

    for name in ("site.yaml", "site.json"):
        assert run(tmp_path / name) == "Done: 0 new, 0 changed, 5 as they are.\n"


def test_all_mistakes_of_a_file_are_told_at_once_and_nothing_is_written(tmp_path: Path) -> None:
    path = tmp_path / "site.toml"
    path.write_text(SMALL + 'nam = "x"\n[[models]]\nprovider = "sandbox"\n')

    text, code = refused(path)

    assert code == 2
    assert text.splitlines() == [
        "Nothing was set up.",
        "- providers[1].nam: “nam” does not exist; did you mean “name”?",
        "- models[1]: “model” is missing; add it.",
    ]
    assert not Provider.objects.exists()
    assert not AuditEvent.objects.exists()


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("site.toml", b"providers = [", "The file is not valid TOML: "),
        ("site.json", b'{"providers": [}', "line 1 column 16"),
        ("site.yaml", b"providers: [", "The file is not valid YAML: "),
        ("site.yaml", b"!!python/object/apply:os.system ['true']", "not valid YAML"),
        ("site.txt", b"", "must end in .toml, .yaml or .json, not in “.txt”."),
        ("site.toml", b"\xff\xfe", "not written in UTF-8"),
        ("site.yaml", b"", "must be an object with lists such as “providers”."),
        ("site.toml", b"x" * 1_100_000, "larger than 1 MB"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_in_a_sentence(
    tmp_path: Path, name: str, content: bytes, told: str
) -> None:
    (tmp_path / name).write_bytes(content)

    text, code = refused(tmp_path / name)

    assert told in text
    assert code == 2


def test_without_a_file_or_with_one_that_is_not_there_it_says_what_to_do(tmp_path: Path) -> None:
    assert refused() == ("Name a file; --example prints one to begin with.", 2)
    assert "No such file or directory" in refused(tmp_path / "none.toml")[0]


def test_without_pyyaml_a_yaml_file_is_refused_with_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)
    (tmp_path / "site.yaml").write_text("providers: []\n")

    text, _code = refused(tmp_path / "site.yaml")

    assert "pip install 'imagegen-app[yaml]'" in text
