"""Set up a whole site for one engine: its database, its queue, its web process and its workers."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import uuid
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Self

import pytest

from imagegen_app.testing.simulator.server import DEFAULT_WEBHOOK_SECRET
from tests.faults.invariants import violated_invariants

if TYPE_CHECKING:
    from imagegen_app.testing.simulator.process import SimulatorProcess

ROOT = Path(__file__).resolve().parent.parent.parent
ENDS = {"succeeded", "failed", "blocked", "cancelled", "expired", "uncertain"}
REDIS = "redis://" + os.environ.get("IMAGEGEN_TEST_REDIS_ADDRESS", "127.0.0.1:6379")
RABBITMQ = "amqp://guest:guest@" + os.environ.get(
    "IMAGEGEN_TEST_RABBITMQ_ADDRESS", "127.0.0.1:5672"
)
POSTGRESQL = os.environ.get("IMAGEGEN_TEST_POSTGRESQL_ADDRESS", "127.0.0.1:5432")


@dataclass(frozen=True)
class Lane:
    """One engine on one broker and one database."""

    name: str
    engine: str
    broker: str = ""
    postgresql: bool = False
    services: tuple[str, ...] = ()


LANES = {
    lane.name: lane
    for lane in (
        Lane("sqlite", "django_tasks"),
        Lane("postgresql", "django_tasks", postgresql=True, services=("postgresql",)),
        Lane("celery-redis", "celery", f"{REDIS}/9", True, ("postgresql", "redis")),
        Lane("celery-rabbitmq", "celery", f"{RABBITMQ}//", True, ("postgresql", "rabbitmq")),
        Lane("rq", "rq", f"{REDIS}/9", True, ("postgresql", "redis")),
    )
}


class WebProcess:
    """A process that does what the site's web server would; one line of JSON a call."""

    def __init__(self, environment: dict[str, str], log: BinaryIO) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.engines.site.control"],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        self._lock = threading.Lock()

    def call(self, action: str, **options: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._lock:
            self._process.stdin.write(json.dumps({"action": action, **options}) + "\n")
            self._process.stdin.flush()
            answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()


class Site:
    """One lane's site in a folder of its own; a context manager that leaves nothing behind."""

    def __init__(
        self,
        lane: Lane,
        folder: Path,
        simulator: SimulatorProcess,
        *,
        broker: str | None = None,
        postgresql: str = POSTGRESQL,
        **changes: str,
    ) -> None:
        self.lane, self.folder = lane, folder
        self.name = f"ig_{uuid.uuid4().hex[:10]}"
        self.broker = lane.broker if broker is None else broker
        self.postgresql = postgresql
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("SITE_")},
            "DJANGO_SETTINGS_MODULE": "tests.engines.site.settings",
            "PYTHONPATH": str(ROOT),
            "SITE_DIR": str(folder),
            "SITE_ENGINE": lane.engine,
            "SITE_NAME": self.name,
            "SITE_BROKER": self.broker,
            "SITE_SIMULATOR": simulator.base_url,
            "SITE_KEY": simulator.key,
            "SITE_WEBHOOK_SECRET": DEFAULT_WEBHOOK_SECRET,
            "SITE_POSTGRESQL": postgresql if lane.postgresql else "",
            "IMAGEGEN_TESTING": "1",
            **{f"SITE_{name.upper()}": value for name, value in changes.items()},
        }
        self.workers: list[subprocess.Popen[bytes]] = []
        self._web: WebProcess | None = None
        self._database: Any = None
        self.log = folder / "worker.log"

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            self.web.call("prepare")
        except json.JSONDecodeError:
            self.__exit__()
            pytest.fail((self.folder / "web.log").read_text(errors="replace")[-2000:])
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self.workers:
            self.kill(worker)
        if self._web is not None:
            self._web.close()
        self.empty_broker()
        self._disconnect()
        if self.lane.postgresql:
            self._administer(f'DROP DATABASE IF EXISTS "{self.name}" WITH (FORCE)')

    @property
    def web(self) -> WebProcess:
        if self._web is None:
            with (self.folder / "web.log").open("ab") as log:
                self._web = WebProcess(self.environment, log)
        return self._web

    def restart_web(self) -> None:
        """Have the next call go to a new web process."""
        if self._web is not None:
            self._web.close()
            self._web = None

    def start(
        self, *, failpoint: str = "", arguments: tuple[str, ...] = ()
    ) -> subprocess.Popen[bytes]:
        extra = {"IMAGEGEN_FAILPOINTS": f"{failpoint}@{self.folder}/token"} if failpoint else {}
        command = [sys.executable, "-m", "django", "imagegen_worker"]
        with self.log.open("ab") as log:
            worker = subprocess.Popen(
                [*command, "--sweep-seconds", "1", "-v", "0", *arguments],
                cwd=ROOT,
                env={**self.environment, **extra},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.workers.append(worker)
        return worker

    @staticmethod
    def kill(worker: subprocess.Popen[bytes], *, how: str = "group") -> None:
        # The group also where its leader is dead: RQ's scheduler outlives a worker that was killed.
        with suppress(ProcessLookupError):
            if how == "group":
                os.killpg(worker.pid, signal.SIGKILL)
            elif worker.poll() is None:
                worker.kill()
        worker.wait()

    def pause(self, worker: subprocess.Popen[bytes]) -> None:
        """Stop a worker where it is; on SQLite not in the middle of a write, which stops everybody."""
        while True:
            worker.send_signal(signal.SIGSTOP)
            if self.lane.postgresql or self._is_free():
                return
            worker.send_signal(signal.SIGCONT)
            time.sleep(0.05)

    def _is_free(self) -> bool:
        database = sqlite3.connect(self.folder / "site.sqlite3", timeout=0.5)
        with closing(database):
            try:
                database.execute("begin immediate")
                database.execute("rollback")
            except sqlite3.OperationalError:
                return False
        return True

    @staticmethod
    def stop(worker: subprocess.Popen[bytes], *, seconds: float) -> int:
        """Ask a worker to stop, as a deploy does, and return its exit code."""
        worker.send_signal(signal.SIGTERM)
        return worker.wait(timeout=seconds)

    def query(self, sql: str) -> list[Any]:
        """Read the database by plain SQL, over a connection that is kept: tests ask many times a second."""
        try:
            return self._select(sql)
        except Exception:  # noqa: BLE001 - the test may have ended all connections, or the server
            self._disconnect()
            return self._select(sql)

    def _select(self, query: str) -> list[Any]:
        if self._database is None:
            self._database = self._connect()
        return list(self._database.execute(query).fetchall())

    def _disconnect(self) -> None:
        if self._database is not None:
            self._database.close()
            self._database = None

    def execute(self, statement: str) -> None:
        with closing(self._connect()) as database:
            database.execute(statement)

    def cut_database_connections(self) -> int:
        """End all connections that the site has to its database, and return how many there were."""
        self._disconnect()
        with closing(self._server("postgres")) as database:
            found = database.execute(
                "select count(pg_terminate_backend(pid)) from pg_stat_activity where datname = %s",
                [self.name],
            ).fetchone()
        return int(found[0])

    def states(self) -> list[str]:
        return sorted(row[0] for row in self.query("select state from imagegen_job"))

    def wait(self, *, ended: int, seconds: float) -> float:
        """Wait until so many jobs have ended, and return how long it took."""
        began = time.monotonic()
        while sum(state in ENDS for state in self.states()) < ended:
            assert time.monotonic() - began < seconds, (self.states(), self.log_tail())
            time.sleep(0.1)
        return time.monotonic() - began

    def wait_for(self, state: str, *, count: int = 1, seconds: float = 180) -> None:
        until = time.monotonic() + seconds
        while self.states().count(state) < count:
            assert time.monotonic() < until, (self.states(), self.log_tail())
            time.sleep(0.05)

    def charged(self) -> int:
        """Return how many images the ledger was charged for, at two cents each."""
        [(total,)] = self.query(
            "select sum(amount) from imagegen_ledgerentry where kind = 'charge'"
        )
        return int(total or 0) // 200

    def log_tail(self) -> str:
        return self.log.read_text(errors="replace")[-3000:] if self.log.exists() else ""

    def violations(self) -> list[str]:
        with closing(self._connect()) as database:
            return violated_invariants(database, self.folder / "imagegen")

    def empty_broker(self) -> None:
        """Lose everything that the broker holds for this site."""
        if self.lane.broker.startswith("redis"):
            import redis  # noqa: PLC0415 - an extra

            with closing(redis.Redis.from_url(self.lane.broker)) as client:
                for key in client.scan_iter(f"*{self.name}*"):
                    client.delete(key)
        elif self.lane.broker.startswith("amqp"):
            from kombu import connection as brokers  # noqa: PLC0415 - an extra

            connect: Any = brokers.Connection  # half typed
            with connect(self.lane.broker) as connection:
                for queue in (self.name, f"{self.name}.later"):
                    connection.default_channel.queue_delete(queue)

    def _connect(self) -> Any:
        if not self.lane.postgresql:
            # Webhooks are taken in by threads of their own.
            path = self.folder / "site.sqlite3"
            return sqlite3.connect(path, timeout=20, check_same_thread=False)
        return self._server(self.name)

    def _administer(self, statement: str) -> None:
        with closing(self._server("postgres")) as database:
            database.execute(statement)

    def _server(self, name: str) -> Any:
        import psycopg  # noqa: PLC0415 - an extra

        host, _, port = self.postgresql.rpartition(":")
        return psycopg.connect(host=host, port=port, user="postgres", dbname=name, autocommit=True)
