"""Who may use a model that fails reads what happens with the jobs, and what to do."""

from __future__ import annotations

from typing import Any

from imagegen_app.core.errors import AuthenticationFailed, ProviderUnavailable
from imagegen_app.models import Incident
from imagegen_app.services.monitoring import health, incidents
from imagegen_app.services.policy import access
from imagegen_app.testing.factories import make_image_model, make_user
from tests.changed_rows import change
from tests.services.conftest import Site
from tests.services.jobs.test_provider_limits import claimed, heard


def test_those_who_may_use_the_model_are_told_and_others_are_not(site: Site) -> None:
    other = make_image_model(slug="other")
    (job,) = claimed(site)
    for _ in range(5):
        heard(job, ProviderUnavailable())

    (notice,) = incidents.hindering([site.model])

    assert notice.message.startswith(f"{site.model} (Generate) cannot be used at present, since")
    assert "continue by themselves" in notice.remedy
    assert notice.administrator
    assert incidents.hindering([other]) == []
    assert incidents.hindering([]) == []


def test_a_failing_account_hinders_all_of_its_models(site: Site) -> None:
    sister = make_image_model(slug="sister", provider=site.model.provider)
    (job,) = claimed(site)
    heard(job, AuthenticationFailed())

    (notice,) = incidents.hindering([sister])

    assert notice.message.startswith(f"{site.model.provider} cannot be used")


def test_granted_models_say_whether_one_has_to_ask(
    site: Site, django_assert_num_queries: Any
) -> None:
    with django_assert_num_queries(0):
        granted: list[Any] = [site.model]
        granted[0].is_failing = False
        assert incidents.hindering(granted) == []
    assert [getattr(one, "is_failing", None) for one in access.granted_models(site.actor)] == [
        False
    ]

    (job,) = claimed(site)
    heard(job, AuthenticationFailed())

    granted = list(access.granted_models(site.actor))
    assert [one.is_failing for one in granted] == [True]
    assert len(incidents.hindering(granted)) == 1


def test_the_model_that_stands_in_is_named(site: Site) -> None:
    other = make_image_model(slug="other", name="Understudy")
    (job,) = claimed(site)
    heard(job, AuthenticationFailed())
    change(Incident.objects.get(), stand_in=other)

    (notice,) = incidents.hindering([site.model])

    assert "go on with Understudy" in notice.remedy


def test_health_lists_what_fails_first_and_hides_what_one_may_not_see(site: Site) -> None:
    (job,) = claimed(site)
    heard(job, AuthenticationFailed())
    reader = access.actor_for(make_user(permissions=["imagegen.view_incident"]))

    found = health.build_health(reader)

    assert [row.affected for row in found.incidents] == [1]
    assert found.incidents[0].error
    assert [one.is_well for one in found.providers] == [False]
    assert (found.workers, found.problems, found.waiting) == ((), (), ())
    assert not health.has_health(access.actor_for(make_user()))
