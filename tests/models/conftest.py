"""Use the fixtures of the services' tests."""

from __future__ import annotations

from tests.services.conftest import *  # noqa: F403 - fixtures
