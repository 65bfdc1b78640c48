"""The doctor tells which keys are set, valid, revoked, of another environment, or near their end."""

from __future__ import annotations

import threading
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from imagegen_app import provider_checks
from imagegen_app.core.actors import System
from imagegen_app.models import Provider
from imagegen_app.services.foundation import clock
from imagegen_app.services.gateways import key_checks
from imagegen_app.services.gateways.key_checks import KeyState
from imagegen_app.services.monitoring import credential_status, doctor
from imagegen_app.services.monitoring.provider_problems import provider_problems
from imagegen_app.services.policy import revocations
from imagegen_app.testing.factories import make_provider
from tests.services.conftest import at_simulator

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imagegen_app.services.monitoring.credential_status import CredentialFinding
    from imagegen_app.testing.simulator.process import SimulatorProcess

pytestmark = pytest.mark.django_db
NAME = "images"
#: Adapters with a free call that a wrong key is refused for, and their path at the simulator.
CHECKED = {
    "openai": "/v1",
    "gemini": "/gemini/v1",
    "stability": "",
    "xai": "/xai/v1",
    "bfl": "/bfl",
    "replicate": "/v1",
    "recraft": "/recraft/v1",
}


@pytest.fixture
def site(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that gives the site one credential, with these entries beside its value."""
    monkeypatch.setenv("IMAGES_KEY", "k3y-of-the-images-0123456789")

    def configure(*, environment: str = "", **entry: Any) -> None:
        whole = {"SOURCE": "env:IMAGES_KEY", "HOSTS": ["api.example.com"], **entry}
        settings.IMAGEGEN = {
            **settings.IMAGEGEN,
            "CREDENTIALS": {NAME: whole},
            "ENVIRONMENT": environment,
        }

    return configure


def findings() -> list[CredentialFinding]:
    return list(credential_status.credential_findings())


def levels() -> list[str]:
    return [one.level for one in findings()]


@pytest.mark.parametrize("adapter", CHECKED)
@pytest.mark.parametrize(("is_right", "state"), [(True, KeyState.VALID), (False, KeyState.REFUSED)])
def test_a_free_call_tells_whether_a_key_is_valid(
    adapter: str,
    *,
    is_right: bool,
    state: KeyState,
    simulator: SimulatorProcess,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    key = "" if is_right else "wrong-key-0123456789"
    provider = at_simulator(simulator, settings, monkeypatch, adapter, key=key).provider
    provider.base_url = simulator.base_url + CHECKED[adapter]

    assert key_checks.check_key(provider) is state
    assert simulator.bill()["entries"] == []


class _Useless(BaseHTTPRequestHandler):
    """Answers each path with what it is for: an error of the server, a page, or nothing."""

    def do_GET(self) -> None:
        if self.path.startswith("/hangs"):
            self.server.released.wait(5)  # type: ignore[attr-defined]  # set by the fixture
            return
        body = b"<html>Maintenance</html>"
        self.send_response(500 if self.path.startswith("/fails") else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@pytest.fixture
def useless_server() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Useless)
    server.released = threading.Event()  # type: ignore[attr-defined]  # for those that hang
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.released.set()  # type: ignore[attr-defined]  # as above
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("path", ["/fails", "/page", "/hangs"])
def test_a_provider_that_cannot_be_asked_says_nothing_about_the_key(
    path: str, site: Any, settings: Any, useless_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_checks, "CHECK_SECONDS", 0.5)
    site(HOSTS=["127.0.0.1"])
    settings.IMAGEGEN = {**settings.IMAGEGEN, "TRUSTED_ORIGINS": [useless_server]}
    make_provider(adapter="openai", base_url=useless_server + path, credential=NAME)

    (found,) = findings()

    assert found.level == "warning"
    assert "could not be asked" in found.message


def test_a_key_without_such_a_call_is_not_checked(site: Any) -> None:
    site(HOSTS=["api.ideogram.ai"])
    make_provider(adapter="ideogram", credential=NAME)

    (found,) = findings()

    assert found.level == "ok"
    assert "no free call" in found.message


def test_a_key_that_no_provider_uses_is_no_problem(
    site: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    site()
    monkeypatch.delenv("IMAGES_KEY")

    unused = findings()
    make_provider(adapter="openai", credential=NAME)
    used = findings()

    assert ([one.level for one in unused], [one.level for one in used]) == (["ok"], ["warning"])
    assert "IMAGES_KEY" not in used[0].message


def test_a_revoked_credential_and_one_of_another_environment_are_told(site: Any) -> None:
    site(environment="staging", ENVIRONMENT="production")
    unused = levels()
    make_provider(adapter="openai", credential=NAME)
    other = findings()
    revocations.revoke(actor=System("shell"), name=NAME, reason="It was in a log")

    revoked = findings()

    assert unused == ["ok"]
    assert [(one.level, "staging" in one.message) for one in other] == [("error", True)]
    assert [(one.level, "revoked" in one.message) for one in revoked] == [("warning", True)]


@pytest.mark.parametrize(
    ("environment", "value", "entry", "is_told"),
    [
        ("production", "sk-test-0123456789abcdef", {}, True),
        ("production", "test_0123456789abcdef", {}, True),
        ("production", "k3y-0123456789abcdef", {"IS_TEST": True}, True),
        ("production", "k3y-0123456789abcdef", {}, False),
        ("production", "sk-contest-0123456789", {}, False),
        ("staging", "sk-test-0123456789abcdef", {}, False),
    ],
)
def test_a_test_key_in_production_is_told(
    site: Any,
    monkeypatch: pytest.MonkeyPatch,
    *,
    environment: str,
    value: str,
    entry: dict[str, Any],
    is_told: bool,
) -> None:
    from imagegen_app import conf  # noqa: PLC0415 - the settings of this test

    monkeypatch.setenv("IMAGES_KEY", value)
    site(environment=environment, **entry)

    found = findings()
    checks = list(provider_checks.test_keys(conf.get()))

    assert (["warning"] if is_told else []) == [one.level for one in found]
    assert (["imagegen.W023"] if is_told else []) == [one.id for one in checks]
    assert value not in "".join(one.message for one in found)


@pytest.mark.parametrize(
    ("days", "expected"), [(-1, ["error"]), (0, ["warning"]), (30, ["warning"]), (31, [])]
)
def test_a_key_near_its_end_is_told(site: Any, days: int, expected: list[str]) -> None:
    site(EXPIRES=str(clock.today() + timedelta(days=days)))

    assert levels() == expected


@pytest.mark.parametrize("value", ["soon", "31.1.2027"])
def test_an_end_that_is_no_day_is_refused(site: Any, value: str) -> None:
    from imagegen_app import conf  # noqa: PLC0415 - the settings of this test

    site(EXPIRES=value)

    with pytest.raises(conf.InvalidSettings, match="is no day"):
        conf.get()


def test_a_provider_of_another_environment_fails_the_check(site: Any) -> None:
    site(environment="staging", ENVIRONMENT="production")
    make_provider(adapter="openai", credential=NAME)
    make_provider(adapter="openai")

    found = provider_checks.check_providers(databases=["default"])

    assert [one.id for one in found] == ["imagegen.E022"]
    assert Provider.objects.count() == 2


def test_a_provider_whose_credential_is_not_to_be_used_gets_no_other_remedy(site: Any) -> None:
    """Its message says what to do; a value in the environment of the workers would not help."""
    site()
    make_provider(adapter="openai", credential=NAME)
    revocations.revoke(actor=System("shell"), name=NAME, reason="It was in a log")

    (revoked,) = provider_problems()
    revocations.restore(actor=System("shell"), name=NAME, reason="It was another one")
    site(environment="staging", ENVIRONMENT="production")
    (of_another,) = provider_problems()

    assert (revoked.remedy, of_another.remedy) == ("", "")
    assert "choose another, or restore it" in revoked.message


def test_the_doctor_has_the_findings(site: Any) -> None:
    site(EXPIRES="2020-01-31")

    told = [one for one in doctor.run_all_checks() if one.part == "credentials"]

    assert any("ended on" in one.message for one in told)


def test_the_old_value_is_used_while_the_new_one_is_refused(
    simulator: SimulatorProcess,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    model = at_simulator(simulator, settings, monkeypatch, "openai")
    monkeypatch.setenv("NEW_KEY", "n3w-key-that-is-refused-0123456789")
    entry = {"SOURCE": ["env:NEW_KEY", "env:SIMULATOR_KEY"], "HOSTS": ["127.0.0.1"]}
    settings.IMAGEGEN = {**settings.IMAGEGEN, "CREDENTIALS": {"simulator": entry}}

    first, second = findings(), findings()

    assert [one.level for one in (*first, *second)] == ["warning", "warning"]
    assert "one of the two values" in first[0].message
    assert model.provider.credential == "simulator"
    # Once to the refused value; from then on to the other one at once.
    assert simulator.calls() == {"GET /v1/models": 3}
    warned = [line for line in caplog.messages if "was refused" in line]
    assert len(warned) == 1
    assert "n3w-key" not in caplog.text


@pytest.mark.parametrize("error", [KeyError("k3y"), RuntimeError("k3y"), OSError("k3y")])
def test_an_adapter_that_raises_anything_says_nothing_about_the_key(
    site: Any, monkeypatch: pytest.MonkeyPatch, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    async def check_key(_adapter: object) -> bool:
        raise error

    monkeypatch.setattr("imagegen_app.providers.remote.Remote.check_key", check_key)
    site(HOSTS=["api.openai.com"])
    make_provider(adapter="openai", credential=NAME)

    (found,) = findings()

    assert (found.level, "could not be asked" in found.message) == ("warning", True)
    assert "k3y" not in found.message + caplog.text
