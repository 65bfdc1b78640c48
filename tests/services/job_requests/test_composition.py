"""A request is composed of what is given, the template and defaults; each mistake names its field."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from django.utils.translation import override

from imagegen_app.core.types import Operation, Size
from imagegen_app.models import PromptTemplate, TemplateVersion
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.job_requests import composition, prices, values
from imagegen_app.services.job_requests.values import InvalidJobRequest
from imagegen_app.services.policy import access
from imagegen_app.testing.factories import make_image_model, make_template, make_user

if TYPE_CHECKING:
    from tests.services.conftest import Site

LARGEST_SEED = 2**31 - 1


@pytest.fixture
def version(site: Site) -> TemplateVersion:
    """Return a version that differs from every default."""
    return make_template(
        slug="mugs",
        body="A {{ product }}",
        negative="dark",
        width=64,
        height=96,
        count=2,
        quality="",
        seed_strategy="fixed",
        seed=7,
        image_model=site.model,
        passes=[{"operation": "upscale", "model": site.model.slug, "factor": 2}],
    )


def composed(site: Site, version: TemplateVersion, **changes: Any) -> Any:
    given = {"template": version, "variables": {"product": "mug"}, **changes}
    return composition.compose(actor=site.actor, **given)


def test_what_is_not_given_comes_from_the_template(site: Site, version: TemplateVersion) -> None:
    found = composed(site, version)

    request = found.provider_request
    assert (request.prompt, request.negative_prompt) == ("A mug", "dark")
    assert (request.size, request.count, request.seed) == (Size(64, 96), 2, 7)
    assert (request.operation, found.image_model) == (Operation.GENERATE, site.model)
    assert [(one.operation, one.image_model) for one in found.passes] == [
        (Operation.UPSCALE, site.model)
    ]
    assert (found.template_version, found.variables) == (version, {"product": "mug"})
    assert request.output_format == "png"


def test_what_is_given_counts_more_than_the_template(site: Site, version: TemplateVersion) -> None:
    other = make_image_model(
        provider=site.model.provider, version="2", provider_model_name="sandbox-1"
    )

    found = composed(
        site, version, model=other, size="64x64", count=1, seed=0, passes=[], negative_prompt="no"
    )

    request = found.provider_request
    assert (request.size, request.count, request.seed) == (Size(64, 64), 1, 0)
    assert (found.image_model, found.passes, request.negative_prompt) == (other, (), "no")


def test_a_prompt_alone_gets_the_defaults(site: Site) -> None:
    found = composition.compose(actor=site.actor, prompt="  A \x07red\tmug\n ", size="64x64")

    request = found.provider_request
    assert request.prompt == "A red\tmug"
    assert (request.count, request.seed, request.quality) == (1, None, "")
    assert (found.image_model, found.passes) == (site.model, ())
    assert found.unknown_outcome_policy == "at_most_once"


def test_a_model_without_png_is_asked_for_what_it_has(site: Site) -> None:
    model = make_image_model(
        capabilities={"output_formats": ["jpeg", "webp"], "operations": ["generate", "upscale"]}
    )

    found = composition.compose(
        actor=site.actor,
        prompt="A mug",
        model=model,
        size=Size(64, 64),
        passes=[f"upscale:2:{model.slug}"],
    )

    assert found.provider_request.output_format == "jpeg"
    assert [one.output_format for one in found.passes] == ["jpeg"]


def test_the_rows_of_a_batch_have_seeds_of_their_own(site: Site, version: TemplateVersion) -> None:
    use_case(audited=False)(TemplateVersion.objects.filter(pk=version.pk).update)(
        seed_strategy="per_row"
    )
    version.refresh_from_db()

    seeds = [
        composed(site, version, row_key=key).provider_request.seed for key in ("1", "2", "1", "")
    ]

    assert seeds[0] == seeds[2] != seeds[1]
    assert all(0 <= seed < LARGEST_SEED for seed in seeds[:3])
    assert seeds[3] == 7


def test_random_seeds_can_be_sent_to_any_model() -> None:
    seeds = {composition.random_seed() for _ in range(20)}

    assert len(seeds) > 1
    assert all(0 <= seed < LARGEST_SEED for seed in seeds)


@pytest.mark.parametrize("seed", [0, 1, LARGEST_SEED])
def test_seeds_reach_from_zero_to_the_largest(site: Site, seed: int) -> None:
    assert site.job_request(seed=seed).provider_request.seed == seed


@pytest.mark.parametrize(
    ("changes", "field", "texts"),
    [
        ({"seed": -1}, "seed", (f"between 0 and {LARGEST_SEED}", "")),
        ({"seed": LARGEST_SEED + 1}, "seed", (f"between 0 and {LARGEST_SEED}", "")),
        ({"model": "nothing"}, "model", ("“nothing” is not a valid model", "You can use: model-")),
        ({"operation": "paint"}, "operation", ("“paint” is not a valid operation", "generate, ")),
        (
            {"template": "none", "prompt": ""},
            "template",
            ("“none” is not a valid", "Available: mugs"),
        ),
        ({"template": "mugs"}, "prompt", ("not both", "")),
        ({"variables": {"a": "b"}}, "variables", ("only be used with a template", "")),
        ({"idempotency_key": "k" * 1000}, "idempotency_key", ("too long", "")),
        ({"policy": "maybe"}, "policy", ("Unknown policy", "")),
        ({"prompt": "x" * 100_000}, "prompt", ("100000 characters", "Shorten it.")),
        ({"prompt": " "}, "prompt", ("prompt is empty", "Describe what the image should show.")),
        ({"passes": ["upscale:2:nothing"]}, "passes", ("nothing", "leave it out")),
        ({"size": "wide"}, "size", ("", "")),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_each_mistake_is_refused_at_its_field(
    site: Site,
    version: TemplateVersion,
    changes: dict[str, Any],
    field: str,
    texts: tuple[str, str],
) -> None:
    with pytest.raises(InvalidJobRequest) as refused:
        site.job_request(**changes)

    assert (refused.value.code, refused.value.field) == ("invalid_job_request", field)
    assert refused.value.message == "This request is not valid."
    assert texts[0] in refused.value.reason
    assert texts[1] in refused.value.remedy


def test_a_missing_variable_is_refused_by_its_name(site: Site, version: TemplateVersion) -> None:
    with pytest.raises(InvalidJobRequest) as refused:
        composed(site, version, variables={})

    assert refused.value.field == "product"
    assert refused.value.reason


def test_a_template_that_is_archived_is_refused_by_its_name(
    site: Site, version: TemplateVersion
) -> None:
    archive = use_case(audited=False)(PromptTemplate.objects.filter(slug="mugs").update)
    archive(is_archived=True, name="Our mugs")

    with pytest.raises(InvalidJobRequest, match="“Our mugs” is not published") as refused:
        composed(site, version, template="mugs")

    assert refused.value.field == "template"


def test_without_any_grant_no_model_is_chosen(site: Site) -> None:
    stranger = access.actor_for(make_user(permissions=["imagegen.request_job"]))

    with pytest.raises(InvalidJobRequest, match="no grant for any model") as refused:
        composition.compose(actor=stranger, prompt="A mug")

    assert refused.value.field == "model"
    assert refused.value.remedy == access.contact_sentence()


def test_an_image_costs_what_its_quality_costs(site: Site) -> None:
    rows = [{"quality": "low", "amount": "0.01"}, {"quality": "high", "amount": "0.05"}]
    site.model.price_list = {"currency": "USD", "per_image": rows}
    low = site.job_request()
    request = replace(low.provider_request, quality="high", count=2)

    estimate = prices.estimate_request(replace(low, provider_request=request))

    assert (estimate.images.amount, estimate.images.currency) == (Decimal("0.10"), "USD")


def test_each_part_of_a_request_has_a_name_in_each_language() -> None:
    parts = ["operation", "count", "prompt", "negative_prompt", "size", "quality", "output_format"]
    parts += ["background", "inputs", "mask"]

    with override("de"):
        names = [values.describe_part(part) for part in parts]

    assert not set(names) & {*parts, "negative prompt", "output format", "input images"}
    assert values.describe_part("own_parameter") == "own parameter"
