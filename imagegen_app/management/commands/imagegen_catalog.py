"""Add the models of a catalogue to the site's providers, and list or check a catalogue."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.core.management.base import CommandError, CommandParser
from django.utils.translation import gettext as _

from imagegen_app.core.actors import System
from imagegen_app.core.catalog_entries import InvalidCatalog
from imagegen_app.management.base import DatabaseCommand
from imagegen_app.models import Provider
from imagegen_app.services.gateways import adapters, catalog_files
from imagegen_app.services.policy import catalog_sync
from imagegen_app.services.policy.access import ActionRefused
from imagegen_app.services.policy.catalog_sync import SyncAction

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imagegen_app.core.catalog_entries import CatalogEntry
    from imagegen_app.services.policy.catalog_sync import FieldDifference, SyncedModel

SHELL = System("shell")
_WORDS = {
    SyncAction.CREATE: "add as a draft",
    SyncAction.UPDATE: "update",
    SyncAction.UNCHANGED: "leave as it is",
    SyncAction.NOT_ADDED: "do not add",
    SyncAction.NOT_DEPLOYED: "no deployment named",
}


class Command(DatabaseCommand):
    """Sync the catalogue of models with the site's providers; or list it, or check a file."""

    help = (
        "Add the models of the bundled catalogue, or of a file of your own, to the site's providers as "
        "drafts, and update what the catalogue wrote before; what a person changed is kept."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
        sync = actions.add_parser("sync", help="Add and update models.")
        sync.add_argument("--dry-run", action="store_true", help="Only show what would be done.")
        sync.add_argument("--provider", metavar="SLUG", default="", help="Only this provider.")
        listed = actions.add_parser("list", help="List the models of the catalogue.")
        listed.add_argument("--adapter", default="", help="Only those of this adapter.")
        check = actions.add_parser("check", help="Check a file of your own.")
        check.add_argument("file", type=Path, metavar="FILE")
        for action in (sync, listed):
            action.add_argument(
                "--file", type=Path, help="Your own catalogue, not the bundled one."
            )
        for action in (sync, listed, check):
            action.add_argument("--json", action="store_true", help="Print one JSON object.")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Do what was asked.

        :raises CommandError: if the file is not valid, or there is no such provider or adapter.
        """
        entries = _read(options["file"] or catalog_files.BUNDLED)
        if options["action"] == "sync":
            self._sync(entries, options)
        elif options["action"] == "list":
            self._list(_of_adapter(entries, options["adapter"]), options)
        elif options["json"]:
            self.stdout.write(json.dumps({"models": len(entries)}))
        else:
            self.stdout.write(f"The file is valid; it lists {len(entries)} models.")

    def _sync(self, entries: Sequence[CatalogEntry], options: dict[str, Any]) -> None:
        providers = Provider.objects.order_by("pk")
        if options["provider"]:
            providers = providers.filter(slug=options["provider"])
            if not providers:
                raise CommandError(f"There is no provider “{options['provider']}”.")
        carry_out = catalog_sync.preview if options["dry_run"] else catalog_sync.sync
        try:
            found = carry_out(actor=SHELL, entries=entries, providers=list(providers))
        except ActionRefused as refusal:
            raise CommandError(str(refusal)) from None
        if options["json"]:
            told = {"dry_run": options["dry_run"], "models": [_as_json(one) for one in found]}
            self.stdout.write(json.dumps(told))
            return
        for one in found:
            if one.action in {SyncAction.CREATE, SyncAction.UPDATE} or one.kept:
                self._write_model(one)
        counts = Counter(one.action for one in found)
        said = ", ".join(
            f"{_WORDS[action]}: {counts[action]}"
            for action in SyncAction
            if counts[action] or action is not SyncAction.NOT_DEPLOYED
        )
        head = "This would be done (nothing was written): " if options["dry_run"] else "Done: "
        self.stdout.write(f"{head}{said}.")
        if not found:
            self.stdout.write("No provider of the site has an adapter that the catalogue lists.")

    def _write_model(self, one: SyncedModel) -> None:
        self.stdout.write(f"{one.provider.slug}: {one.slug}: {_WORDS[one.action]}")
        changed = one.changes if one.action is SyncAction.UPDATE else ()
        for word, differences in (("write", changed), ("keep", one.kept)):
            for difference in differences:
                self.stdout.write(f"  {word} {_in_words(difference)}")

    def _list(self, entries: Sequence[CatalogEntry], options: dict[str, Any]) -> None:
        if options["json"]:
            told = [
                {
                    "adapter": entry.adapter,
                    "model": entry.model,
                    "name": entry.name,
                    "version": entry.version,
                    "price_list": dict(entry.price_list) or None,
                    "capabilities": dict(entry.capabilities),
                    "retires_on": entry.retires_on and entry.retires_on.isoformat(),
                    "retired": catalog_sync.is_over(entry),
                    "replaced_by": entry.replaced_by,
                    "is_base_model": entry.is_base_model,
                }
                for entry in entries
            ]
            self.stdout.write(json.dumps({"models": told}))
            return
        for entry in entries:
            self.stdout.write(f"{entry.label}: {entry.name}; {_price(entry)}{_retirement(entry)}")


def _read(path: Path) -> tuple[CatalogEntry, ...]:
    try:
        return catalog_files.read_file(path)
    except InvalidCatalog as error:
        lines = [
            f"- {one.entry or path.name}: {_(one.problem.text) % one.problem.values}."
            for one in error.problems
        ]
        raise CommandError(
            "\n".join(["The catalogue is not valid; nothing was written.", *lines])
        ) from None


def _of_adapter(entries: Sequence[CatalogEntry], adapter: str) -> Sequence[CatalogEntry]:
    known = sorted(name for name, _label in adapters.adapter_choices())
    if adapter and adapter not in known:
        raise CommandError(f"There is no adapter “{adapter}”; known are: {', '.join(known)}.")
    return [entry for entry in entries if adapter in {"", entry.adapter}]


def _as_json(one: SyncedModel) -> dict[str, Any]:
    return {
        "provider": one.provider.slug,
        "model": one.model,
        "slug": one.slug,
        "action": one.action.value,
        "changes": [_difference(each) for each in one.changes],
        "kept": [_difference(each) for each in one.kept],
    }


def _difference(one: FieldDifference) -> dict[str, Any]:
    return {"field": one.field, "current": one.current, "catalog": one.catalog}


def _in_words(one: FieldDifference) -> str:
    current, catalog = (json.dumps(v, ensure_ascii=False) for v in (one.current, one.catalog))
    return f"{one.field}: here {current}; in the catalogue {catalog}"


def _price(entry: CatalogEntry) -> str:
    if not entry.price_list:
        return "no price is known"
    return f"priced on {entry.price_list['checked_on']} by {entry.price_list['source']}"


def _retirement(entry: CatalogEntry) -> str:
    if entry.retires_on is None:
        return ""
    word = "retired" if catalog_sync.is_over(entry) else "retires"
    after = f", replaced by {entry.replaced_by}" if entry.replaced_by else ""
    return f"; {word} on {entry.retires_on.isoformat()}{after}"
