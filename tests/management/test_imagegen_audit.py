from __future__ import annotations

import hashlib
import json
from io import StringIO
from typing import TYPE_CHECKING, Any

import pytest
from django.conf import settings as django_settings
from django.core.management import call_command
from django.core.management.base import CommandError

from imagegen_app.core import notes, translog
from imagegen_app.models import AuditEvent
from imagegen_app.services.audit import log_key, sealing
from tests.services.audit.log_tampering import append, execute

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def own_key(settings: Any, tmp_path: Path) -> None:
    """Give each test its own signing key."""
    settings.IMAGEGEN = {
        **django_settings.IMAGEGEN,
        "STATE_DIR": tmp_path / "state",
        "AUDIT": {"ORIGIN": "test.example/log"},
    }


def run(*arguments: str) -> str:
    """Return what the command prints."""
    out = StringIO()
    call_command("imagegen_audit", *arguments, stdout=out)
    return out.getvalue()


def exit_code(*arguments: str) -> tuple[int, str]:
    """Return exit code and output of a command that must fail."""
    out = StringIO()
    with pytest.raises(CommandError) as caught:
        call_command("imagegen_audit", *arguments, stdout=out)
    return caught.value.returncode, out.getvalue()


def lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_an_unaltered_log_is_reported_and_the_command_succeeds() -> None:
    append(3)
    run("checkpoint")

    printed = run("verify")

    assert "3 entries, unaltered" in printed
    assert "1 checkpoints match" in printed


def test_the_report_can_be_printed_as_json() -> None:
    append(2)

    report = json.loads(run("verify", "--json"))

    assert (report["ok"], report["size"], report["findings"]) == (True, 2, [])


@pytest.mark.django_db(transaction=True)
def test_an_altered_log_exits_with_1_and_names_the_first_altered_event(unguarded_log: None) -> None:
    append(4)
    sealing.seal_all()
    event = AuditEvent.objects.get(leaf__seq=2)
    execute("UPDATE imagegen_auditevent SET actor_id = 'x' WHERE id = %s", event.pk)

    code, printed = exit_code("verify")

    assert code == 1
    assert "4 entries, ALTERED" in printed
    assert f"Entry 2 (event {event.pk}, log.verified, {event.at:%Y-%m-%d %H:%M:%S} UTC)" in printed


@pytest.mark.django_db(transaction=True)
def test_the_report_of_an_altered_log_can_be_printed_as_json(unguarded_log: None) -> None:
    append(2)
    sealing.seal_all()
    execute("UPDATE imagegen_auditevent SET actor_id = 'x'")

    code, printed = exit_code("verify", "--json")

    report = json.loads(printed)
    assert (code, report["ok"], report["finding_count"]) == (1, False, 2)
    assert [finding["seq"] for finding in report["findings"]] == [0, 1]


def test_verifying_may_start_from_a_checkpoint() -> None:
    append(2)
    run("checkpoint")

    assert json.loads(run("verify", "--since", "2", "--json"))["ok"]


def test_a_checkpoint_seals_and_prints_what_an_auditor_needs() -> None:
    append(3)

    printed = run("checkpoint")

    note, _separator, key = printed.partition("Key: ")
    stated = notes.verify_checkpoint(note.rstrip("\n") + "\n", key.strip())
    assert stated.size == 3


def test_a_checkpoint_can_be_printed_as_json() -> None:
    append(1)

    printed = json.loads(run("checkpoint", "--json"))

    assert notes.verify_checkpoint(printed["note"], printed["vkey"]).root.hex() == printed["root"]


def test_an_export_can_be_verified_from_its_files_alone(tmp_path: Path) -> None:
    append(300)
    out = tmp_path / "log.jsonl"

    run("export", "--out", str(out))

    header, *proofs = lines(tmp_path / "log.proofs.jsonl")
    signed = notes.verify_checkpoint(header["checkpoint"], header["vkey"])
    bodies = out.read_bytes().split(b"\n")[:-1]
    stored = AuditEvent.objects.order_by("pk").values_list("body", flat=True)[:300]
    assert bodies == [body.encode() for body in stored]
    assert all(
        translog.verify_inclusion(
            index=entry["seq"],
            size=signed.size,
            leaf=hashlib.sha256(b"\0" + body).digest(),
            proof=[bytes.fromhex(item) for item in entry["proof"]],
            root=signed.root,
        )
        for body, entry in zip(bodies, proofs, strict=True)
    )


