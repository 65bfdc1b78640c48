"""Whose images a request may start from: one's own that are not rejected, and visible approved ones."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Permission

from imagegen_app.core.actors import Person
from imagegen_app.core.types import ControlGuide, InputRole
from imagegen_app.models import Asset, Job
from imagegen_app.services.job_requests import composition, creation, from_job
from imagegen_app.services.job_requests.values import InputSource
from imagegen_app.services.policy.use_of_assets import SourceNotUsable
from imagegen_app.testing.factories import make_asset, make_user
from tests import changed_rows
from tests.services.conftest import Site


def viewer(site: Site) -> Person:
    """The editor with the permission to see everybody's images."""
    user = site.actor.user
    user.user_permissions.add(Permission.objects.get(codename="view_asset"))
    return Person(type(user).objects.get(pk=user.pk))


def own(site: Site, state: str = "pending") -> Asset:
    return make_asset(requester=site.actor.user, review_state=state, size=(64, 64))


def request(site: Site, actor: Person, *assets: Asset, role: InputRole = InputRole.IMAGE) -> Job:
    guide = ControlGuide(kind="depth", weight=0.5) if role is InputRole.CONTROL else None
    job_request = composition.compose(
        actor=actor,
        prompt="A mug",
        model=site.model,
        operation="control" if guide else "edit",
        size="1024x1024",
        inputs=[InputSource(role=role, asset=one, guide=guide) for one in assets],
    )
    return creation.request_images(actor=actor, job_request=job_request)


def test_own_images_and_visible_approved_ones_are_used_in_their_role(site: Site) -> None:
    mine, theirs = own(site), make_asset(size=(64, 64))

    edited = request(site, viewer(site), mine, theirs)
    guided = request(site, site.actor, mine, role=InputRole.CONTROL)

    assert {one.asset for one in edited.inputs.all()} == {mine, theirs}
    assert guided.inputs.get().guide["weight"] == 0.5


@pytest.mark.parametrize("state", ["pending", "rejected", "withdrawn"])
def test_what_is_another_persons_or_was_decided_against_is_refused_before_anything_is_made(
    site: Site, state: str
) -> None:
    asset = make_asset(requester=make_user("other"), review_state=state, size=(64, 64))

    with pytest.raises(SourceNotUsable):
        request(site, viewer(site), asset)

    assert not Job.objects.filter(requester=site.actor.user).exists()


def test_an_approved_image_is_refused_to_whoever_may_not_see_it(site: Site) -> None:
    hidden = make_asset(requester=make_user("other"), size=(64, 64))
    site.actor.user.groups.get().permissions.remove(Permission.objects.get(codename="view_asset"))

    with pytest.raises(SourceNotUsable):
        request(site, Person(type(site.actor.user).objects.get(pk=site.actor.user.pk)), hidden)


def test_a_job_is_run_again_with_the_images_that_it_was_granted(site: Site) -> None:
    mine = own(site)
    job = request(site, site.actor, mine)
    changed_rows.change(mine, review_state="rejected")

    again = from_job.job_request_from(actor=site.actor, job=job)

    assert [origin.asset for origin in again.input_origins] == [mine]
