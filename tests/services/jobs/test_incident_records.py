"""A breaker that opens begins an incident; the first call that works again ends it."""

from __future__ import annotations

from imagegen_app.core.errors import AuthenticationFailed, ProviderUnavailable, RateLimited
from imagegen_app.models import AuditEvent, Incident
from imagegen_app.services.audit import descriptions
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.jobs import breaker, incident_records
from imagegen_app.testing.factories import make_image_model, make_job
from tests.services.conftest import Site
from tests.services.jobs.test_breaker import opened
from tests.services.jobs.test_provider_limits import begin, claimed, heard


def sentences(kind: str) -> list[str]:
    found = descriptions.describe_events(AuditEvent.objects.filter(type=kind))
    return [one.sentence for one in found]


def test_an_outage_of_a_model_is_an_incident_until_a_call_works_again(site: Site) -> None:
    first, probe = claimed(site, 2)
    opened(first)

    incident = Incident.objects.get()
    assert (incident.image_model, incident.operation) == (site.model, "generate")
    assert (incident.error_code, incident.closed_at) == ("provider_unavailable", None)
    assert incident_records.affected_jobs(incident) == 2

    begin(probe)
    heard(probe, None)

    incident.refresh_from_db()
    assert incident.closed_at is not None
    assert (incident.open_key, incident.affected_count) == (None, 2)
    (opened_by,) = sentences("incident.opened")
    assert opened_by.startswith(
        f"Calls to {site.model.provider.slug} were stopped because they fail"
    )
    assert sentences("incident.closed") == [
        f"Calls to {site.model.provider.slug} work again; jobs that were affected: 2."
    ]


def test_a_probe_that_fails_begins_no_second_incident(site: Site) -> None:
    (job,) = claimed(site)
    opened(job)
    heard(job, ProviderUnavailable())

    assert Incident.objects.count() == 1
    assert AuditEvent.objects.filter(type="incident.opened").count() == 1


def test_a_refused_key_concerns_all_models_of_the_provider(site: Site) -> None:
    (job,) = claimed(site)
    other = make_image_model(provider=site.model.provider, slug="other")
    make_job(image_model=other, state="queued")
    heard(job, AuthenticationFailed())

    incident = Incident.objects.get()
    assert (incident.image_model, incident.operation) == (None, "")
    assert str(incident) == site.model.provider.name
    assert incident_records.affected_jobs(incident) == 2


def test_too_many_requests_are_no_incident(site: Site) -> None:
    (job,) = claimed(site)
    for _ in range(6):
        heard(job, RateLimited(retry_after=1))

    assert not Incident.objects.exists()


def test_a_job_that_goes_on_elsewhere_is_counted_with_the_model_that_stands_in(
    site: Site,
) -> None:
    (job,) = claimed(site)
    opened(job)
    other = make_image_model(slug="other")
    use_case(audited=False)(breaker.count_fail_over)(keys=breaker.keys_of(job), to=other)

    incident = Incident.objects.get()
    assert (incident.stand_in, incident.failed_over_count) == (other, 1)
