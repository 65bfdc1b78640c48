"""What a call sends is built in a thread where images make that slow, and at once where not."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from imagegen_app.core.types import Operation
from imagegen_app.providers import remote
from imagegen_app.providers.base import Account
from imagegen_app.providers.stability import Stability
from tests.providers.samples import a_request, an_input


@pytest.mark.parametrize(("inputs", "is_here"), [((), True), ((an_input(),), False)])
def test_only_a_request_with_images_visits_a_thread(inputs: Any, is_here: bool) -> None:
    adapter = Stability(Account())
    request = a_request(operation=Operation.EDIT, inputs=inputs)

    where = asyncio.run(adapter.build(lambda _request: threading.current_thread(), request))

    assert (where is threading.current_thread()) is is_here


@pytest.mark.parametrize(
    ("document", "is_large"),
    [
        ({"prompt": "a mug", "n": 3, "more": None}, False),
        ({"images": [{"data": "A" * 40_000}, {"data": "A" * 40_000}]}, True),
        ("A" * 70_000, True),
        ([[[["A" * 70_000]]]], True),
    ],
)
def test_a_document_is_large_by_all_of_its_texts(document: object, is_large: bool) -> None:
    limit = remote._LARGE_CHARS

    assert (remote._chars_of(document, most=limit) >= limit) is is_large
