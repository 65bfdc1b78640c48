"""List, check, revoke and restore the site's credentials; no value is ever printed."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from django.core.management.base import CommandError, CommandParser

from imagegen_app.core.actors import System
from imagegen_app.management.base import DatabaseCommand
from imagegen_app.services.monitoring import credential_status
from imagegen_app.services.policy import revocations
from imagegen_app.services.policy.access import ActionRefused

if TYPE_CHECKING:
    from imagegen_app.services.policy.revocations import CredentialRow

SHELL = System("shell")
#: The reason of who revokes without one.
UNEXPLAINED = "Revoked by command; no reason was given."


class Command(DatabaseCommand):
    """Work with the names in IMAGEGEN['CREDENTIALS'].

    `check` exits with 1 if a credential cannot be used.
    """

    help = "List, check, revoke or restore the credentials that the settings name."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
        for name, told in (
            ("list", "Show each credential with its state; nothing is read or sent."),
            ("check", "Read each credential, and ask its providers for free whether it is valid."),
        ):
            action = actions.add_parser(name, help=told)
            action.add_argument("--json", action="store_true", help="Print one JSON document.")
        for name, told in (
            ("revoke", "Have nothing sent with a credential any more, in any process."),
            ("restore", "Have a revoked credential used again."),
        ):
            action = actions.add_parser(name, help=told)
            action.add_argument("name", metavar="NAME", help="A name from IMAGEGEN['CREDENTIALS'].")
            # A key that leaked is revoked at once; whoever opens one again has the time to say why.
            action.add_argument(
                "--reason",
                required=name == "restore",
                default=UNEXPLAINED,
                help="Why; the log keeps it.",
            )

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            match options["action"]:
                case "list":
                    self._list(as_json=options["json"])
                case "check":
                    self._check(as_json=options["json"])
                case "revoke":
                    revocations.revoke(actor=SHELL, name=options["name"], reason=options["reason"])
                    self.stdout.write(f"{options['name']}: revoked; nothing is sent with it.")
                case "restore":
                    revocations.restore(actor=SHELL, name=options["name"], reason=options["reason"])
                    self.stdout.write(f"{options['name']}: restored.")
        except ActionRefused as refusal:
            raise CommandError(str(refusal)) from None

    def _list(self, *, as_json: bool) -> None:
        rows = revocations.list_credentials(actor=SHELL)
        if as_json:
            self.stdout.write(json.dumps([asdict(row) for row in rows], default=str))
            return
        for row in rows:
            self.stdout.write(f"{row.name}: {_state(row)}")
            self.stdout.write(
                f"  {', '.join(row.source_kinds)}; {', '.join(row.hosts)}; "
                f"used by {', '.join(row.used_by) or 'nothing'}"
            )
        if not rows:
            self.stdout.write("The settings have no credentials.")

    def _check(self, *, as_json: bool) -> None:
        found = credential_status.credential_findings()
        if as_json:
            self.stdout.write(json.dumps([asdict(one) for one in found]))
        else:
            for one in found:
                self.stdout.write(f"{one.level:8} {one.message} {one.remedy}".rstrip())
            if not found:
                self.stdout.write("The settings have no credentials.")
        if any(one.level == "error" for one in found):
            raise CommandError("A credential cannot be used.", returncode=1)


def _state(row: CredentialRow) -> str:
    if row.revoked_at is not None:
        return f"revoked at {row.revoked_at:%Y-%m-%d %H:%M} ({row.reason})"
    return row.problem or (f"for {row.environment}" if row.environment else "usable")
