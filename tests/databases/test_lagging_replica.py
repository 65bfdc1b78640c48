"""A site whose router reads from a replica that never catches up: our rows come from the writer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.apps import apps
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.db import OperationalError, connections
from django.urls import reverse

from imagegen_app import set_up
from imagegen_app.core.actors import System
from imagegen_app.core.states import JobState
from imagegen_app.engines.django_tasks import DjangoTasksEngine
from imagegen_app.models import AuditEvent, Grant, Job, Record
from imagegen_app.services.audit import verification
from imagegen_app.services.library import placement, review, takedown
from imagegen_app.services.policy import setup_progress
from imagegen_app.services.worker import driver, sweep
from imagegen_app.testing.factories import make_user
from project import seed
from project.catalog.models import Product
from tests import lagging_replica
from tests.admin import tables
from tests.services.conftest import site, small  # noqa: F401 - fixtures

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from django.test import Client

    from tests.services.conftest import Site

pytestmark = pytest.mark.django_db
REVIEWER = System("reviewer")


@pytest.fixture
def product(db: None) -> Product:
    seed.create_catalog()
    return Product.objects.earliest("pk")


@pytest.fixture
def replica(site: Site, product: Product, tmp_path: Path) -> Iterator[None]:  # noqa: F811 - the fixture
    """Read all from the replica; it knows the catalogue and the accounts."""
    user = site.actor.user
    known = [product.category, product, *Group.objects.all(), user]
    for relation in (Group.permissions, type(user).groups):
        known += relation.through.objects.all()
    with lagging_replica.replica(tmp_path):
        lagging_replica.catch_up(*known)
        yield


def test_what_is_not_of_ours_is_read_from_the_replica(replica: None, product: Product) -> None:
    stored = Product.objects.get()

    assert (stored._state.db, stored) == ("replica", product)
    with (
        connections["replica"].cursor() as cursor,
        pytest.raises(OperationalError, match="no such"),
    ):
        cursor.execute("SELECT count(*) FROM imagegen_job")


def test_every_model_of_ours_is_read_by_managers_that_read_from_the_writer(replica: None) -> None:
    models = list(apps.get_app_config("imagegen").get_models())

    assert all(issubclass(model, Record) for model in models)
    for model in models:
        managers = (model._default_manager, model._base_manager)
        assert {manager.all().db for manager in managers} == {"default"}
        assert model._default_manager.name == "objects"
        # As the foreign keys of a site's own models ask for a row.
        assert model._base_manager.using("replica").db == "default"


def test_a_job_is_made_judged_placed_and_taken_down(
    replica: None,
    site: Site,  # noqa: F811 - the fixture
) -> None:
    target = Product.objects.get()

    job = site.request()
    driver.drive(seconds=30)
    asset = job.assets.get()
    review.approve(actor=REVIEWER, asset=asset)
    placed = placement.attach(actor=REVIEWER, asset=asset, target=target, field="image")
    in_field = Product.objects.using("default").get(pk=target.pk).image.name
    takedown.withdraw(actor=REVIEWER, asset=asset)
    takedown.delete_copies()
    sweep.sweep()

    assert Job.objects.get().state == JobState.SUCCEEDED.value
    assert placed.placed_value == in_field != ""
    assert Product.objects.using("default").get(pk=target.pk).image.name != in_field
    assert verification.verify().ok


def test_whom_a_row_names_is_read_beside_the_row(
    replica: None,
    site: Site,  # noqa: F811 - the fixture
) -> None:
    job = site.request()
    people = get_user_model()
    for rows in (people.groups.through.objects, people.objects):
        rows.using("replica").all()._raw_delete("replica")

    stored = Job.objects.get(pk=job.pk)
    (prefetched,) = Job.objects.prefetch_related("requester")

    assert stored.requester == prefetched.requester == site.actor.user
    assert list(stored.image_model.grants.all()) == list(Grant.objects.all())


def test_a_row_that_names_others_is_validated_beside_them(replica: None) -> None:
    grant = Grant.objects.get()

    grant.full_clean()

    grant.group_id = 4_000_000
    with pytest.raises(ValidationError, match="4000000 is not a valid choice"):
        grant.full_clean()


def test_a_waiting_wake_up_is_looked_for_where_tasks_are_written(
    replica: None, settings: Any
) -> None:
    engine = DjangoTasksEngine()

    engine.enqueue("drive")
    engine.enqueue("drive")

    assert apps.get_model("django_tasks_database", "DBTaskResult").objects.using(
        "default"
    ).count() == 1  # fmt: skip


def test_changed_rights_are_told_from_what_is_stored_at_the_writer(replica: None) -> None:
    group = Group.objects.using("default").get(name="Image editors")
    member = make_user("new")

    member.groups.add(group)
    group.name = "Painters"
    group.save()
    member.is_staff = True
    member.save()
    get_user_model().objects.using("default").get(pk=member.pk).delete()

    told = AuditEvent.objects.order_by("pk").values_list("type", flat=True)
    assert list(told)[-4:] == [
        "account.group_added",
        "group.renamed",
        "account.rights_changed",
        "account.deleted",
    ]
    assert '"before":"Image editors"' in AuditEvent.objects.get(type="group.renamed").body


def test_pages_are_shown_and_a_form_is_saved(
    replica: None,
    site: Site,  # noqa: F811 - the fixture
    settings: Any,
    client: Client,
) -> None:
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
    # The toolbar of the CMS reads its own rows from a replica.
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if not name.startswith("cms.")]
    root = make_user("root", is_staff=True, is_superuser=True)
    lagging_replica.catch_up(root)
    site.request()
    driver.drive(seconds=30)
    client.force_login(root)
    pages = [reverse(f"admin:imagegen_{name}_changelist") for name in tables.names()]
    pages += [reverse(f"admin:imagegen_{name}") for name in ("studio", "overview", "setup")]
    grant = Grant.objects.get()
    form = reverse("admin:imagegen_grant_change", args=[grant.pk])

    shown = {page: client.get(page).status_code for page in [*pages, form]}
    saved = client.post(
        form,
        {
            "group": grant.group_id,
            "image_model": grant.image_model_id,
            "operations": "generate",
            "max_pixels": grant.max_pixels,
            "max_count": 3,
        },
    )

    assert shown == dict.fromkeys(shown, 200)
    assert saved.status_code == 302, saved.context["adminform"].form.errors
    assert Grant.objects.get().max_count == 3


def test_a_site_is_set_up_in_full_and_not_twice(replica: None) -> None:
    make_user("ada")
    description = {
        "providers": [{"adapter": "sandbox"}],
        "models": [{"provider": "sandbox", "model": "sandbox-1"}],
        "groups": [{"name": "Image editors", "members": ["ada"]}],
        "grants": [{"group": "Image editors", "models": ["sandbox-1"]}],
    }

    first, second = set_up(description), set_up(description)

    assert first.has_changes
    assert not second.has_changes
    assert setup_progress.site_step() in {None, setup_progress.SetupStep.IMAGE}
