"""The step of the alternative text, and the page on which many images are described."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.admin import site
from django.urls import reverse

from imagegen_app.captioning.base import Caption
from imagegen_app.core.actors import System
from imagegen_app.models import AltText, Asset, Budget
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.library import alt_texts, placement
from imagegen_app.services.policy import access
from imagegen_app.services.worker import driver
from imagegen_app.testing.factories import make_asset, make_job, make_template, make_user
from project.catalog.models import Category, Product
from tests.services.library.test_alt_text_suggestions import Describer

if TYPE_CHECKING:
    from django.test import Client

pytestmark = pytest.mark.django_db


@pytest.fixture
def edda(client: Client, settings: Any) -> Any:
    settings.IMAGEGEN = {**settings.IMAGEGEN, "REQUIRE_SECOND_REVIEWER": True}
    user = make_user("edda", groups=["Image editors"], is_staff=True)
    client.force_login(user)
    return user


def step(asset: Asset) -> str:
    return reverse("admin:imagegen_studio_choose", args=[asset.pk])


def many(query: str = "") -> str:
    return reverse("admin:imagegen_alt_texts") + query


def test_the_step_suggests_the_sentence_of_the_template(client: Client, edda: Any) -> None:
    version = make_template(alt_pattern="A {{ product }} on a table")
    job = make_job(requester=edda, template_version=version, variables={"product": "blue mug"})
    asset = make_asset(review_state="pending", job=job, alt_text="", review_requested_at=None)

    page = client.get(step(asset)).content.decode()

    assert "<h1>Alternative text</h1>" in page
    assert "A blue mug on a table</textarea>" in page
    assert "comes from the template" in page


def test_the_step_leads_back_into_the_session_it_was_opened_from(client: Client, edda: Any) -> None:
    asset = make_asset(review_state="pending", requester=edda, review_requested_at=None)

    page = client.get(f"{step(asset)}?embed=1&session=0192f0c0-0000-7000-8000-000000000001").content

    assert b"?embed=1&amp;session=0192f0c0-0000-7000-8000-000000000001" in page


def test_the_step_keeps_the_words_of_each_language(client: Client, edda: Any) -> None:
    asset = make_asset(review_state="pending", requester=edda, review_requested_at=None)

    answer = client.post(step(asset), {"alt": "A mug", "alt-de": "Eine Tasse"})

    asset.refresh_from_db()
    assert "Selected." in answer.content.decode()
    assert asset.review_requested_at is not None
    assert list(AltText.objects.values_list("language", "text")) == [("de", "Eine Tasse")]


def test_a_refused_step_keeps_what_was_typed(client: Client, edda: Any) -> None:
    asset = make_asset(review_state="pending", requester=edda, alt_text="")

    page = client.post(step(asset), {"alt": " ", "alt-de": "Eine Tasse"}).content.decode()

    assert "Describe the image, or mark it as decorative." in page
    assert "Eine Tasse</textarea>" in page


def test_many_images_are_described_on_one_page(client: Client, edda: Any) -> None:
    first, second, third = (make_asset(requester=edda, alt_text="") for _n in range(3))
    make_asset(alt_text="", title="A stranger's")

    page = client.get(many()).content.decode()
    client.post(
        many(),
        {
            "asset": [str(first.pk), str(second.pk), str(third.pk)],
            f"text-{first.pk}": "A red mug",
            f"decorative-{second.pk}": "1",
            f"text-{third.pk}": "",
        },
    )

    assert page.count("<textarea") == 3
    assert "A stranger" not in page
    assert list(alt_texts.needs_words().filter(job__requester=edda)) == [third]
    first.refresh_from_db()
    assert first.alt_text == "A red mug"


def test_what_somebody_else_wrote_meanwhile_is_not_cleared(client: Client, edda: Any) -> None:
    asset = make_asset(requester=edda, alt_text="")
    client.get(many())
    alt_texts.set_alt_text(actor=access.actor_for(edda), asset=asset, alt_text="Theirs")

    client.post(many(), {"asset": str(asset.pk), f"text-{asset.pk}": "", f"was-{asset.pk}": ""})

    asset.refresh_from_db()
    assert asset.alt_text == "Theirs"


def test_a_suggestion_is_taken_by_a_person_and_not_by_itself(client: Client, edda: Any) -> None:
    taken, left = (
        make_asset(requester=edda, alt_text="", alt_suggestion="A red mug") for _n in range(2)
    )
    keys = [str(taken.pk), str(left.pk)]

    client.post(many(), {"asset": keys, f"take-{taken.pk}": "1"})

    taken.refresh_from_db()
    left.refresh_from_db()
    assert (taken.alt_text, left.alt_text) == ("A red mug", "")


def test_texts_in_another_language_are_written_beside_the_sites_own(
    client: Client, edda: Any
) -> None:
    asset = make_asset(requester=edda, alt_text="A mug")

    page = client.get(many("?language=de")).content.decode()
    client.post(many("?language=de"), {"asset": str(asset.pk), f"text-{asset.pk}": "Eine Tasse"})

    assert "A mug" in page
    asset.refresh_from_db()
    assert (asset.alt_text, alt_texts.text_for(asset, "de")) == ("A mug", "Eine Tasse")
    assert "Eine Tasse" not in client.get(many("?language=de")).content.decode()


def test_nobody_describes_the_images_of_others_by_their_keys(client: Client, edda: Any) -> None:
    asset = make_asset(alt_text="")

    answer = client.post(many(), {"asset": str(asset.pk), f"text-{asset.pk}": "Mine"})

    asset.refresh_from_db()
    assert (answer.status_code, asset.alt_text) == (422, "")


def test_the_list_of_images_finds_those_that_lack_words_or_wait(client: Client, edda: Any) -> None:
    make_asset(requester=edda, alt_text="", title="Without words")
    make_asset(requester=edda, title="A draft", review_state="pending", review_requested_at=None)
    make_asset(requester=edda, title="A waiting one", review_state="pending")
    address = reverse("admin:imagegen_asset_changelist")

    def titles(query: str) -> list[str]:
        page = client.get(address + query).content.decode()
        return [one for one in ("Without words", "A draft", "A waiting one") if one in page]

    assert titles("?words=missing") == ["Without words"]
    assert titles("?review=waiting") == ["A waiting one"]
    assert titles("?review=draft") == ["A draft"]


def test_described_images_need_no_more_queries_than_few(
    client: Client, edda: Any, django_assert_max_num_queries: Any
) -> None:
    for _number in range(8):
        make_asset(requester=edda, alt_text="")
    client.get(many())

    with django_assert_max_num_queries(12):
        client.get(many())


@pytest.fixture
def shown(client: Client, edda: Any) -> Any:
    """A product that shows an image of the person's with its text; the person may change products."""
    user = make_user(
        "pia",
        groups=["Image editors"],
        is_staff=True,
        permissions=["catalog.change_product", "catalog.view_product"],
    )
    client.force_login(user)
    category = Category.objects.create(slug="all", name="All")
    product = Product.objects.create(name="Mug", price=1, slug="mug", category=category)
    asset = make_asset(requester=user, alt_text="A mug")
    placement.attach(actor=System("test"), asset=asset, target=product, field="image")
    return product


