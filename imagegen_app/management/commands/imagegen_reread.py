"""Read kept answers again after an upgrade, at no cost."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.core.management.base import CommandError, CommandParser
from django.utils.dateparse import parse_date

from imagegen_app.core.actors import System
from imagegen_app.management.base import DatabaseCommand
from imagegen_app.models import KeptAnswer
from imagegen_app.services.foundation import clock
from imagegen_app.services.gateways import adapters
from imagegen_app.services.job_requests import rereading
from imagegen_app.services.policy.access import ActionRefused

if TYPE_CHECKING:
    from django.db.models import QuerySet

COMMAND_ACTOR = System("reread")


class Command(DatabaseCommand):
    """Create jobs that read kept answers again with the present adapters; a worker runs them.

    Run it on the host whose state folder holds the answers. It exits with an error if a named
    answer could not be read.
    """

    help = "Read answers again that were kept because they could not be used; nothing is billed."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("answers", nargs="*", metavar="ID", help="IDs of kept answers.")
        parser.add_argument("--all", action="store_true", help="All kept answers.")
        parser.add_argument("--adapter", default="", help="Only answers of this adapter.")
        parser.add_argument(
            "--since",
            default="",
            metavar="DAY",
            help="Only answers kept since this day (2026-11-30), or for so many days (7).",
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="Try to read them, but create no jobs."
        )
        parser.add_argument("--json", action="store_true", help="Print one JSON object an answer.")

    def handle(self, *_args: Any, **options: Any) -> None:
        rows = self._chosen(options)
        done = refused = 0
        for kept in rows.order_by("kept_at").iterator():
            outcome = self._read(kept, is_trial=options["dry_run"])
            done += "reason" not in outcome
            refused += "reason" in outcome
            self._print(outcome, options)
        if not options["json"] and options["verbosity"] > 0:
            verb = "Can be read" if options["dry_run"] else "Being read again"
            self.stdout.write(f"{verb}: {done}. Cannot be read: {refused}.")
        if refused and options["answers"]:
            raise CommandError(f"{refused} of the answers could not be read.")

    def _chosen(self, options: dict[str, Any]) -> QuerySet[KeptAnswer]:
        rows: QuerySet[KeptAnswer] = KeptAnswer.objects.select_related(
            "attempt__job__image_model", "attempt__image_model__provider"
        )
        if bool(options["answers"]) == options["all"]:
            raise CommandError("Name the answers, or give --all.")
        if options["answers"]:
            keys = {_key(text): text for text in options["answers"]}
            rows = rows.filter(pk__in=keys)
            unknown = keys.keys() - set(rows.values_list("pk", flat=True))
            if unknown:
                raise _no_answer(keys[unknown.pop()])
        else:
            rows = rows.filter(removed_at__isnull=True)
        if options["adapter"]:
            known = [name for name, _label in adapters.adapter_choices()]
            if options["adapter"] not in known:
                raise CommandError(
                    f"There is no adapter {options['adapter']!r}; there are {', '.join(known)}."
                )
            rows = rows.filter(attempt__image_model__provider__adapter=options["adapter"])
        if options["since"]:
            rows = rows.filter(kept_at__gte=_since(options["since"]))
        return rows

    def _read(self, kept: KeptAnswer, *, is_trial: bool) -> dict[str, Any]:
        outcome: dict[str, Any] = {"answer": str(kept.pk), "job": str(kept.attempt.job_id)}
        try:
            if is_trial:
                with rereading.reading(kept) as (_answer, images):
                    return {**outcome, "images": len(images)}
            job = rereading.read_again(actor=COMMAND_ACTOR, kept=kept)
        except ActionRefused as refusal:
            return {**outcome, "reason": refusal.reason}
        return {**outcome, "images": job.count, "new_job": str(job.pk)}

    def _print(self, outcome: dict[str, Any], options: dict[str, Any]) -> None:
        if options["json"]:
            self.stdout.write(json.dumps(outcome))
        elif options["verbosity"] > 0:
            text = outcome.get("reason") or f"images: {outcome['images']}"
            self.stdout.write(f"{outcome['answer']}: {text}")


def _key(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise _no_answer(text) from None


def _no_answer(text: str) -> CommandError:
    return CommandError(
        f"{text!r} is no ID of a kept answer. --all --dry-run lists all kept answers."
    )


def _since(text: str) -> datetime:
    if text.isdecimal() and len(text) < 6:  # noqa: PLR2004 - a number of days
        return clock.now() - timedelta(days=int(text))
    try:
        day = parse_date(text)
    except ValueError:
        day = None
    if day is None:
        raise CommandError("--since is no day such as 2026-11-30 and no number of days.")
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
