"""Show everything on a fresh machine: migrate, seed, serve and work, or run the main job once."""

from __future__ import annotations

import contextlib
import json
import signal
import sys
import time
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser

from imagegen_app.services.policy.access import ActionRefused
from project import seed
from project.demo import governance, main_job, processes, supervision

if TYPE_CHECKING:
    from project.demo.main_job import Row

_MOST_IMAGES = 40
_LAST_PORT = 65_535


class Command(BaseCommand):
    """Migrate, seed, serve and work; with `--once`, run the main job without a server."""

    help = "Run the demo shop with its worker, or its main job once (--once)."
    requires_migrations_checks = False

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--once", action="store_true", help="Run the main job and end.")
        parser.add_argument(
            "--json", action="store_true", help="Print one JSON object (with --once)."
        )
        parser.add_argument(
            "--images", type=int, default=3, help="Products that get an image (with --once; 3)."
        )
        parser.add_argument(
            "--model", default="sandbox-1", help="Image model (with --once; sandbox-1)."
        )
        parser.add_argument("--timeout", type=float, default=300, help="Seconds to wait (300).")
        parser.add_argument("--host", default="127.0.0.1", help="Address to serve on (127.0.0.1).")
        parser.add_argument("--port", type=int, default=8000, help="First port to try (8000).")

    def handle(self, *_args: Any, **options: Any) -> None:
        if options["json"] and not options["once"]:
            raise CommandError("--json goes with --once.")
        if not 1 <= options["images"] <= _MOST_IMAGES:
            raise CommandError(f"--images lies between 1 and {_MOST_IMAGES}.")
        if not 1 <= options["port"] <= _LAST_PORT:
            raise CommandError(f"--port lies between 1 and {_LAST_PORT}.")
        if not settings.DEBUG:
            raise CommandError("The demo makes well-known logins; it runs with DEBUG only.")
        signal.signal(signal.SIGTERM, _as_exit)
        self.say("Migrating the database …")
        call_command("migrate", verbosity=0, interactive=False)
        self.say("Seeding the shop …")
        governance.setup()
        self.logins = seed.create_users()
        seed.create_catalog()
        seed.create_pages()
        offered = governance.real_models()
        if offered:
            self.say(f"A real provider is offered, and costs money: {', '.join(offered)}.")
        if options["once"]:
            self.once(options)
        else:
            self.serve(options)

    def say(self, text: str) -> None:
        """Print progress to stderr, so that stdout holds only the result."""
        self.stderr.write(text, self.style.NOTICE if text.endswith("!") else None)

    def once(self, options: dict[str, Any]) -> None:
        """Run the main job with a worker of its own, and print its results."""
        started = time.monotonic()
        with self.worker("--sweep-seconds", "1", quiet=True) as worker:
            try:
                jobs = main_job.request_all(count=options["images"], model=options["model"])
                main_job.wait(
                    jobs, worker=worker, seconds=options["timeout"], progress=self.progress
                )
                rows = main_job.finish(jobs)
            except ActionRefused as refusal:
                raise CommandError(str(refusal)) from None
            except main_job.MainJobFailed as fault:
                raise CommandError(f"The main job did not finish: {fault}.") from None
        seconds = time.monotonic() - started
        has_succeeded = all(row.state == "succeeded" and row.credentials_valid for row in rows)
        if options["json"]:
            self.stdout.write(
                json.dumps(
                    {
                        "ok": has_succeeded,
                        "seconds": round(seconds, 1),
                        "jobs": [row.as_dict() for row in rows],
                    }
                )
            )
        else:
            self.table(rows)
            self.stdout.write(f"{len(rows)} images in {seconds:.1f} s.")
        if not has_succeeded:
            raise CommandError("Not every job ended with a valid image; see above.")

    def progress(self, ended: int, of: int) -> None:
        """Show on a terminal how far the jobs are."""
        if sys.stderr.isatty():
            self.stderr.write(
                f"\r{ended} of {of} images are made ", ending="" if ended < of else "\n"
            )
            self.stderr.flush()

    def table(self, rows: list[Row]) -> None:
        """Print the outcome for a person."""
        head = ("job", "model", "cost", "asset", "file", "placed on", "credentials")
        lines = [
            (
                row.job[-12:],
                row.model,
                row.cost,
                row.asset[-12:] or row.state,
                row.file.rpartition("/")[2][:12] + "…" if row.file else row.error,
                ", ".join(row.placed),
                row.credentials,
            )
            for row in rows
        ]
        widths = [max(len(line[i]) for line in (head, *lines)) for i in range(len(head))]
        for line in (head, tuple("-" * w for w in widths), *lines):
            self.stdout.write(
                "  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip()
            )

    def serve(self, options: dict[str, Any]) -> None:
        """Serve the site with its worker until Ctrl-C."""
        try:
            port = processes.free_port(options["host"], options["port"])
        except OSError as fault:
            raise CommandError(
                f"The site cannot be served on {options['host']}: {fault}."
            ) from None
        address = f"http://{options['host']}:{port}"
        self.stdout.write(f"\nThe shop:  {address}/\nThe admin: {address}/en/admin/\n\n")
        for login in self.logins:
            name, password, role = login
            self.stdout.write(f"  {name:<12}{password:<18}{role}")
        self.stdout.write("\nStop both with Ctrl-C.\n")
        try:
            with (
                contextlib.suppress(KeyboardInterrupt),
                self.worker() as worker,
                supervision.supervised(
                    "server",
                    "runserver",
                    "--noreload",
                    f"{options['host']}:{port}",
                    say=self.say,
                    remedy="Read its messages above; --port chooses another port.",
                ) as server,
            ):
                supervision.watch(worker, server)
        except supervision.KeepsDying as fault:
            raise CommandError(f"The demo stops: {fault}") from None

    def worker(
        self, *arguments: str, quiet: bool = False
    ) -> contextlib.AbstractContextManager[supervision.Supervised]:
        """Return a worker that is started again when it dies; its jobs continue."""
        return supervision.supervised(
            "worker",
            "imagegen_worker",
            "-v",
            "0",
            *arguments,
            say=self.say,
            remedy="Read its messages above, and run manage.py imagegen_doctor.",
            quiet=quiet,
        )


def _as_exit(*_: object) -> None:
    # So that the blocks above end their processes.
    raise SystemExit(0)
