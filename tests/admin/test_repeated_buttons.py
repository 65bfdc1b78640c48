"""Every button of the admin is pressed twice: one event, and a calm answer the second time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib import messages
from django.contrib.admin.sites import site as admin_site
from django.contrib.auth import get_user_model
from django.contrib.messages import get_messages
from django.urls import reverse
from django.utils import timezone

from imagegen_app.models import Asset, AuditEvent, Batch, Grant
from imagegen_app.services.batches import selections
from imagegen_app.services.foundation import clock
from imagegen_app.services.library import chooser, review_decisions
from imagegen_app.services.policy import access
from imagegen_app.testing.factories import make_asset, make_user
from tests.changed_rows import change
from tests.services import arranged
from tests.services.conftest import Site, site, small  # noqa: F401 - fixtures

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.test import Client

Post = tuple[str, dict[str, Any]]


@dataclass(frozen=True)
class Button:
    """What a button posts, and the one event that it leaves."""

    name: str
    event: str
    arrange: Callable[[Site], Post]
    #: Whether every press does something of its own, and leaves its own event.
    is_each_recorded: bool = False


def batch_button(name: str, arrange: Callable[[Site], Batch]) -> Callable[[Site], Post]:
    return lambda made: (
        reverse("admin:imagegen_batch_run", args=[arrange(made).pk]),
        {name: ""},
    )


def action(name: str, arrange: Callable[[Site], Any], **more: str) -> Callable[[Site], Post]:
    def post(made: Site) -> Post:
        row = arrange(made)
        url = reverse(f"admin:imagegen_{row._meta.model_name}_changelist")
        return url, {"action": name, "_selected_action": [str(row.pk)], **more}

    return post


def pending(made: Site) -> Any:
    return make_asset(review_state="pending")


def review_page(made: Site) -> Post:
    found, _assets = arranged.approved_of_batch(made)
    asset = make_asset(review_state="pending", attempt=_assets[0].attempt)
    seen = review_decisions.shown(Asset.objects.get(pk=asset.pk))
    data = {
        f"decision-{asset.pk}": "approve",
        f"shown-{asset.pk}": f"{seen.sha256}:{seen.state}",
        "place": "",
    }
    return reverse("admin:imagegen_batch_review", args=[found.pk]), data


def _seen(found: Batch, asset: Any, **fields: str) -> Post:
    """Fields of one image of the review grid, as the page shows them."""
    seen = review_decisions.shown(Asset.objects.get(pk=asset.pk))
    named = {f"{name}-{asset.pk}": value for name, value in fields.items() if "_" not in name}
    others = {name: value for name, value in fields.items() if "_" in name}
    data = {f"shown-{asset.pk}": f"{seen.sha256}:{seen.state}", **named, **others}
    return reverse("admin:imagegen_batch_review", args=[found.pk]), data


def anew_page(made: Site) -> Post:
    asset = arranged.image_of_batch(made)
    data = {"regenerate": str(asset.pk), f"note-{asset.pk}": "More light"}
    return reverse("admin:imagegen_batch_review", args=[asset.job.batch_id]), data


def rated_page(made: Site) -> Post:
    asset = arranged.image_of_batch(made)
    return _seen(Batch.objects.get(), asset, had="0", stars="5", min_stars="4", approve_rated="1")


def described_page(made: Site) -> Post:
    asset = arranged.image_of_batch(made)
    change(asset, alt_text="", alt_suggestion="A mug")
    url, data = _seen(Batch.objects.get(), asset)
    return url, {**data, "describe": "1"}


def dated_page(made: Site) -> Post:
    found, _assets = arranged.approved_of_batch(made)
    url = reverse("admin:imagegen_batch_review", args=[found.pk])
    return f"{url}?show=approved", {"place": "1", "place_at": _tomorrow()}


def _tomorrow() -> str:
    moment = timezone.localtime(clock.now() + timedelta(days=1))
    return moment.strftime("%Y-%m-%dT%H:%M")


def undated_page(made: Site) -> Post:
    row = arranged.scheduled_placement(made)
    data = {"unschedule": "1", "placement": str(row.pk)}
    return reverse("admin:imagegen_batch_run", args=[row.batch_id]), data


def moved_page(made: Site) -> Post:
    row = arranged.scheduled_placement(made)
    data = {"reschedule": "1", "placement": str(row.pk), "place_at": _tomorrow()}
    return reverse("admin:imagegen_batch_run", args=[row.batch_id]), data


def rows_page(made: Site) -> Post:
    found = arranged.failed_batch(made)
    data = {"how": "same", "which": "filter", "state": "cancelled", "number": "2", "confirm": "1"}
    return reverse("admin:imagegen_batch_again", args=[found.pk]), data


def attach_page(made: Site) -> Post:
    product, asset = arranged.product_and_asset(made)
    data = {"target": arranged.TARGET, "object": str(product.pk), "place": ""}
    return reverse("admin:imagegen_asset_attach", args=[asset.pk]), data


def settle_page(made: Site) -> Post:
    job = arranged.uncertain_job(made)
    return reverse("admin:imagegen_job_settle", args=[job.pk]), {"resolution": "close"}


def studio_cancel(made: Site) -> Post:
    return reverse("admin:imagegen_studio_cancel", args=[made.request().pk]), {}


def choose_page(made: Site) -> Post:
    asset = pending(made)
    return reverse("admin:imagegen_studio_choose", args=[asset.pk]), {"alt": "A red mug"}


def grant_form(made: Site) -> Post:
    group = arranged.grant_values(made).group
    data = {
        "group": group.pk,
        "image_model": made.model.pk,
        "operations": ["generate"],
        "max_count": "3",
        "max_pixels": "5000000",
        "reason": "Spring",
    }
    return reverse("admin:imagegen_grant_add"), data


def grant_deletion(made: Site) -> Post:
    grant = Grant.objects.earliest("pk")
    return reverse("admin:imagegen_grant_delete", args=[grant.pk]), {"post": "yes"}


def log_page(made: Site) -> Post:
    made.request()
    return reverse("admin:imagegen_log"), {}


def erasure_page(made: Site) -> Post:
    job = arranged.erased_job(made)
    return reverse("admin:imagegen_erasure"), {"subject": str(job.pk), "reason": "asked"}


def model_action(name: str) -> Callable[[Site], Post]:
    return action(name, lambda made: made.model)


def product_form(made: Site) -> Post:
    """The form of an object of the site's own, with an image that was chosen in the studio."""
    product, asset = arranged.product_and_asset(made)
    boss = get_user_model().objects.get(username="boss")
    data = {
        "name": product.name,
        "slug": product.slug,
        "sku": product.sku,
        "category": product.category_id,
        "price": product.price,
        "colour": product.colour,
        "material": product.material,
        "image-generated": chooser.make_token(actor=access.actor_for(boss), asset=asset),
    }
    return reverse("admin:catalog_product_change", args=[product.pk]), data


