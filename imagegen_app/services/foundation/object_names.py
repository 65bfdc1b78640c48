"""Name rows as people know them: by title, template, batch and time, and never by a key.

Names come from other rows, so they are looked up for many rows at once, and kept on each as `shown_name`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from django.apps import apps
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.utils.text import Truncator
from django.utils.translation import gettext as _

from imagegen_app import database
from imagegen_app.core.operations import Operation
from imagegen_app.models import Asset, Attempt, Job
from imagegen_app.models.labels import LABELS
from imagegen_app.services.foundation.local_times import format_in_name

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from django.db.models import Model

#: Kinds of rows whose own text is what people call them, with what the text is made from.
_NAMED_BY_THEMSELVES: Final[dict[str, tuple[str, ...]]] = {
    "batch": (),
    "brandkit": (),
    "brandkitversion": ("kit",),
    "budget": (),
    "grant": ("group", "image_model"),
    "imagemodel": (),
    "incident": ("provider", "image_model"),
    "placement": (),
    "prompttemplate": (),
    "provider": (),
    "templateversion": ("template",),
    "workflowversion": (),
}
_MOST_CHARS: Final = 60


def person_name(user: Any) -> str:
    """Return a user's full name with the login, or the login alone."""
    full = str(getattr(user, "get_full_name", str)()).strip()
    return f"{full} ({user})" if full and full != str(user) else str(user)


def give_names(rows: Iterable[Any]) -> None:
    """Look up the names of jobs, assets and attempts among rows, with two queries at most."""
    found = [row for row in rows if isinstance(row, Job | Asset | Attempt)]
    jobs = {row.pk if isinstance(row, Job) else row.job_id for row in found if not _is_titled(row)}
    names = _job_names(jobs)
    for row in found:
        row.shown_name = _name(row, names)


def names_of(references: Iterable[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """Return the names of rows by their kind and key; those that are gone, or have none, are missing."""
    keys: dict[str, set[str]] = {}
    for kind, key in references:
        keys.setdefault(kind, set()).add(key)
    found: dict[tuple[str, str], str] = {}
    user_kind = get_user_model()._meta.model_name  # noqa: SLF001 - Django's documented API
    for kind, of_kind in keys.items():
        if kind == user_kind:
            rows = database.accounts(get_user_model()).filter(
                pk__in=_valid(get_user_model(), of_kind)
            )
            found |= {(kind, str(row.pk)): person_name(row) for row in rows}
        elif kind == "group":
            groups = database.accounts(Group).filter(pk__in=_valid(Group, of_kind))
            found |= {(kind, str(row.pk)): row.name for row in groups}
        elif kind in _NAMED_BY_THEMSELVES:
            model: Any = apps.get_model("imagegen", kind)
            related = _NAMED_BY_THEMSELVES[kind]
            named = model.objects.filter(pk__in=_valid(model, of_kind))
            if related:
                named = named.select_related(*related)
            found |= {(kind, str(row.pk)): str(row) for row in named}
    return found | _names_of_work(keys)


def _names_of_work(keys: dict[str, set[str]]) -> dict[tuple[str, str], str]:
    """Return the names of jobs, and of the assets and attempts that are named by theirs."""
    rows: list[Any] = []
    if "asset" in keys:
        assets = Asset.objects.filter(pk__in=_valid(Asset, keys["asset"]))
        rows += assets.only("pk", "title", "alt_text", "hard_category", "job_id")
    if "attempt" in keys:
        attempts = Attempt.objects.filter(pk__in=_valid(Attempt, keys["attempt"]))
        rows += attempts.only("pk", "number", "job_id")
    jobs = _valid(Job, keys.get("job", ()))
    names = _job_names({*jobs, *(row.job_id for row in rows if not _is_titled(row))})
    found = {("job", str(pk)): names[pk] for pk in jobs if pk in names}
    for row in rows:
        found[row._meta.model_name, str(row.pk)] = _name(row, names)  # noqa: SLF001 - Django's documented API
    return found


def _is_titled(row: Any) -> bool:
    return isinstance(row, Asset) and bool(row.title or _words(row))


def _words(asset: Asset) -> str:
    """Return what an image shows in a few words; nothing of what was closed for good."""
    return "" if asset.hard_category else Truncator(asset.alt_text).chars(_MOST_CHARS)


def _name(row: Job | Asset | Attempt, jobs: dict[Any, str]) -> str:
    if isinstance(row, Job):
        return jobs.get(row.pk, "")
    if isinstance(row, Attempt):
        job = jobs.get(row.job_id, "")
        return _("%(job)s, call %(number)s") % {"job": job, "number": row.number} if job else ""
    return row.title or _words(row) or jobs.get(row.job_id, "")


def _job_names(keys: Collection[Any]) -> dict[Any, str]:
    """Return the names of jobs by their keys, with one query."""
    if not keys:
        return {}
    rows: Any = Job.objects.filter(pk__in=keys).values_list(
        "pk",
        "batch__title",
        "row_key",
        "shot",
        "template_version__template__name",
        "operation",
        "created_at",
    )
    return {
        # Several jobs are made of a row where its template has shots.
        key: _job_name(batch, f"{row}, {shot}" if row and shot else row, *rest)
        for key, batch, row, shot, *rest in rows
    }


def _job_name(
    batch: str | None, row_key: str, template: str | None, operation: str, created_at: Any
) -> str:
    if batch:
        if not row_key:
            return batch
        return _("%(batch)s, row %(row)s") % {"batch": batch, "row": row_key}
    known = {one.value for one in Operation}
    made = str(LABELS[Operation][Operation(operation)]) if operation in known else operation
    return _("%(what)s, %(day)s") % {"what": template or made, "day": format_in_name(created_at)}


def _valid(model: type[Model], keys: Iterable[str]) -> list[Any]:
    """Return the keys that rows of a model can have; the log may have been tampered with."""
    found = []
    for key in keys:
        try:
            found.append(model._meta.pk.to_python(key))  # noqa: SLF001 - Django's documented API
        except (ValidationError, ValueError, OverflowError):
            continue
    return found