def test_an_export_is_recorded(tmp_path: Path) -> None:
    append(1)

    printed = json.loads(run("export", "--out", str(tmp_path / "log.jsonl"), "--json"))

    event = AuditEvent.objects.latest("pk")
    assert printed["count"] == 1
    assert event.type == "export.created"
    assert json.loads(event.body)["data"]["count"] == 1


@pytest.mark.parametrize(
    ("arguments", "count"),
    [
        (("--from", "2020-01-01"), 2),
        (("--to", "2020-01-01"), 0),
        (("--from", "2020-01-01T00:00+01:00", "--to", "2999-01-01"), 2),
    ],
)
def test_an_export_can_be_filtered(tmp_path: Path, arguments: tuple[str, ...], count: int) -> None:
    append(2)
    out = tmp_path / "some.jsonl"

    run("export", "--out", str(out), *arguments)

    assert len(lines(out)) == count


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "required: verify|checkpoint|publish|export|keys|rotate-key|accept-"),
        (("check",), "invalid choice"),
        (("export",), "required: --out"),
        (("verify", "--since", "7"), "no valid checkpoint of 7 events"),
        (
            ("export", "--out", "{folder}/a.jsonl", "--from", "soon"),
            "--from 'soon' is not a date or time",
        ),
        (("export", "--out", "{folder}/a.jsonl", "--job", "7"), "--job '7' is not a valid ID"),
        (("export", "--out", "{folder}/none/a.jsonl"), "cannot be written"),
        (
            ("export", "--out", "{folder}/a.jsonl", "--job", "0" * 32),
            "No entry of the log is about the job 00000000-0000-0000-0000-000000000000",
        ),
        (
            ("export", "--out", "{folder}/a.jsonl", "--asset", "0" * 32),
            "No entry of the log is about the asset 00000000-0000-0000-0000-000000000000",
        ),
        (("export", "--out", "{folder}/there.jsonl"), "already exists"),
    ],
)
def test_a_wrong_argument_gives_a_clear_message(
    tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    (tmp_path / "there.jsonl").write_text("")

    with pytest.raises(CommandError) as caught:
        run(*(argument.format(folder=tmp_path) for argument in arguments))

    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "a.jsonl").exists()
    assert not AuditEvent.objects.filter(type="export.created").exists()


@pytest.mark.usefixtures("unguarded_log")
def test_a_refused_export_leaves_no_files(tmp_path: Path) -> None:
    append(3)
    sealing.seal_all()
    execute("DELETE FROM imagegen_audittile")

    with pytest.raises(CommandError, match=r"\(1 finding\), so nothing is exported\. Tile 0"):
        run("export", "--out", str(tmp_path / "log.jsonl"))

    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == []


@pytest.mark.usefixtures("unguarded_log")
def test_an_altered_log_is_not_signed_by_the_command_either() -> None:
    append(3)
    sealing.seal_all()
    execute("DELETE FROM imagegen_audittile")

    with pytest.raises(CommandError, match="not signed"):
        run("checkpoint")


def test_an_unreadable_key_is_reported(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / log_key.FILE_NAME).write_text("not a key")

    with pytest.raises(CommandError, match="not a private key"):
        run("verify")


def publish_to(settings: Any, folder: Path) -> None:
    audit = {
        **settings.IMAGEGEN["AUDIT"],
        "PUBLISH_TO": {"auditor": {"KIND": "folder", "TARGET": folder}},
    }
    settings.IMAGEGEN = {**settings.IMAGEGEN, "AUDIT": audit}


def test_publishing_tells_of_each_place(settings: Any, tmp_path: Path) -> None:
    append(2)
    publish_to(settings, tmp_path / "published")

    assert run("publish") == "auditor: published\n"
    assert len(list((tmp_path / "published").iterdir())) == 1