BUTTONS = [
    Button("form of an object", "placement.created", product_form),
    Button("batch: pause", "batch.paused", batch_button("pause", arranged.batch)),
    Button("batch: continue", "batch.resumed", batch_button("resume", arranged.paused_batch)),
    Button("batch: cancel", "batch.cancelled", batch_button("cancel", arranged.batch)),
    Button("batch: re-run", "batch.retried", batch_button("again", arranged.failed_batch)),
    Button("review page", "review.approved", review_page),
    Button("review page: make anew", "job.requested", anew_page),
    Button("review page: by stars", "review.approved", rated_page),
    Button("review page: suggested texts", "asset.changed", described_page),
    Button("review page: on a date", "placement.scheduled", dated_page),
    Button("batch: cancel a placement", "placement.dropped", undated_page),
    Button("batch: move a placement", "placement.scheduled", moved_page),
    Button("batch: re-run a filter", "batch.retried", rows_page),
    Button("attach page", "placement.created", attach_page),
    Button("uncertain job", "job.resolved", settle_page),
    Button("studio: cancel", "job.cancel_requested", studio_cancel),
    Button("studio: choose", "review.approved", choose_page),
    Button("grant: add", "grant.created", grant_form),
    Button("grant: delete", "grant.revoked", grant_deletion),
    Button("log: verify", "log.verified", log_page, is_each_recorded=True),
    Button("erasure", "privacy.erased", erasure_page),
    Button("job.cancel", "job.cancel_requested", action("cancel", lambda made: made.request())),
    Button("job.request_again", "job.requested", action("request_again", arranged.cancelled_job)),
    Button("job.close_unknown", "job.resolved", action("close_unknown", arranged.uncertain_job)),
    Button("job.send_again", "job.resolved", action("send_again", arranged.uncertain_job)),
    Button("job.never_accepted", "job.retried", action("never_accepted", arranged.uncertain_job)),
    Button("asset.approve", "review.approved", action("approve", pending)),
    Button("asset.reject", "review.rejected", action("reject", pending, confirmed="1", note="No")),
    Button(
        "asset.withdraw",
        "asset.withdrawn",
        action("withdraw", lambda made: make_asset(), confirmed="1", note="Report 12"),
    ),
    Button("placement.remove", "placement.removed", action("remove", arranged.placed)),
    Button("brandkit.archive", "brand_kit.archived", action("archive", arranged.brand_kit)),
    Button("brandkit.restore", "brand_kit.restored", action("restore", arranged.archived_kit)),
    Button("prompttemplate.archive", "template.archived", action("archive", arranged.template)),
    Button("prompttemplate.restore", "template.restored", action("restore", arranged.archived)),
    Button("imagemodel.deprecate", "model.deprecated", model_action("deprecate")),
    Button("imagemodel.retire", "model.retired", model_action("retire")),
]
#: Actions that the table leaves out, with the reason.
EXCEPTIONS = {
    "asset.describe": "only leads to the page on which images are described",
    "asset.attach": "only leads to the page that places the image",
    "asset.export": "each export hands out one more copy, and is recorded for itself",
    "keptanswer.read_again": "a second reading is refused; see tests/services/job_requests",
    "imagemodel.promote": "the same use case as deprecate and retire; the model is active already",
    "workflowversion.check_again": "records only what the server says anew; see test_workflows",
    "prompttemplate.export": "writes nothing to the database",
    "prompttemplate.duplicate": "each press asks for one more copy, with its own number",
}


