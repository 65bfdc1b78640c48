"""The command that accepts a restored backup tells what is lost first, and then what it did."""

from __future__ import annotations

import json

import pytest
from django.core.management import call_command

from tests.services.audit.test_restores import command, folder, restored, restored_log

__all__ = ["folder", "restored"]
pytestmark = pytest.mark.django_db(transaction=True)


def test_the_command_tells_first_and_accepts_with_the_size(
    capsys: pytest.CaptureFixture[str],
) -> None:
    restored_log(kept=4, lost=3)

    call_command("imagegen_audit", "accept-restore")
    preview = capsys.readouterr().out
    call_command("imagegen_audit", "accept-restore", "--size", "7", "--reason", "disk failed")
    done = capsys.readouterr().out
    call_command("imagegen_audit", "verify")
    verified = capsys.readouterr().out

    assert "Published in auditor: 7 entries. The log has 4 entries" in preview
    assert "To give up: 3 entries, from 4 to 6, and 1 published checkpoints." in preview
    assert "Look for a newer backup first" in preview
    assert "--size 7" in preview
    assert "Given up: 3 entries" in done
    assert "auditor: published" in done
    assert "unaltered" in verified
    assert "WARNING: The log was restored from a backup at 4 entries." in verified
    assert "nothing to accept" in command("accept-restore")


def test_the_command_prints_one_json_object(capsys: pytest.CaptureFixture[str]) -> None:
    restored_log(kept=4, lost=3)

    call_command("imagegen_audit", "accept-restore", "--json")
    told = json.loads(capsys.readouterr().out)
    call_command("imagegen_audit", "accept-restore", "--json", "--size", "7", "--reason", "disk")
    done = json.loads(capsys.readouterr().out)
    call_command("imagegen_audit", "verify", "--json")
    report = json.loads(capsys.readouterr().out)

    assert (told["accepted"], told["published"], told["kept"], told["lost"]) == (False, 7, 4, 3)
    assert (done["accepted"], done["problems"], done["ok"]) == (True, {"auditor": ""}, True)
    assert [one["published"] for one in report["restores"]] == [7]
    assert report["given_up_copies"] == 1
