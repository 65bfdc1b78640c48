"""Find images by words, by an index of the database where it has one.

A word that few images have is looked up in the index. One that many have is found sooner by reading the
newest images until a page is full, which needs no list of all that match.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db.models import Q

from imagegen_app import database
from imagegen_app.core.actors import Person
from imagegen_app.models import AssetSearchText
from imagegen_app.services.audit import prompt_access
from imagegen_app.services.foundation import word_index
from imagegen_app.services.policy import access

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.db.models import QuerySet

    from imagegen_app.core.actors import Actor
    from imagegen_app.models import Asset

#: Words of a search that are looked for.
MAX_WORDS = 10
#: How many matches are listed; where there are more, the newest images are read instead.
FEW = 5000
#: A trigram index knows nothing shorter.
_INDEXED_CHARS = 3


def by_words(assets: QuerySet[Asset], text: str, *, reader: Actor) -> QuerySet[Asset]:
    """Return the images that have all words of a text in what the reader may read of them.

    Prompts are searched for people who may read them, which is recorded; for others, those of their
    own images.
    """
    return assets.filter(words_condition(text, reader=reader))


def words_condition(text: str, *, reader: Actor) -> Q:
    """Return the condition that an image has all words of a text; none without a word."""
    words = text.split()[:MAX_WORDS]
    if not words:
        return Q()
    if access.has_permission(reader, "view_prompt"):
        prompt_access.record_search(reader, " ".join(words))
        return _condition(words, with_prompts=True)
    found = _condition(words, with_prompts=False)
    if isinstance(reader, Person):
        # Not of re-runs, which may have another person's words; they are found by all other texts.
        own = Q(job__requester=reader.user, job__replaces=None, job__root__replaces=None)
        found |= own & _condition(words, with_prompts=True)
    return found


def _condition(words: Sequence[str], *, with_prompts: bool) -> Q:
    listed = _listed(words, with_prompts=with_prompts)
    if listed is not None:
        return Q(pk__in=listed)
    return _contains(words, with_prompts=with_prompts, path="search_text__")


def _contains(words: Sequence[str], *, with_prompts: bool, path: str = "") -> Q:
    condition = Q()
    for word in words:
        found = Q(**{f"{path}public_text__icontains": word})
        if with_prompts:
            found |= Q(**{f"{path}prompt_text__icontains": word})
        condition &= found
    return condition


def _listed(words: Sequence[str], *, with_prompts: bool) -> list[Any] | None:
    """Return the keys of all matching images; None if they are many, or no index knows them."""
    long = [word for word in words if len(word) >= _INDEXED_CHARS]
    kind = word_index.indexed_by() if long else ""
    if not kind:
        return None
    rows = AssetSearchText.objects.filter(_contains(words, with_prompts=with_prompts))
    if kind == "fts5":
        numbers = _fts_rows(long, with_prompts=with_prompts)
        if len(numbers) > FEW:
            return None
        short = [word for word in words if len(word) < _INDEXED_CHARS]
        rows = AssetSearchText.objects.filter(pk__in=numbers)
        rows = rows.filter(_contains(short, with_prompts=with_prompts))
    found = list(rows.order_by().values_list("asset_id", flat=True)[: FEW + 1])
    return found if len(found) <= FEW else None


def _fts_rows(words: Sequence[str], *, with_prompts: bool) -> list[int]:
    """Return the numbers of the rows that FTS5 finds; one more than are listed, if there are."""
    quoted = " ".join('"{}"'.format(word.replace('"', '""')) for word in words)
    match = quoted if with_prompts else f"public_text : ({quoted})"
    query = f"SELECT rowid FROM {word_index.FTS_TABLE} WHERE {word_index.FTS_TABLE} MATCH %s LIMIT {FEW + 1}"  # noqa: S608 - constants
    with database.connection().cursor() as cursor:
        cursor.execute(query, [match])
        return [row[0] for row in cursor.fetchall()]