@pytest.mark.parametrize("button", BUTTONS, ids=lambda button: button.name)
def test_a_button_pressed_twice_leaves_one_event_and_a_calm_answer(
    client: Client,
    site: Site,  # noqa: F811 - the fixture
    button: Button,
) -> None:
    boss = make_user("boss", groups=["Image editors"], is_staff=True, is_superuser=True)
    url, data = button.arrange(site)
    client.force_login(boss)
    before = AuditEvent.objects.count()

    first = client.post(url, data, follow=True)
    recorded = list(AuditEvent.objects.order_by("pk").values_list("type", flat=True)[before:])
    second = client.post(url, data, follow=True)

    assert (first.status_code, second.status_code) == (200, 200)
    assert "errornote" not in first.content.decode(), first.content.decode()
    assert recorded.count(button.event) == (1 if button.event else 0), recorded
    presses = 2 if button.is_each_recorded else 1
    assert AuditEvent.objects.count() == before + presses * len(recorded)
    shown = get_messages(second.wsgi_request)
    assert [str(one) for one in shown if one.level >= messages.ERROR] == []


def test_starting_a_batch_twice_leads_to_the_same_batch(
    client: Client,
    site: Site,  # noqa: F811 - the fixture
) -> None:
    planned = arranged.plan(site)
    version = planned["version"]
    boss = make_user("boss", groups=["Image editors"], is_staff=True, is_superuser=True)
    client.force_login(boss)
    actor = access.actor_for(boss)
    session = client.session
    session[f"imagegen-selection-{arranged.TARGET}"] = selections.dumps(
        actor=actor, target=planned["target"], keys=planned["keys"]
    )
    session.save()
    url = f"{reverse('admin:imagegen_batch_new')}?target={arranged.TARGET}"
    slug = version.template.slug
    data = {
        "template": slug,
        "shown_template": slug,
        "map_product": "name",
        "start": "",
        "key": "page-1",
        "pilot": "0",
        "max_failure_percent": "50",
        "max_blocked": "0",
    }

    seen = client.post(url, {k: v for k, v in data.items() if k != "start"})
    data["shown_plan"] = seen.context["shown_plan"]
    first = client.post(url, data)
    second = client.post(url, data)

    assert (first.status_code, second.status_code) == (302, 302), first.content.decode()
    assert first["Location"] == second["Location"]
    assert Batch.objects.count() == 1


def test_the_table_names_every_action_of_our_admin() -> None:
    named = {button.name for button in BUTTONS} | EXCEPTIONS.keys()
    actions = {
        f"{model._meta.model_name}.{name}"
        for model, model_admin in admin_site._registry.items()
        if model._meta.app_label == "imagegen"
        for name in model_admin.actions or ()
    }

    assert sorted(actions - named) == []
    assert sorted(EXCEPTIONS.keys() - actions) == []
