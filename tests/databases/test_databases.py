"""Run the tests of transactions, the log and job creation on the other databases, where available."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parent.parent.parent
#: Tests of what differs between databases: locks, constraints, clocks, triggers.
TEST_FILES = [
    "tests/engines/test_postgresql_notifications.py",
    "tests/services/foundation/test_unit.py",
    "tests/services/audit/test_erased_texts.py",
    "tests/services/erasure/test_commands.py",
    "tests/services/audit/test_log.py",
    "tests/services/audit/test_log_triggers.py",
    "tests/services/job_requests/test_creation.py",
    "tests/services/policy/test_free_allowances.py",
]


@pytest.mark.parametrize(
    "database",
    [
        pytest.param("postgresql", marks=pytest.mark.postgresql),
        pytest.param("mysql", marks=pytest.mark.mysql),
    ],
)
def test_core_services_work_on_another_database(database: str) -> None:
    outer = os.environ.get("IMAGEGEN_TEST_DATABASE_NAME", "test_imagegen")

    # One process: starting more, each with a database, costs more than these tests.
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-n0",
            "-p",
            "no:cacheprovider",
            "--create-db",
            *TEST_FILES,
        ],
        cwd=ROOT,
        env={
            **os.environ,
            "IMAGEGEN_TEST_DATABASE": database,
            "IMAGEGEN_TEST_DATABASE_NAME": f"{outer}_inner",
        },
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )

    assert done.returncode == 0, done.stdout[-3000:]