def test_a_reworded_text_is_offered_to_the_places_that_show_the_old_one(
    client: Client, shown: Any
) -> None:
    asset = Asset.objects.get()
    address = many(f"?asset={asset.pk}")
    page = client.get(address).content.decode()
    assert "Also change 1 place that shows the image with the present text: Mug" in page
    sent = {"asset": str(asset.pk), f"text-{asset.pk}": "A red mug", f"was-{asset.pk}": "A mug"}

    answer = client.post(address, {**sent, f"places-{asset.pk}": "1"}, follow=True)

    shown.refresh_from_db()
    assert shown.image_alt == "A red mug"
    assert "It was changed in 1 place, too." in answer.content.decode()


def test_the_step_offers_the_places_too_and_changes_them_only_if_wanted(
    client: Client, shown: Any
) -> None:
    asset = Asset.objects.get()
    assert "Also change 1 place" in client.get(step(asset)).content.decode()

    client.post(step(asset), {"alt": "A red mug"})
    shown.refresh_from_db()
    assert shown.image_alt == "A mug"
    # The place has words of its own now.
    assert "Also change" not in client.get(step(asset)).content.decode()


def test_places_that_the_admin_does_not_show_are_counted_and_left_alone(
    client: Client, shown: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asset = Asset.objects.get()
    monkeypatch.setattr(
        site.get_model_admin(Product), "get_queryset", lambda _request: Product.objects.none()
    )
    sent = {"asset": str(asset.pk), f"text-{asset.pk}": "A red mug", f"was-{asset.pk}": "A mug"}

    page = client.get(many(f"?asset={asset.pk}")).content.decode()
    client.post(many(), {**sent, f"places-{asset.pk}": "1"})

    shown.refresh_from_db()
    assert "1 further place shows the present text; you may not change it." in page
    assert shown.image_alt == "A mug"


@pytest.fixture
def described(edda: Any, settings: Any) -> Asset:
    settings.LANGUAGES = [("en", "English"), ("de", "German")]
    settings.IMAGEGEN = {
        **settings.IMAGEGEN,
        "ENGINE": "tests.services.silent_engine.SilentEngine",
        "CAPTIONER": {
            "BACKEND": "tests.services.library.test_alt_text_suggestions.Describer",
            "PRICE": "0.01",
        },
    }
    Describer.answer = Caption("Ein Hocker.")
    Describer.gate.set()
    return make_asset(requester=edda, alt_text="A stool", alt_suggestion="")


def test_texts_are_asked_for_taken_and_counted(client: Client, edda: Any, described: Asset) -> None:
    page = client.get(many("?language=de")).content.decode()
    assert "Suggest 1 text · at most 0.01 USD" in page

    client.post(many("?language=de"), {"suggest_texts": "1"})

    page = client.get(many("?language=de")).content.decode()
    assert "1 text is being written." in page
    assert "Suggest 1 text" not in page
    driver.drive(seconds=20)
    status = client.get(reverse("admin:imagegen_text_suggestions"))
    assert "data-done" in status.content.decode()
    etag = status.headers["ETag"]
    again = client.get(status.request["PATH_INFO"], headers={"If-None-Match": etag})
    assert again.status_code == 304
    page = client.get(many("?language=de")).content.decode()
    assert "Take the suggestion: “Ein Hocker.”" in page
    sent = {
        "asset": str(described.pk),
        f"text-{described.pk}": "",
        f"was-{described.pk}": "",
        f"take-{described.pk}": "1",
    }
    client.post(many("?language=de"), sent)
    assert AltText.objects.get().text == "Ein Hocker."


def test_the_step_of_one_image_asks_for_all_languages_that_lack_words(
    client: Client, edda: Any, described: Asset
) -> None:
    page = client.get(step(described)).content.decode()
    # In the site's own language it has words.
    assert "Suggest 1 text ·" in page

    client.post(step(described), {"suggest_texts": "1"})
    driver.drive(seconds=20)

    page = client.get(step(described)).content.decode()
    assert "Ein Hocker.</textarea>" in page
    assert "This text was suggested automatically" in page


def test_texts_are_not_suggested_without_a_captioner_or_over_the_budget(
    client: Client, edda: Any, described: Asset, settings: Any
) -> None:
    rows = {"name": "All", "scope": "site", "limit": Decimal("0.001")}
    use_case(audited=False)(lambda: Budget.objects.create(**rows))()
    page = client.post(many("?language=de"), {"suggest_texts": "1"})
    assert page.status_code == 422
    assert "The remaining budget does not cover this job." in page.content.decode()
    settings.IMAGEGEN = {**settings.IMAGEGEN, "CAPTIONER": {}}
    assert "Suggest 1 text" not in client.get(many("?language=de")).content.decode()
