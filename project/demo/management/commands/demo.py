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
from project.demo import (
    captions,
    governance,
    main_job,
    processes,
    provider_runs,
    simulated,
    supervision,
    tables,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from project.demo.provider_runs import ProviderRun
    from project.demo.simulated import SimulatedProvider

_MOST_IMAGES = 40
_USUAL_IMAGES = 3
#: The name that stands for every provider.
_ALL = "all"
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
            "--images",
            type=int,
            help="Products that get an image (with --once; 3, or 1 with --provider).",
        )
        parser.add_argument(
            "--model",
            help="Short name of an image model (with --once; sandbox-1, or the provider's first).",
        )
        parser.add_argument(
            "--provider",
            nargs="?",
            const="",
            help="Use an adapter: the simulator plays its provider; all runs each of them once (with "
            "--once). Without a name: list them.",
        )
        parser.add_argument("--timeout", type=float, default=300, help="Seconds to wait (300).")
        parser.add_argument("--host", default="127.0.0.1", help="Address to serve on (127.0.0.1).")
        parser.add_argument("--port", type=int, default=8000, help="First port to try (8000).")

    def handle(self, *_args: Any, **options: Any) -> None:
        if options["json"] and not options["once"]:
            raise CommandError("--json goes with --once.")
        providers = self.providers(options)
        images = options["images"]
        if images is not None and not 1 <= images <= _MOST_IMAGES:
            raise CommandError(f"--images lies between 1 and {_MOST_IMAGES}.")
        if not 1 <= options["port"] <= _LAST_PORT:
            raise CommandError(f"--port lies between 1 and {_LAST_PORT}.")
        if not settings.DEBUG:
            raise CommandError("The demo makes well-known logins; it runs with DEBUG only.")
        signal.signal(signal.SIGTERM, _as_exit)
        self.say("Migrating the database …")
        call_command("migrate", verbosity=0, interactive=False)
        url = simulated.prepare() if providers else ""
        self.captions_url = "" if options["once"] else captions.prepare()
        self.say("Seeding the shop …")
        governance.setup()
        simulated.switch_off_others()
        simulated.offer_sandbox(is_enabled=True)
        self.logins = seed.create_users()
        seed.create_catalog()
        seed.create_pages()
        offered = governance.real_models()
        if offered:
            self.say(f"A real provider is offered, and costs money: {', '.join(offered)}.")
        if options["once"] and providers:
            self.once_each(providers, url=url, options=options)
        elif options["once"]:
            self.once(options)
        elif providers:
            self.serve_provider(providers[0], url=url, options=options)
        else:
            self.serve_site(options)

    def providers(self, options: dict[str, Any]) -> list[SimulatedProvider]:
        """Return the providers to use; none where the demo is to use its own."""
        name = options["provider"]
        if name is None:
            return []
        known = simulated.all_providers()
        if name == _ALL:
            if not options["once"]:
                raise CommandError("--provider all goes with --once; serve one provider at a time.")
            if options["model"]:
                raise CommandError("--model goes with one provider, not with all.")
            return list(known.values())
        if name in known:
            return [known[name]]
        for line in tables.of_providers(known.values()):
            self.stderr.write(line)
        said = f"There is no provider {name!r}" if name else "--provider needs a name"
        raise CommandError(f"{said}: choose one of the list above, or all (with --once).")

    def say(self, text: str) -> None:
        """Print progress to stderr, so that stdout holds only the result."""
        self.stderr.write(text, self.style.NOTICE if text.endswith("!") else None)

    def once(self, options: dict[str, Any]) -> None:
        """Run the main job with a worker of its own, and print its results."""
        started = time.monotonic()
        with self.worker("--sweep-seconds", "1", quiet=True) as worker:
            try:
                jobs = main_job.request_all(
                    count=options["images"] or _USUAL_IMAGES,
                    model=options["model"] or provider_runs.SANDBOX_MODEL,
                )
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
            self.write_all(tables.of_jobs(rows))
            self.stdout.write(f"{len(rows)} images in {seconds:.1f} s.")
        if not has_succeeded:
            raise CommandError("Not every job ended with a valid image; see above.")

    def once_each(
        self, providers: list[SimulatedProvider], *, url: str, options: dict[str, Any]
    ) -> None:
        """Run the main job through each provider with one worker, and print the results."""
        images = options["images"] or 1
        runs: list[ProviderRun] = []
        with self.worker("--sweep-seconds", "1", quiet=True) as worker:
            for number, provider in enumerate(providers):
                self.say(f"{provider.name} ({number + 1} of {len(providers)}) …")
                run = provider_runs.run(
                    provider,
                    url=url,
                    worker=worker,
                    options=provider_runs.Options(
                        images=images,
                        first=number * images % (_MOST_IMAGES - images + 1),
                        on_home_page=number == 0,
                        model=options["model"] or "",
                        timeout=options["timeout"],
                    ),
                    say=self.say,
                    progress=self.progress,
                )
                runs.append(run)
        simulated.switch_off_others()
        is_ok = all(run.is_ok for run in runs)
        if options["json"]:
            document = {
                "ok": is_ok,
                "seconds": round(sum(run.seconds for run in runs), 1),
                "providers": [run.as_dict() for run in runs],
            }
            self.stdout.write(json.dumps(document))
        else:
            if len(runs) == 1 and runs[0].rows:
                self.write_all([*tables.of_jobs(runs[0].rows), ""])
            self.write_all(tables.of_runs(runs))
        if not is_ok:
            failed = ", ".join(run.provider for run in runs if not run.is_ok)
            raise CommandError(f"Not every job ended with a valid image: {failed}; see above.")

    def write_all(self, lines: Iterable[str]) -> None:
        """Print the lines of a result."""
        for line in lines:
            self.stdout.write(line)

    def progress(self, ended: int, of: int) -> None:
        """Show on a terminal how far the jobs are."""
        if sys.stderr.isatty():
            self.stderr.write(
                f"\r{ended} of {of} images are made ", ending="" if ended < of else "\n"
            )
            self.stderr.flush()

    def serve_provider(
        self, provider: SimulatedProvider, *, url: str, options: dict[str, Any]
    ) -> None:
        """Serve the site with a simulated provider beside it until Ctrl-C."""
        models = simulated.setup(provider, url=url)
        # Else the studio would begin with the sandbox.
        simulated.offer_sandbox(is_enabled=provider.adapter == "sandbox" or not provider.generates)
        try:
            with simulated.running(provider, url=url, say=self.say) as child:
                self.stdout.write(f"\nThe simulator plays {provider.label}. Its models:")
                self.write_all(f"  {model.name}" for model in models)
                self.serve_site(options, *([child] if child else []))
        except simulated.SimulatorFailed as fault:
            raise CommandError(f"The demo stops: {fault}") from None

    def serve_site(self, options: dict[str, Any], *others: supervision.Supervised) -> None:
        """Serve the site with a simulated captioner beside it until Ctrl-C."""
        try:
            with captions.running(self.captions_url, say=self.say) as child:
                self.serve(options, child, *others)
        except simulated.SimulatorFailed as fault:
            raise CommandError(f"The demo stops: {fault}") from None

    def serve(self, options: dict[str, Any], *others: supervision.Supervised) -> None:
        """Serve the site with its worker until Ctrl-C, and look after other processes, too."""
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
                supervision.watch(worker, server, *others)
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
