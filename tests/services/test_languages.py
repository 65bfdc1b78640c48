"""What the log and the jobs tell is told in the reader's language."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from django.utils.translation import gettext, override

import imagegen_app.services.driver
import imagegen_app.services.judging  # noqa: F401 - as above
from imagegen_app.core.errors import ProviderError
from imagegen_app.core.event_table import ROWS
from imagegen_app.imaging.faults import SENTENCES
from imagegen_app.models import AuditEvent
from imagegen_app.models.labels import LABELS
from imagegen_app.services import phrases, telling

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.services.conftest import Site

LANGUAGES = ("de", "fr")
PLACEHOLDER = re.compile(r"\{[a-z_]+\}")
#: Words that are the same in both.
ALIKE = {"Image", "Pilot", "Text"}


def errors(kind: type[ProviderError] = ProviderError) -> Iterator[type[ProviderError]]:
    yield kind
    for each in kind.__subclasses__():
        yield from errors(each)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_event_has_its_sentence_with_the_same_values(language: str) -> None:
    with override(language):
        told = {row.name: gettext(row.sentence) for row in ROWS}

    assert [row.name for row in ROWS if told[row.name] == row.sentence] == []
    wrong = [
        row.name
        for row in ROWS
        if set(PLACEHOLDER.findall(row.sentence)) != set(PLACEHOLDER.findall(told[row.name]))
    ]
    assert wrong == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_stored_trouble_and_remedy_is_translated(language: str) -> None:
    stored = {
        sentence
        for kind in errors()
        if kind.__module__.startswith("imagegen_app.")
        for sentence in ((kind.__doc__ or "").split("\n", maxsplit=1)[0], kind.remedy)
    }

    assert stored - set(phrases.STORED) == set()
    with override(language):
        same = [s for s in (*phrases.STORED, *SENTENCES.values()) if phrases.translated(s) == s]
    assert same == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_value_of_our_enumerations_has_its_word(language: str) -> None:
    for kind, words in LABELS.items():
        assert set(words) == set(kind)
        with override("en"):
            english = {member: str(word) for member, word in words.items()}
        with override(language):
            same = [
                english[member]
                for member, word in words.items()
                if str(word) == english[member] and english[member] not in ALIKE
            ]
        assert same == []


def test_a_request_is_told_in_german(site: Site) -> None:
    job = site.request()
    with override("de"):
        told = telling.of_job(job)
        shown = job.get_state_display()

    assert "angefordert" in " ".join(t.sentence for t in told)
    assert shown == "In der Warteschlange"
    assert AuditEvent.objects.filter(job_id=job.pk).count() == len(told)
