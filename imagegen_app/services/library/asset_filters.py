"""Filter the images that a person may see, as the address of the library says it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl
from uuid import UUID

from django.db.models import Exists, F, OuterRef, Q
from django.utils import timezone
from django.utils.http import urlencode

from imagegen_app.core.actors import Person
from imagegen_app.core.colours import Colour
from imagegen_app.core.source_types import GENERATED
from imagegen_app.core.states import ReviewState
from imagegen_app.core.types import Operation
from imagegen_app.models import Asset, AssetTag, CollectionItem, Job, Placement
from imagegen_app.services.foundation import keyset
from imagegen_app.services.foundation.accounts import users_named
from imagegen_app.services.library import asset_search, collections, word_search
from imagegen_app.services.policy import access, use_of_assets

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.db.models import QuerySet

#: Rows that are listed; where there are more, the newest images are read until a page is full.
_FEW = 2000
_MAX_CHARS = 200
_MAX_QUERY_CHARS = 2000
_MOST_MONTHS = 120
_MONTH = re.compile(r"(20\d\d)-(0[1-9]|1[0-2])")
_NUMBER = re.compile(r"[1-9]\d{0,17}", re.ASCII)
#: What each parameter of the address may be.
_ALLOWED: dict[str, frozenset[str] | re.Pattern[str] | None] = {
    "q": None,
    "person": None,
    "mine": frozenset({"1"}),
    "template": _NUMBER,
    "model": _NUMBER,
    "operation": frozenset(Operation),
    "month": _MONTH,
    "state": frozenset(ReviewState),
    "label": frozenset({"generated", "modified"}),
    "used": frozenset({"yes", "no"}),
    "shape": frozenset({"landscape", "portrait", "square"}),
    "colour": frozenset(Colour),
    "collection": _NUMBER,
    "tag": _NUMBER,
    "steps": frozenset({"1"}),
}


@dataclass(frozen=True, slots=True)
class AssetFilter:
    """What images are looked for; every value is one that a page of ours can have sent."""

    values: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_query(cls, query: Mapping[str, Any]) -> AssetFilter:
        """Read the parameters of an address; what nobody can mean is left out."""
        read = {name: str(query.get(name, "")).strip()[:_MAX_CHARS] for name in _ALLOWED}
        return cls({name: value for name, value in read.items() if _is_allowed(name, value)})

    @classmethod
    def from_text(cls, query: str) -> AssetFilter:
        """Read the parameters of an address as one text."""
        try:
            return cls.from_query(dict(parse_qsl(query[:_MAX_QUERY_CHARS], max_num_fields=50)))
        except ValueError:
            return cls()

    def with_value(self, name: str, value: str) -> AssetFilter:
        """Return this filter with another value; without one if it is empty."""
        values = {**self.values, name: value}
        return replace(self, values={key: text for key, text in values.items() if text})

    def as_query(self) -> str:
        """Return the parameters of an address in a fixed order."""
        return urlencode([(name, self.values[name]) for name in _ALLOWED if name in self.values])

    def get(self, name: str) -> str:
        """Return the value of a parameter, or an empty text."""
        return self.values.get(name, "")


@dataclass(frozen=True, slots=True)
class Month:
    """A month of a list, and the place in the list where it begins."""

    start: datetime
    cursor: str


def visible_assets(reader: Person) -> QuerySet[Asset]:
    """Return the images that a person may see: all, or their own; none that was closed for good."""
    assets: QuerySet[Asset] = Asset.objects.filter(hard_category="")
    if access.has_permission(reader, "view_asset"):
        return assets
    return _with_jobs(assets, Q(requester=reader.user))


def find(reader: Person, wanted: AssetFilter, *, for_use: bool = False) -> QuerySet[Asset]:
    """Return the images that a filter finds among those that the person may see, or may use."""
    assets = visible_assets(reader)
    if for_use:
        assets = use_of_assets.usable_assets(reader)
    if not wanted.get("steps"):
        assets = assets.filter(is_intermediate=False)
    assets = _by_text(assets, wanted.get("q"), reader)
    jobs = _jobs_condition(wanted, reader)
    if jobs:
        assets = _with_jobs(assets, jobs)
    assets = _by_own_columns(assets, wanted)
    assets = _by_use(assets, wanted.get("used"))
    if tag := wanted.get("tag"):
        assets = _among(assets, AssetTag.objects.filter(tag_id=int(tag)))
    if collection := wanted.get("collection"):
        shown = collections.visible_collections(reader).filter(pk=collection)
        assets = _among(assets, CollectionItem.objects.filter(collection__in=shown))
    return assets


def months_between(assets: QuerySet[Asset]) -> list[Month]:
    """Return the months from the newest image to the oldest, newest first; two steps in an index."""
    rows = assets.order_by("-created_at", "-pk").values_list("created_at", flat=True)
    newest, oldest = rows.first(), rows.reverse().first()
    if newest is None or oldest is None:
        return []
    first, last = timezone.localtime(oldest), timezone.localtime(newest)
    found: list[Month] = []
    year, month = last.year, last.month
    while (year, month) >= (first.year, first.month) and len(found) < _MOST_MONTHS:
        start, end = _bounds(year, month)
        # All keys are greater than this one: rows of the next month's first moment are not meant.
        found.append(Month(start, keyset.make_cursor(end, UUID(int=0))))
        year, month = (year, month - 1) if month > 1 else (year - 1, 12)
    return found


def month_bounds(text: str) -> tuple[datetime, datetime] | None:
    """Return the first moment of a month such as `2026-11`, and that of the next one."""
    match = _MONTH.fullmatch(text)
    if match is None:
        return None
    return _bounds(int(match[1]), int(match[2]))


def _bounds(year: int, month: int) -> tuple[datetime, datetime]:
    zone = timezone.get_current_timezone()
    start = datetime(year, month, 1, tzinfo=zone)
    return start, (start + timedelta(days=32)).replace(day=1)


def _is_allowed(name: str, value: str) -> bool:
    allowed = _ALLOWED[name]
    if not value or "\0" in value:
        return False
    if allowed is None:
        return True
    if isinstance(allowed, frozenset):
        return value in allowed
    return allowed.fullmatch(value) is not None


def _by_text(assets: QuerySet[Asset], text: str, reader: Person) -> QuerySet[Asset]:
    if not text:
        return assets
    found = asset_search.by_file_hash(assets, text)
    return word_search.by_words(assets, text, reader=reader) if found is None else found


def _jobs_condition(wanted: AssetFilter, reader: Person) -> Q:
    condition = Q()
    if wanted.get("mine"):
        condition &= Q(requester=reader.user)
    if person := wanted.get("person"):
        condition &= Q(requester__in=users_named(person))
    for name, column in (
        ("template", "template_version__template"),
        ("model", "image_model"),
        ("operation", "operation"),
    ):
        if value := wanted.get(name):
            condition &= Q(**{column: value})
    return condition


def _with_jobs(assets: QuerySet[Asset], condition: Q) -> QuerySet[Asset]:
    """Return the images of jobs: of a few by their keys, of many by looking at each image's job."""
    keys = list(Job.objects.filter(condition).order_by().values_list("pk", flat=True)[: _FEW + 1])
    if len(keys) <= _FEW:
        return assets.filter(job__in=keys)
    return assets.filter(Exists(Job.objects.filter(condition, pk=OuterRef("job_id"))))


