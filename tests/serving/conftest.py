"""Give the tests a browser that reads what it is sent, as browsers do."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client


class ReadingClient(Client):
    """Read every stream to its end, which also closes the file."""

    def request(self, **request: Any) -> Any:
        answer: Any = super().request(**request)
        answer.body = b"".join(answer.streaming_content) if answer.streaming else answer.content
        return answer


@pytest.fixture
def client() -> Client:
    return ReadingClient()


@pytest.fixture
def plain_site(settings: Any) -> None:
    """Take away the CMS's middleware, which asks the database and the session at any address."""
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if name.startswith("django.")]
