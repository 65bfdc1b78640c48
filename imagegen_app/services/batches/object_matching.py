"""Offer the fields by which rows of a table can be matched with objects of the site."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils.text import capfirst
from django.utils.translation import gettext as _

from imagegen_app.core.actors import Person
from imagegen_app.services.batches.row_sources import TableRows
from imagegen_app.services.gateways import content_fields

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imagegen_app.core.actors import Actor


def match_choices(actor: Actor) -> list[tuple[str, str]]:
    """Return the fields by which rows can be matched with objects: (`target path|field`, label).

    Only objects that the actor may see in the admin are offered.
    """
    found = []
    for target in content_fields.all_targets():
        meta = target.model._meta  # noqa: SLF001 - Django's documented API
        if isinstance(actor, Person) and not any(
            actor.user.has_perm(f"{meta.app_label}.{verb}_{meta.model_name}")
            for verb in ("view", "change")
        ):
            continue
        image = capfirst(str(content_fields.find_field(target.model, target.field).verbose_name))
        for name, label in content_fields.key_fields(target.model):
            text = _("%(objects)s (%(image)s), matched by %(field)s") % {
                "objects": capfirst(str(meta.verbose_name_plural)),
                "image": image,
                "field": label,
            }
            found.append((f"{target.path}|{name}", text))
    return found


def guess_match(choices: Sequence[str], keys: Sequence[str]) -> str:
    """Return the choice by which objects with some of these keys are found; empty if there is none."""
    for choice in choices:
        path, _bar, name = choice.partition("|")
        target = content_fields.target_by_path(path)
        column = None if target is None else content_fields.find_field(target.model, name)
        # Primary keys are numbers from 1 on, which are in any table.
        if target is None or column is None or not column.unique or column.primary_key:
            continue
        if TableRows.find_keys(target, name, keys):
            return choice
    return ""
