"""Content checks, the captioner and all providers are asked about their keys, side by side, in time."""

from __future__ import annotations

import json
import threading
from contextlib import nullcontext
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from django.core.management import CommandError, call_command

from imagegen_app.services.gateways import key_checks
from imagegen_app.services.gateways.key_checks import KeyState
from imagegen_app.services.monitoring import credential_status, doctor
from imagegen_app.testing.factories import make_provider

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imagegen_app.testing.simulator.process import SimulatorProcess

pytestmark = pytest.mark.django_db
NAME = "checks"
KEY = "k3y-of-the-checks-0123456789"
SCREENER = "imagegen_app.moderation.openai_moderation.OpenAIModeration"
CLASSIFIER = "imagegen_app.moderation.http_classifier.HttpClassifier"
CAPTIONER = "imagegen_app.captioning.openai_chat.OpenAIChatCaptioner"


class _Lists(BaseHTTPRequestHandler):
    """Lists models to whoever has the key, or behaves as its path says."""

    def do_GET(self) -> None:
        server: Any = self.server
        if "/together" in self.path:
            try:
                server.together.wait(5)
            except threading.BrokenBarrierError:
                return
        if "/hangs" in self.path:
            server.released.wait(20)
            return
        has_key = KEY in str(self.headers.get("Authorization"))
        status = 200 if has_key or "/open" in self.path else 401
        body = json.dumps({"object": "list", "data": []}).encode()
        self.send_response(404 if "/without" in self.path else status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@pytest.fixture
def server(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Return a server that lists models, and a site with one credential for it."""
    one: Any = ThreadingHTTPServer(("127.0.0.1", 0), _Lists)
    one.released, one.together = threading.Event(), threading.Barrier(3)
    one.url = f"http://127.0.0.1:{one.server_port}"
    threading.Thread(target=one.serve_forever, daemon=True).start()
    monkeypatch.setenv("CHECKS_KEY", KEY)
    configure(settings, one.url)
    yield one
    one.released.set()
    one.shutdown()
    one.server_close()


def configure(settings: Any, origin: str, **more: Any) -> None:
    settings.IMAGEGEN = {
        **settings.IMAGEGEN,
        "CREDENTIALS": {NAME: {"SOURCE": "env:CHECKS_KEY", "HOSTS": ["127.0.0.1"]}},
        "TRUSTED_ORIGINS": [origin],
        "SCREENERS": [],
        **more,
    }


def users(base_url: str, *, kind: str) -> dict[str, Any]:
    """Return the settings of a content check or a captioner that uses the credential."""
    options = {"base_url": base_url, "credential": NAME}
    if kind == "captioner":
        return {"CAPTIONER": {"BACKEND": CAPTIONER, "OPTIONS": {**options, "model": "m"}}}
    return {"SCREENERS": [{"BACKEND": SCREENER, "NAME": "words", "OPTIONS": options}]}


def told() -> list[tuple[str, str]]:
    return [(one.level, one.message) for one in credential_status.credential_findings()]


@pytest.mark.parametrize("kind", ["screener", "captioner"])
@pytest.mark.parametrize(
    ("key", "expected"),
    [("", ("ok", "accepts")), ("wrong-key-0123456789", ("error", "refuses"))],
)
def test_a_key_that_only_a_content_check_or_the_captioner_uses_is_asked_about(
    kind: str,
    key: str,
    *,
    expected: tuple[str, str],
    simulator: SimulatorProcess,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("CHECKS_KEY", key or simulator.key)
    configure(settings, simulator.base_url, **users(simulator.openai_url, kind=kind))

    (found,) = told()
    by_doctor = [one for one in doctor.run_all_checks() if one.part == "credentials"]
    refused = pytest.raises(CommandError) if expected[0] == "error" else nullcontext()
    with refused:
        call_command("imagegen_credentials", "check")

    assert found[0] == expected[0]
    assert (
        f"service of “{'words' if kind == 'screener' else 'captioner'}” {expected[1]}" in found[1]
    )
    assert [(one.level, one.message) for one in by_doctor] == [found]
    assert found[1] in capsys.readouterr().out
    assert simulator.bill()["entries"] == []


@pytest.mark.parametrize("kind", ["screener", "captioner"])
@pytest.mark.parametrize("path", ["/open", "/without"])
def test_a_server_that_lists_models_to_everybody_or_nobody_tells_nothing_about_the_key(
    kind: str, path: str, server: Any, settings: Any
) -> None:
    configure(settings, server.url, **users(server.url + path, kind=kind))

    ((level, message),) = told()

    assert (level, "no free call" in message) == ("ok", True)


def test_a_content_check_without_such_a_call_says_so(server: Any, settings: Any) -> None:
    options = {"url": server.url, "credential": NAME, "answers": {"flag": "flagged"}}
    screener = {"BACKEND": CLASSIFIER, "NAME": "ours", "OPTIONS": options}
    configure(settings, server.url, SCREENERS=[screener])

    ((level, message),) = told()

    assert (level, "“ours” has no free call" in message) == ("ok", True)


def test_a_content_check_that_cannot_be_built_is_left_to_its_own_finding(
    server: Any, settings: Any
) -> None:
    screener = {"BACKEND": SCREENER, "NAME": "ours", "OPTIONS": {"credential": NAME, "model": ""}}
    configure(settings, server.url, SCREENERS=[screener])

    assert told() == []


def test_all_are_asked_side_by_side(server: Any) -> None:
    for _number in range(3):
        make_provider(adapter="openai", base_url=server.url + "/together", credential=NAME)

    # None is answered before all three have asked.
    assert ["accepts" in message for _level, message in told()] == [True] * 3


def test_who_has_not_answered_in_time_is_told_beside_the_others(
    server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_checks, "TOTAL_SECONDS", 2.0)
    make_provider(slug="a-slow", adapter="openai", base_url=server.url + "/hangs", credential=NAME)
    make_provider(slug="b-quick", adapter="openai", base_url=server.url, credential=NAME)

    slow, quick = told()

    assert slow[0] == "warning"
    assert "a-slow had not answered after 2 seconds" in slow[1]
    assert quick == ("ok", f"The provider b-quick accepts the credential {NAME}.")


def test_no_more_than_so_many_are_asked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_checks, "MAX_AT_ONCE", 2)
    lock, pair = threading.Lock(), threading.Barrier(2)
    running = [0, 0]

    def ask() -> KeyState:
        with lock:
            running[0] += 1
            running[1] = max(running)
        pair.wait(5)
        with lock:
            running[0] -= 1
        # No third may begin before both have left.
        pair.wait(5)
        return KeyState.VALID

    assert key_checks.ask_side_by_side([ask] * 6) == [KeyState.VALID] * 6
    assert running[1] == 2


def test_what_was_not_begun_in_time_is_not_asked_any_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(key_checks, "MAX_AT_ONCE", 1)
    monkeypatch.setattr(key_checks, "TOTAL_SECONDS", 0.05)
    released = threading.Event()
    asked = []

    def hang() -> KeyState:
        released.wait(5)
        return KeyState.VALID

    def note() -> KeyState:
        asked.append(1)
        return KeyState.VALID

    states = key_checks.ask_side_by_side([hang, note])
    released.set()
    for thread in threading.enumerate():
        if thread.name == "imagegen-key-check":
            thread.join(5)

    assert (states, asked) == ([KeyState.LATE, KeyState.LATE], [])
