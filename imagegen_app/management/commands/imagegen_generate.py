"""Generate images from the shell, with the same permissions and budgets as in the admin."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.contrib.auth import get_user_model
from django.core.management.base import CommandError, CommandParser

from imagegen_app.core.actors import Person
from imagegen_app.core.states import JobState
from imagegen_app.core.types import ControlGuide, InputRole, Lora
from imagegen_app.management.base import DatabaseCommand
from imagegen_app.models import Asset, Job
from imagegen_app.models.amounts import format_amount
from imagegen_app.services.foundation import worker_registry
from imagegen_app.services.gateways import storage
from imagegen_app.services.job_requests import composition, creation
from imagegen_app.services.job_requests.values import InputSource
from imagegen_app.services.monitoring import progress
from imagegen_app.services.policy import access, closed_content
from imagegen_app.services.policy.access import ActionRefused
from imagegen_app.services.worker import driver

if TYPE_CHECKING:
    from imagegen_app.services.job_requests.values import JobRequest

_MAX_INPUT_MEGABYTES = 25


class Command(DatabaseCommand):
    """Request images as a user, and wait for them.

    With `--run-inline` this process executes the job itself; otherwise a worker must run.
    """

    help = "Generate images from a template or a prompt, as a user, and wait for them."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--user", required=True, help="User name of the requester.")
        parser.add_argument("--template", default="", help="Short name of a template.")
        parser.add_argument(
            "--var", action="append", default=[], metavar="NAME=VALUE", help="Value of a variable."
        )
        parser.add_argument("--brand-kit", default="", help="Short name of a brand kit.")
        parser.add_argument("--shot", default="", help="Short name of one of the template's shots.")
        parser.add_argument("--prompt", default="", help="A free prompt, instead of a template.")
        parser.add_argument("--negative", default="", help="Negative prompt: what to leave out.")
        parser.add_argument("--model", default="", help="Short name of an image model.")
        parser.add_argument("--operation", default="", help="generate, edit, vary, upscale …")
        parser.add_argument(
            "--image", action="append", default=[], metavar="FILE", help="An input image."
        )
        parser.add_argument("--mask", default="", metavar="FILE", help="A mask: white is changed.")
        parser.add_argument(
            "--input",
            action="append",
            default=[],
            metavar="ROLE=FILE",
            help=(
                "An input image by its role: reference=FILE, style=FILE or control=FILE; a guide with "
                "its values is control:KIND:WEIGHT:START:END=FILE."
            ),
        )
        parser.add_argument(
            "--lora", action="append", default=[], metavar="NAME=WEIGHT", help="A LoRA."
        )
        parser.add_argument("--size", default="", help="WIDTHxHEIGHT, or proportions: 16:9.")
        parser.add_argument("--count", type=int, default=None, help="Number of images.")
        parser.add_argument("--seed", type=int, default=None, help="Seed.")
        parser.add_argument(
            "--then",
            action="append",
            default=None,
            metavar="PASS",
            help=(
                "A follow-up pass: upscale:2:MODEL, remove_background:MODEL, restore_faces:MODEL or "
                "edit:MODEL:INSTRUCTION. Default: those of the template."
            ),
        )
        parser.add_argument(
            "--parameter",
            action="append",
            default=[],
            metavar="NAME=VALUE",
            help="A parameter of the model's own.",
        )
        parser.add_argument(
            "--quality", default="", help="draft, standard or high, or as the model names it."
        )
        parser.add_argument(
            "--key", default="", help="Idempotency key: a repeated key returns the same job."
        )
        parser.add_argument("--out", default="", metavar="FOLDER", help="Copy the images there.")
        parser.add_argument(
            "--estimate", action="store_true", help="Print the estimated cost and exit."
        )
        parser.add_argument(
            "--run-inline",
            action="store_true",
            help="Process the job in this process instead of waiting for a worker.",
        )
        parser.add_argument("--timeout", type=float, default=600, help="Seconds to wait (600).")
        parser.add_argument("--json", action="store_true", help="Print one JSON object.")

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            actor = _actor(options["user"])
            job_request = _job_request(actor, options)
            if options["estimate"]:
                self._estimate(actor, job_request, options)
                return
            job = creation.request_images(actor=actor, job_request=job_request)
        except ActionRefused as refusal:
            self._refuse(refusal, options)
            return
        self._wait(job, options)
        self._report(job, options)

    def _estimate(self, actor: Person, job_request: JobRequest, options: dict[str, Any]) -> None:
        offer = creation.offer(actor=actor, job_request=job_request)
        remaining = None if offer.allowance is None else offer.allowance.remaining
        refusal = offer.refusal
        if options["json"]:
            self._print(
                {
                    "cost": str(offer.cost.amount),
                    "currency": offer.cost.currency,
                    "remaining": None if remaining is None else str(remaining),
                    "cached": offer.is_cached,
                    "refused": "" if refusal is None else refusal.code,
                    "reason": "" if refusal is None else refusal.reason,
                }
            )
            return
        self.stdout.write(f"About {format_amount(offer.cost.amount)} {offer.cost.currency}.")
        if remaining is not None:
            self.stdout.write(
                f"{format_amount(remaining)} {offer.cost.currency} remain in the budget."
            )
        if refusal is not None:
            self.stdout.write(f"It would be refused: {refusal.reason} {refusal.remedy}")

    def _wait(self, job: Job, options: dict[str, Any]) -> None:
        try:
            self._follow(job, options)
        finally:
            if options["run_inline"]:
                # This process was a worker, and nobody should wait for it any longer.
                worker_registry.record_heartbeat(name=worker_registry.worker_name(), stopped=True)

    def _follow(self, job: Job, options: dict[str, Any]) -> None:
        until = time.monotonic() + options["timeout"]
        printed_state = ""
        while True:
            if options["run_inline"]:
                driver.drive(seconds=5)
            job.refresh_from_db()
            if job.state != printed_state and not options["json"] and sys.stderr.isatty():
                self.stderr.write(f"{job.get_state_display()} …")
                printed_state = job.state
            current = progress.job_progress(job)
            if current.is_final or current.needs_person:
                return
            if time.monotonic() > until:
                raise CommandError(
                    f"The job {job.pk} is still {job.state} after {options['timeout']:.0f} s. It "
                    "continues automatically while a worker runs (manage.py imagegen_worker)."
                )
            time.sleep(0.2)

    def _report(self, job: Job, options: dict[str, Any]) -> None:
        assets = list(Asset.objects.results_of(job))
        files = [_copy(asset, options["out"]) for asset in assets] if options["out"] else []
        if options["json"]:
            self._print(
                {
                    "job": str(job.pk),
                    "state": job.state,
                    "cost": None if job.actual_cost is None else str(job.actual_cost),
                    "currency": job.currency,
                    "cached": job.cached_from_id is not None,
                    "assets": [
                        {
                            "asset": str(a.pk),
                            "storage_key": a.storage_key,
                            "sha256": a.sha256,
                            "review_state": a.review_state,
                        }
                        for a in assets
                    ],
                    "files": files,
                    "error": job.error_code,
                    "message": job.error_message,
                    "remedy": job.error_remedy,
                }
            )
        else:
            for asset, file in zip(assets, files or [""] * len(assets), strict=True):
                self.stdout.write(f"{asset.pk}  {file or asset.storage_key}")
        if job.state != JobState.SUCCEEDED:
            raise CommandError(f"{job.get_state_display()}: {job.error_message} {job.error_remedy}")

    def _refuse(self, refusal: ActionRefused, options: dict[str, Any]) -> None:
        if options["json"]:
            self._print(
                {
                    "error": refusal.code,
                    "message": refusal.message,
                    "reason": refusal.reason,
                    "remedy": refusal.remedy,
                }
            )
        raise CommandError(str(refusal))

    def _print(self, data: dict[str, Any]) -> None:
        self.stdout.write(json.dumps(data, ensure_ascii=False))


def _actor(name: str) -> Person:
    users = get_user_model()
    user = users.objects.filter(**{users.USERNAME_FIELD: name}).first()
    if user is None:
        raise CommandError(f"{name!r} is not a known user.")
    return access.actor_for(user)


def _job_request(actor: Person, options: dict[str, Any]) -> JobRequest:
    uploads = [InputSource(data=_read(path)) for path in options["image"]]
    if options["mask"]:
        uploads.append(InputSource(role=InputRole.MASK, data=_read(options["mask"])))
    uploads += [_input(text) for text in options["input"]]
    return composition.compose(
        actor=actor,
        template=options["template"],
        variables=_pairs(options, "var"),
        prompt=options["prompt"],
        negative_prompt=options["negative"],
        model=options["model"],
        operation=options["operation"],
        size=options["size"],
        count=options["count"],
        seed=options["seed"],
        quality=options["quality"] or None,
        parameters=_pairs(options, "parameter"),
        loras=[_lora(text) for text in options["lora"]],
        inputs=uploads,
        idempotency_key=options["key"],
        passes=options["then"],
        brand_kit=options["brand_kit"] or None,
        shot=options["shot"],
    )


def _pairs(options: dict[str, Any], option: str) -> dict[str, str]:
    pairs = {}
    for entry in options[option]:
        name, equals, value = entry.partition("=")
        if not equals:
            raise CommandError(f"--{option} {entry!r}: write NAME=VALUE.")
        pairs[name] = value
    return pairs


def _input(text: str) -> InputSource:
    """Return an input image of `ROLE=FILE`, or of `control:KIND:WEIGHT:START:END=FILE`."""
    said, equals, path = text.partition("=")
    name, *values = said.split(":")
    if not equals or name not in set(InputRole) or (values and name != InputRole.CONTROL):
        raise CommandError(f"--input {text!r}: write ROLE=FILE; roles: {', '.join(InputRole)}.")
    guide = None
    if name == InputRole.CONTROL:
        kind, *numbers = values or [""]
        try:
            guide = ControlGuide(kind, *(float(number) for number in numbers))
        except (TypeError, ValueError):
            raise CommandError(
                f"--input {text!r}: write control:KIND:WEIGHT:START:END=FILE."
            ) from None
    return InputSource(role=InputRole(name), data=_read(path), guide=guide)


def _lora(text: str) -> Lora:
    name, equals, weight = text.rpartition("=")
    try:
        return Lora(name, float(weight)) if equals else Lora(text)
    except ValueError:
        raise CommandError(f"--lora {text!r}: write NAME=WEIGHT.") from None


def _read(path: str) -> bytes:
    file = Path(path)
    try:
        if file.stat().st_size > _MAX_INPUT_MEGABYTES * 1024 * 1024:
            raise CommandError(f"{path} is larger than {_MAX_INPUT_MEGABYTES} MB.")
        return file.read_bytes()
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}.") from None


def _copy(asset: Asset, folder: str) -> str:
    if reason := closed_content.closed_reason(asset):
        raise CommandError(reason)
    target = Path(folder)
    try:
        target.mkdir(parents=True, exist_ok=True)
        file = target / f"{asset.pk}.{asset.storage_key.rpartition('.')[2]}"
        file.write_bytes(storage.get(asset.storage_key))
    except storage.FileMissing:
        raise CommandError(
            f"The image {asset.pk} was made, but its file is missing from the storage. Run "
            "manage.py imagegen_doctor."
        ) from None
    except storage.StorageFailed as error:
        raise CommandError(
            f"The image {asset.pk} was made, but the storage cannot be read ({error}). It is kept: "
            "fetch it later from the list of images, and run manage.py imagegen_doctor."
        ) from None
    except OSError as error:
        raise CommandError(f"{folder} cannot be written: {error.strerror}.") from None
    return str(file)
