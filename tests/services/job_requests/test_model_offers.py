"""What one request would cost with each of several models, and why it cannot be asked of others."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django.db import connection
from django.test.utils import CaptureQueriesContext

from imagegen_app.services.job_requests import composition, creation
from imagegen_app.services.job_requests.fallback_requests import request_with_model
from imagegen_app.services.job_requests.model_offers import model_offers
from imagegen_app.services.policy import access
from imagegen_app.testing.factories import make_grant, make_group, make_image_model, make_provider
from tests.services.conftest import Site

if TYPE_CHECKING:
    from imagegen_app.models import ImageModel
    from imagegen_app.services.job_requests.values import JobRequest


def other_model(name: str, **grant: Any) -> ImageModel:
    model = make_image_model(
        name=name,
        provider=make_provider(adapter="sandbox"),
        price_list={"currency": "USD", "per_image": [{"amount": "0.07"}]},
        capabilities={"sizes": {"allowed": ["512x512", "768x512"]}, "supports_seed": False},
    )
    make_grant(group=make_group("Image editors"), image_model=model, **grant)
    return model


def asked(site: Site, **values: Any) -> JobRequest:
    return composition.compose(
        actor=site.actor, prompt="A mug", model=site.model, count=2, **values
    )


def test_each_model_has_the_price_of_this_request(site: Site) -> None:
    other = other_model("Other")
    job_request = asked(site, seed=4)

    offers = model_offers(site.actor, job_request, [site.model, other])

    assert offers[0].cost == creation.total_cost(job_request)
    assert offers[1].cost is not None
    assert offers[1].cost.amount == Decimal("0.14")
    assert [one.reason for one in offers] == ["", ""]


def test_what_a_model_or_a_grant_does_not_allow_is_the_reason_in_place_of_a_price(
    site: Site,
) -> None:
    few = other_model("Few", max_count=1)
    no_ratio = other_model("Square")

    counted = model_offers(site.actor, asked(site, size="1:1"), [few])
    sized = model_offers(site.actor, asked(site, size="16:9"), [no_ratio])

    assert (counted[0].cost, counted[0].reason) == (
        None,
        "Your grant allows 1 images per job, not 2.",
    )
    assert (sized[0].cost, sized[0].reason) == (
        None,
        "This model has no size of the proportions 16:9.",
    )


def test_more_models_need_no_more_queries(site: Site) -> None:
    models = [site.model, *(other_model(f"Other {n}") for n in range(6))]
    job_request = asked(site)
    model_offers(site.actor, job_request, models)

    with CaptureQueriesContext(
        connection,
    ) as one:
        model_offers(site.actor, job_request, models[:2])
    with CaptureQueriesContext(connection) as many:
        model_offers(site.actor, job_request, models)

    assert len(many) == len(one)


def test_a_request_for_another_model_leaves_out_what_it_does_not_take(site: Site) -> None:
    other = other_model("Other")

    changed = request_with_model(asked(site, seed=4, quality="high"), other)

    asked_of_it = changed.provider_request
    assert changed.image_model == other
    assert (str(asked_of_it.size), asked_of_it.seed) == ("512x512", None)
    assert asked_of_it.quality == "high"


def test_models_without_a_valid_grant_are_told_with_the_reason(site: Site) -> None:
    strange = make_image_model(name="Strange")
    off = make_image_model(name="Off", provider=make_provider(name="Away", is_enabled=False))
    make_image_model(name="Draft", lifecycle="draft")

    refused = dict(access.refused_models(site.actor))

    assert refused[strange] == "Your groups have no grant for “Strange”."
    assert refused[off] == "The provider “Away” is disabled."
    assert site.model not in refused
    assert not any(model.name == "Draft" for model in refused)
