"""Give the tests of tables the governed site of the use cases' tests."""

from __future__ import annotations

from tests.services.conftest import *  # noqa: F403 - fixtures
