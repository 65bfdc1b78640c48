from __future__ import annotations

import json
from datetime import timedelta
from io import StringIO
from typing import TYPE_CHECKING, Any

import pytest
from django.conf import settings as django_settings
from django.core.management import call_command
from django.core.management.base import CommandError

from imagegen_app.models import Job, KeptAnswer
from imagegen_app.services.foundation import clock
from imagegen_app.services.foundation.unit import use_case
from tests.kept_answer_rows import make_kept_answer

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def own_state_folder(settings: Any, tmp_path: Path) -> None:
    """Keep the answers of each test apart."""
    settings.IMAGEGEN = {
        **django_settings.IMAGEGEN,
        "STATE_DIR": tmp_path / "state",
        "ENGINE": "tests.services.silent_engine.SilentEngine",
    }


def run(*arguments: str) -> list[dict[str, Any]]:
    """Return what the command prints as JSON."""
    out = StringIO()
    call_command("imagegen_reread", "--json", *arguments, stdout=out)
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_all_readable_answers_are_read_again_and_the_others_say_why() -> None:
    good, bad = make_kept_answer(), make_kept_answer(is_readable=False)

    tried = run("--all", "--dry-run")
    assert Job.objects.count() == 2
    done = run("--all")

    assert [entry["answer"] for entry in tried] == [str(good.pk), str(bad.pk)]
    assert (tried[0]["images"], "new_job" in tried[0]) == (1, False)
    assert done[0]["new_job"] == str(Job.objects.get(replaces=good.attempt.job).pk)
    assert "damaged" in done[1]["reason"]
    assert Job.objects.count() == 3


def test_answers_are_chosen_by_adapter_and_day() -> None:
    new, old = make_kept_answer(), make_kept_answer()
    past = clock.now() - timedelta(days=9)
    rows = KeptAnswer.objects.filter(pk=old.pk)
    use_case(audited=False)(lambda: rows.update(kept_at=past))()

    assert [e["answer"] for e in run("--all", "--dry-run", "--since", "7")] == [str(new.pk)]
    assert run("--all", "--dry-run", "--adapter", "openai") == []
    assert len(run("--all", "--dry-run", "--since", str(past.date()))) == 2


def test_a_named_answer_that_cannot_be_read_is_an_error() -> None:
    kept = make_kept_answer(is_readable=False)

    with pytest.raises(CommandError, match="1 of the answers"):
        run(str(kept.pk))


@pytest.mark.parametrize(
    "arguments",
    [(), ("x",), ("--all", "x"), ("00000000-0000-0000-0000-000000000000",), ("--all", "--since=x")],
)
def test_what_makes_no_sense_is_refused(arguments: tuple[str, ...]) -> None:
    with pytest.raises(CommandError):
        run(*arguments)


def test_an_unknown_id_is_named() -> None:
    with pytest.raises(CommandError, match="'x' is no ID of a kept answer"):
        run(str(make_kept_answer().pk), "x")


def test_an_unknown_adapter_is_named_with_those_that_there_are() -> None:
    with pytest.raises(CommandError, match=r"no adapter 'nope'; there are .*sandbox"):
        run("--all", "--adapter", "nope")