def _among(assets: QuerySet[Asset], rows: QuerySet[Any]) -> QuerySet[Asset]:
    keys = list(rows.order_by().values_list("asset_id", flat=True)[: _FEW + 1])
    if len(keys) <= _FEW:
        return assets.filter(pk__in=keys)
    return assets.filter(Exists(rows.filter(asset=OuterRef("pk"))))


def _by_own_columns(assets: QuerySet[Asset], wanted: AssetFilter) -> QuerySet[Asset]:
    if state := wanted.get("state"):
        assets = assets.filter(review_state=state)
    if colour := wanted.get("colour"):
        assets = assets.filter(colour=colour)
    if label := wanted.get("label"):
        is_generated = Q(digital_source_type=GENERATED)
        assets = assets.filter(is_generated if label == "generated" else ~is_generated)
    if bounds := month_bounds(wanted.get("month")):
        assets = assets.filter(created_at__gte=bounds[0], created_at__lt=bounds[1])
    shapes = {
        "landscape": Q(width__gt=F("height")),
        "portrait": Q(width__lt=F("height")),
        "square": Q(width=F("height")),
    }
    return assets.filter(shapes[wanted.get("shape")]) if wanted.get("shape") else assets


def _by_use(assets: QuerySet[Asset], used: str) -> QuerySet[Asset]:
    if not used:
        return assets
    placed = Placement.objects.active()
    if used == "yes":
        return _among(assets, placed)
    return assets.filter(~Exists(placed.filter(asset=OuterRef("pk"))))
