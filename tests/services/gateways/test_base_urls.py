"""A provider's base URL is its adapter's own or one that the site allows; all others are refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.core.checks import Tags, run_checks
from django.urls import reverse
from django.utils.translation import override

from imagegen_app import provider_checks
from imagegen_app.core.actors import System
from imagegen_app.core.states import WaitingReason
from imagegen_app.models import AuditEvent, Job, Provider
from imagegen_app.services.gateways import base_urls
from imagegen_app.services.jobs import waiting
from imagegen_app.services.monitoring import doctor
from imagegen_app.services.policy import model_catalog
from imagegen_app.services.worker import driver
from imagegen_app.testing.factories import make_user

if TYPE_CHECKING:
    from django.test import Client

    from imagegen_app.testing.simulator.process import SimulatorProcess
    from tests.services.conftest import Site

CASES: list[tuple[str, str, bool]] = [
    ("openai", "", True),
    ("openai", "https://api.openai.com/v1", True),
    ("openai", "https://API.OPENAI.COM:443/v1", True),
    ("openai", "https://eu.api.openai.com/v1", True),
    ("openai", "https://a.b.api.openai.com/v1", False),
    ("openai", "https://api.openai.com:8443/v1", False),
    ("openai", "http://api.openai.com/v1", False),
    ("openai", "https://api.openai.com.evil.example/v1", False),
    ("openai", "https://evilapi.openai.com/v1", False),
    ("openai", "https://api.openai.com@evil.example/v1", False),
    ("openai", "https://api.x.ai/v1", False),
    ("openai", "https://127.0.0.1/v1", False),
    ("openai", "ftp://api.openai.com/v1", False),
    ("gemini_vertex", "https://europe-west4-aiplatform.googleapis.com/v1", True),
    ("gemini_vertex", "https://aiplatform.eu.rep.googleapis.com/v1", True),
    ("gemini_vertex", "https://storage.googleapis.com/v1", False),
    ("gemini", "https://europe-west4-aiplatform.googleapis.com/v1", False),
    ("bfl", "https://api.eu4.bfl.ai", True),
    ("bfl", "https://delivery-eu4.bfl.ai", False),
    ("bedrock", "https://bedrock-runtime.eu-central-1.amazonaws.com", True),
    ("bedrock", "https://bedrock-runtime.us-gov-west-1.amazonaws.com", True),
    # Buckets, which anybody can name like this.
    ("bedrock", "https://bedrock-runtime.s3.amazonaws.com", False),
    ("bedrock", "https://bedrock-runtime.s3-us-west-2.amazonaws.com", False),
    ("bedrock", "https://bedrock-runtime.s3-accelerate.amazonaws.com", False),
    ("bedrock", "https://bedrock-runtime.us-east-1.x.amazonaws.com", False),
    ("azure_openai", "https://shop.openai.azure.com", True),
    ("azure_openai", "https://openai.azure.com", False),
    # Servers of one's own have no public host: each must be named.
    ("comfyui", "https://images.example.org/comfy", True),
    ("comfyui", "https://images.example.org:8443", False),
    ("comfyui", "https://other.example.org", False),
    ("comfyui", "http://10.0.0.5:8188", True),
    ("comfyui", "http://10.0.0.5:8189", False),
    ("comfyui", "", True),
    ("openai", "https://images.example.org/v1", True),
    ("sandbox", "https://anything.example", True),
]


@pytest.fixture
def allowing(settings: Any) -> None:
    settings.IMAGEGEN = {
        **settings.IMAGEGEN,
        "PROVIDER_ORIGINS": ["https://images.example.org"],
        "TRUSTED_ORIGINS": ["http://10.0.0.5:8188"],
    }


@pytest.mark.usefixtures("allowing")
@pytest.mark.parametrize(("adapter", "url", "is_allowed"), CASES)
def test_only_own_hosts_and_named_origins_are_allowed(
    adapter: str, url: str, is_allowed: bool
) -> None:
    problem = base_urls.base_url_problem(Provider(adapter=adapter, base_url=url))

    assert (problem is None) is is_allowed


def test_by_default_no_server_of_ones_own_is_allowed(settings: Any) -> None:
    settings.IMAGEGEN = {}

    for adapter in ("comfyui", "automatic1111", "openai_compatible", "generic_jobs", "openai"):
        row = Provider(adapter=adapter, base_url="https://images.example.org")
        assert base_urls.base_url_problem(row) is not None


@pytest.mark.parametrize(
    "entry",
    ["images.example.org", "https://images.example.org/path", "https://u@images.example.org"],
)
def test_what_is_no_origin_allows_nothing_and_is_reported(settings: Any, entry: str) -> None:
    settings.IMAGEGEN = {**settings.IMAGEGEN, "PROVIDER_ORIGINS": [entry]}
    row = Provider(adapter="comfyui", base_url="https://images.example.org")

    assert base_urls.base_url_problem(row) is not None
    assert "imagegen.E019" in {message.id for message in run_checks(tags=["imagegen"])}


def test_plain_http_needs_more_than_a_named_origin(settings: Any) -> None:
    settings.IMAGEGEN = {**settings.IMAGEGEN, "PROVIDER_ORIGINS": ["http://10.0.0.5:8188"]}

    row = Provider(adapter="comfyui", base_url="http://10.0.0.5:8188")

    assert base_urls.base_url_problem(row) is not None


def test_saving_is_refused_with_the_reason_and_the_remedy(db: None) -> None:
    row = Provider(name="C", slug="c", adapter="comfyui", base_url="https://images.example.org/x")

    with pytest.raises(model_catalog.InvalidRecord) as caught:
        model_catalog.save(actor=System("test"), record=row)

    assert caught.value.field == "base_url"
    assert "https://images.example.org " in caught.value.reason
    assert "/x" not in caught.value.reason
    assert "“comfyui”" in caught.value.reason
    assert "IMAGEGEN['PROVIDER_ORIGINS']" in caught.value.reason
    assert not Provider.objects.exists()


def test_the_form_shows_the_refusal_at_its_field(client: Client, db: None) -> None:
    client.force_login(make_user("ada", groups=["Image administrators"], is_staff=True))
    form = {
        "name": "C",
        "slug": "c",
        "adapter": "comfyui",
        "base_url": "https://images.example.org",
        "options": "{}",
        "max_in_flight": "2",
        "burst": "2",
        "is_enabled": "on",
    }

    with override("de"):
        response: Any = client.post(
            reverse("admin:imagegen_provider_add"), form, headers={"accept-language": "de"}
        )

    assert response.status_code == 200
    assert "IMAGEGEN[&#x27;PROVIDER_ORIGINS&#x27;]" in response.content.decode()
    assert not Provider.objects.exists()


@pytest.fixture
def withdrawn(jobs_site: Site, settings: Any) -> Provider:
    """Return a provider whose address the site allowed when it was saved, and does not any more."""
    settings.IMAGEGEN = {**settings.IMAGEGEN, "TRUSTED_ORIGINS": []}
    return jobs_site.model.provider


def test_a_call_is_not_sent_and_says_why(
    jobs_site: Site, withdrawn: Provider, simulator: SimulatorProcess
) -> None:
    job = jobs_site.request()

    driver.drive(seconds=3)

    job.refresh_from_db()
    assert sum(simulator.calls().values()) == 0
    assert (job.state, job.waiting_for, job.tries) == ("queued", "provider", 0)
    assert not job.attempts.exists()
    told = AuditEvent.objects.get(job_id=job.pk, type="job.postponed")
    assert withdrawn.base_url in told.body


def test_a_job_continues_once_its_provider_is_allowed_again(
    jobs_site: Site, withdrawn: Provider, settings: Any
) -> None:
    job = jobs_site.request()
    driver.drive(seconds=2)
    settings.IMAGEGEN = {**settings.IMAGEGEN, "TRUSTED_ORIGINS": [withdrawn.base_url]}

    waiting.try_now(WaitingReason.PROVIDER, actor=System("test"))
    driver.drive(seconds=10)

    assert Job.objects.get(pk=job.pk).state == "succeeded"


def test_the_doctor_and_the_check_name_the_provider(withdrawn: Provider) -> None:
    told = [one for one in doctor.run_all_checks() if one.part == "credentials"]
    checked = run_checks(tags=[Tags.database], databases=["default"])

    assert [one.level for one in told] == ["error"]
    for text in (told[0].message, *(m.msg for m in checked if m.id == "imagegen.E020")):
        assert withdrawn.slug in text
        assert withdrawn.base_url in text
        assert "PROVIDER_ORIGINS" in text
    assert [m.id for m in checked if str(m.id).startswith("imagegen")] == ["imagegen.E020"]


def test_the_check_looks_at_enabled_providers_of_databases_that_are_checked(
    withdrawn: Provider,
) -> None:
    assert provider_checks.check_providers() == []
    assert provider_checks.check_providers(databases=["other"]) == []


def test_a_provider_that_is_not_allowed_any_more_can_be_disabled_but_not_enabled(
    withdrawn: Provider,
) -> None:
    withdrawn.is_enabled = False
    model_catalog.save(actor=System("test"), record=withdrawn)

    assert provider_checks.check_providers(databases=["default"]) == []
    withdrawn.is_enabled = True
    with pytest.raises(model_catalog.InvalidRecord):
        model_catalog.save(actor=System("test"), record=withdrawn)