def test_publishing_to_a_place_that_fails_exits_with_1(settings: Any, tmp_path: Path) -> None:
    append(2)
    (tmp_path / "file").write_text("")
    publish_to(settings, tmp_path / "file" / "below")

    code, printed = exit_code("publish")

    assert (code, printed) == (1, "auditor: Not a directory\n")


def test_publishing_without_a_place_is_an_error() -> None:
    append(1)

    with pytest.raises(CommandError, match="names no places"):
        run("publish")


def test_a_key_can_be_replaced_and_all_are_listed(settings: Any, tmp_path: Path) -> None:
    append(2)
    publish_to(settings, tmp_path / "published")

    done = json.loads(run("rotate-key", "--json"))

    listed = json.loads(run("keys", "--json"))
    assert [(key["vkey"], key["first"], key["last"]) for key in listed] == [
        (done["old"], 0, 2),
        (done["new"], 2, None),
    ]
    assert "2, retired" in run("keys")
    assert done["problems"] == {"auditor": ""}
    assert json.loads(run("verify", "--json"))["copies"] == 1


def test_a_key_that_the_settings_name_is_not_replaced_without_the_new_one(
    settings: Any, tmp_path: Path
) -> None:
    audit = {**settings.IMAGEGEN["AUDIT"], "SIGNING_KEY": str(tmp_path / "own.pem")}
    settings.IMAGEGEN = {**settings.IMAGEGEN, "AUDIT": audit}

    with pytest.raises(CommandError, match="give the file of the new one"):
        run("rotate-key")


def test_an_export_proves_that_the_log_continues_an_earlier_checkpoint(tmp_path: Path) -> None:
    append(3)
    run("checkpoint")
    append(5)

    run("export", "--out", str(tmp_path / "log.jsonl"), "--earlier", "3")

    header, *_proofs = lines(tmp_path / "log.proofs.jsonl")
    new = notes.verify_checkpoint(header["checkpoint"], header["vkey"])
    (entry,) = header["earlier"]
    old = notes.verify_checkpoint(entry["checkpoint"], header["vkey"])
    assert translog.verify_consistency(
        old_size=old.size,
        size=new.size,
        old_root=old.root,
        root=new.root,
        proof=[bytes.fromhex(item) for item in entry["proof"]],
    )
    with pytest.raises(CommandError, match="no checkpoint of 4 entries"):
        run("export", "--out", str(tmp_path / "other.jsonl"), "--earlier", "4")


@pytest.mark.django_db(transaction=True)
def test_an_export_of_an_altered_log_is_refused_and_says_where(
    tmp_path: Path, unguarded_log: None
) -> None:
    append(4)
    sealing.seal_all()
    execute(
        "UPDATE imagegen_auditevent SET actor_id = 'x' WHERE id IN (SELECT event_id FROM imagegen_auditleaf WHERE seq >= 2)"
    )

    with pytest.raises(CommandError, match=r"\(2 findings\).*The first: Entry 2 .*actor_id"):
        run("export", "--out", str(tmp_path / "log.jsonl"))

    assert not (tmp_path / "log.jsonl").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"out": ""}, "Name the file"),
        ({"since": "0001-01-01T00:00+14:00"}, "not a date or time"),
        ({"until": "9999-12-31T23:59-14:00"}, "not a date or time"),
        ({"since": "2027-01-01", "until": "2026-01-01"}, "ends before it begins"),
        ({"since": "2026-01-01", "until": "2026-01-01"}, "ends before it begins"),
    ],
)
def test_an_export_with_wrong_arguments_is_refused_without_an_event(
    tmp_path: Path, options: dict[str, str], message: str
) -> None:
    options = {"out": str(tmp_path / "events.jsonl"), **options}

    with pytest.raises(CommandError, match=message):
        call_command("imagegen_audit", "export", **options)

    assert list(tmp_path.glob("*.jsonl")) == []
    assert not AuditEvent.objects.filter(type="export.created").exists()
