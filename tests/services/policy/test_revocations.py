"""A revoked credential, or one of another environment, is used nowhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from imagegen_app import conf
from imagegen_app.core.actors import System
from imagegen_app.models import AuditEvent, RevokedCredential
from imagegen_app.services.foundation import clock
from imagegen_app.services.gateways import adapters, captioning, screening, usable_credentials
from imagegen_app.services.policy import access, revocations
from imagegen_app.services.policy.revocations import CredentialActionRefused
from imagegen_app.services.worker import driver
from imagegen_app.testing.factories import make_provider, make_user
from tests.services.worker.test_lost_calls import changed

if TYPE_CHECKING:
    from tests.services.conftest import Site

pytestmark = pytest.mark.django_db
ADMIN = System("shell")
NAME = "images"


@pytest.fixture
def named(settings: Any) -> Any:
    """Give the site one credential, which no test sends anywhere."""
    entry = {"SOURCE": "env:IMAGES_KEY", "HOSTS": ["api.example.com"]}
    settings.IMAGEGEN = {**settings.IMAGEGEN, "CREDENTIALS": {NAME: entry}}
    return settings


def revoke(name: str = NAME, *, reason: str = "It was in a log") -> None:
    revocations.revoke(actor=ADMIN, name=name, reason=reason)


@pytest.mark.usefixtures("named")
def test_a_revoked_credential_is_handed_out_to_nobody() -> None:
    provider = make_provider(adapter="openai", credential=NAME)
    before = usable_credentials.credential(NAME)

    revoke()

    assert before is not None
    with pytest.raises(usable_credentials.CredentialUnusable, match="revoked"):
        usable_credentials.credential(NAME)
    with pytest.raises(adapters.ProviderNotConfigured, match="revoked"):
        adapters.build_adapter(provider, http=adapters.http_client())


def test_a_revoked_credential_signs_no_webhook(settings: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv("HOOK_SECRET", "whsec_0123456789abcdef0123456789abcdef")
    entry = {
        "SOURCE": "env:IMAGES_KEY",
        "HOSTS": ["api.example.com"],
        "WEBHOOK_SOURCE": "env:HOOK_SECRET",
    }
    settings.IMAGEGEN = {**settings.IMAGEGEN, "CREDENTIALS": {NAME: entry}}
    before = usable_credentials.webhook_secrets(NAME)

    revoke()

    assert (len(before), usable_credentials.webhook_secrets(NAME)) == (1, ())


@pytest.mark.parametrize("part", ["screener", "captioner"])
def test_a_revoked_credential_reaches_no_screener_and_no_captioner(named: Any, part: str) -> None:
    options = {"credential": NAME}
    entries = {
        "SCREENERS": [
            {
                "BACKEND": "imagegen_app.moderation.openai_moderation.OpenAIModeration",
                "NAME": "moderation",
                "OPTIONS": options,
            }
        ],
        "CAPTIONER": {
            "BACKEND": "imagegen_app.captioning.openai_chat.OpenAIChatCaptioner",
            "OPTIONS": {**options, "model": "gpt-5-mini"},
        },
    }
    named.IMAGEGEN = {**named.IMAGEGEN, **entries}
    revoke()

    if part == "screener":
        (verdict,) = screening.screen_text("a mug", part="prompt")
        assert screening.is_blocked([verdict])
        assert "revoked" in verdict.failure
    else:
        with pytest.raises(usable_credentials.CredentialUnusable, match="revoked"):
            captioning.build_captioner(conf.get().captioner)


def test_jobs_wait_while_their_credential_is_revoked_and_go_on_afterwards(
    jobs_site: Site,
) -> None:
    name = jobs_site.model.provider.credential
    job = jobs_site.request()
    revoke(name)
    driver.drive(seconds=2)
    job.refresh_from_db()
    waiting, sent = (job.state, job.waiting_for), job.attempts.count()

    revocations.restore(actor=ADMIN, name=name, reason="It was another one")
    changed(job, due_at=clock.now())
    driver.drive(seconds=15)

    job.refresh_from_db()
    assert waiting == ("queued", "provider")
    assert (sent, job.state) == (0, "succeeded")


@pytest.mark.usefixtures("named")
def test_both_ways_are_recorded_with_their_reasons() -> None:
    revoke(reason="  It was\nin a log ")
    row = RevokedCredential.objects.get()

    revocations.restore(actor=ADMIN, name=NAME, reason="Found to be another one")

    kinds = list(AuditEvent.objects.order_by("pk").values_list("type", flat=True))
    assert row.reason == "It was in a log"
    assert kinds == ["credential.revoked", "credential.restored"]
    assert not RevokedCredential.objects.filter(restored_at=None).exists()


@pytest.mark.usefixtures("named")
@pytest.mark.parametrize(
    ("name", "reason", "told"),
    [
        ("strange", "why not", "The settings have no credential “strange”."),
        (NAME, "  ", "No reason is given."),
    ],
)
def test_what_cannot_be_revoked_is_said(name: str, reason: str, told: str) -> None:
    with pytest.raises(CredentialActionRefused) as refused:
        revoke(name, reason=reason)

    assert told in str(refused.value)
    assert not AuditEvent.objects.exists()


@pytest.mark.usefixtures("named")
def test_a_second_revocation_changes_nothing() -> None:
    revoke()

    with pytest.raises(CredentialActionRefused) as refused:
        revoke(reason="Once more")

    assert refused.value.is_already_done
    # In English, whose times may end in "p.m.".
    assert ".." not in str(refused.value).replace(". ", ".")
    assert AuditEvent.objects.count() == 1


@pytest.mark.usefixtures("named")
def test_what_is_not_revoked_cannot_be_restored() -> None:
    with pytest.raises(CredentialActionRefused) as refused:
        revocations.restore(actor=ADMIN, name=NAME, reason="why not")

    assert refused.value.is_already_done


@pytest.mark.usefixtures("named")
def test_only_who_has_the_permission_may_see_revoke_or_restore() -> None:
    somebody = access.actor_for(make_user("ada", groups=["Compliance"], is_staff=True))
    administrator = access.actor_for(
        make_user("anton", groups=["Image administrators"], is_staff=True)
    )

    for act in (
        lambda: revocations.list_credentials(actor=somebody),
        lambda: revocations.revoke(actor=somebody, name=NAME, reason="x"),
        lambda: revocations.restore(actor=somebody, name=NAME, reason="x"),
    ):
        with pytest.raises(access.NotPermitted):
            act()
    assert [row.name for row in revocations.list_credentials(actor=administrator)] == [NAME]


@pytest.mark.parametrize(
    ("wanted", "here", "told"),
    [
        ("", "", ""),
        ("", "production", ""),
        ("production", "production", ""),
        ("production", "staging", "this site is 'staging'"),
        ("production", "", "set IMAGEGEN['ENVIRONMENT']"),
    ],
)
def test_a_credential_of_another_environment_is_not_used(
    named: Any, wanted: str, here: str, told: str
) -> None:
    entry = {**named.IMAGEGEN["CREDENTIALS"][NAME], "ENVIRONMENT": wanted}
    named.IMAGEGEN = {**named.IMAGEGEN, "ENVIRONMENT": here, "CREDENTIALS": {NAME: entry}}

    if not told:
        assert usable_credentials.credential(NAME) is not None
        return
    with pytest.raises(usable_credentials.CredentialUnusable) as refused:
        usable_credentials.credential(NAME)
    assert told in str(refused.value)
    (row,) = revocations.list_credentials(actor=ADMIN)
    assert told in row.problem


@pytest.mark.usefixtures("named")
def test_another_process_learns_of_a_revocation(monkeypatch: pytest.MonkeyPatch) -> None:
    usable_credentials.credential(NAME)
    revoke()
    # What this process knew before; the other one is told by nobody.
    usable_credentials._Known.names = frozenset()
    usable_credentials._Known.read_at = 0.0
    monkeypatch.setattr(usable_credentials, "CACHE_SECONDS", 1.0)

    with pytest.raises(usable_credentials.CredentialUnusable):
        usable_credentials.credential(NAME)


def test_a_name_that_a_database_may_take_for_equal_is_another_credential(named: Any) -> None:
    entry = named.IMAGEGEN["CREDENTIALS"][NAME]
    others = (NAME.capitalize(), "imagés", f"{NAME} ")
    named.IMAGEGEN = {**named.IMAGEGEN, "CREDENTIALS": dict.fromkeys((NAME, *others), entry)}
    revoke()

    for other in others:
        with pytest.raises(CredentialActionRefused):
            revocations.restore(actor=ADMIN, name=other, reason="Another one")
        revoke(other)

    assert usable_credentials.revoked_names() == {NAME, *others}


@pytest.mark.parametrize("build", [screening.build_screener, captioning.build_captioner])
def test_a_check_tells_of_a_service_whose_credential_is_of_another_environment(
    named: Any, build: Any
) -> None:
    entry = {**named.IMAGEGEN["CREDENTIALS"][NAME], "ENVIRONMENT": "production"}
    backends = {
        screening.build_screener: conf.ScreenerSettings(
            backend="imagegen_app.moderation.openai_moderation.OpenAIModeration",
            name="moderation",
            options={"credential": NAME},
        ),
        captioning.build_captioner: conf.CaptionerSettings(
            backend="imagegen_app.captioning.openai_chat.OpenAIChatCaptioner",
            options={"credential": NAME, "model": "gpt-5-mini"},
        ),
    }
    named.IMAGEGEN = {**named.IMAGEGEN, "ENVIRONMENT": "staging", "CREDENTIALS": {NAME: entry}}

    with pytest.raises(usable_credentials.CredentialUnusable, match="this site is 'staging'"):
        build(backends[build], is_check=True)
