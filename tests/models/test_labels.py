from __future__ import annotations

from enum import StrEnum

import pytest
from django.utils.translation import override

from imagegen_app.core import states
from imagegen_app.core.types import Operation
from imagegen_app.models.labels import LABELS, choices

KINDS: list[type[StrEnum]] = [
    states.JobState,
    states.AttemptState,
    states.ReviewState,
    states.Lifecycle,
    states.VerdictOutcome,
    Operation,
]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_value_has_a_label_in_each_language_and_no_two_share_one(kind: type[StrEnum]) -> None:
    for language in ("en", "de", "fr"):
        with override(language):
            words = {value: str(label) for value, label in choices(kind)}

        assert set(words) == {member.value for member in kind}
        assert all(words.values()), language
        assert len(set(words.values())) == len(words), language


def test_the_labels_contain_no_removed_value() -> None:
    unknown = {
        kind.__name__: sorted(set(map(str, labels)) - {member.value for member in kind})
        for kind, labels in LABELS.items()
        if set(map(str, labels)) - {member.value for member in kind}
    }

    assert unknown == {}
