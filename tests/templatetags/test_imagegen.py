"""The public tags show what may be shown, label it, and escape what people wrote."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import pytest
from django.core.exceptions import FieldDoesNotExist
from django.template import engines

from imagegen_app.core import source_types
from imagegen_app.core.actors import System
from imagegen_app.core.states import ReviewState
from imagegen_app.models import Asset, Lineage
from imagegen_app.services.library import delivery, placement, review
from imagegen_app.testing.factories import make_asset
from project.catalog.models import Category, Product

if TYPE_CHECKING:
    from imagegen_app.models import Rendition

pytestmark = pytest.mark.django_db
HIDDEN = [ReviewState.PENDING, ReviewState.REJECTED, ReviewState.WITHDRAWN]
ACTOR = System("tests")
EVIL = '"><script>alert(1)</script><img src=x onerror=alert(1)>'


class Tags(HTMLParser):
    """Collect the tags of a piece of HTML with their attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def named(self, name: str) -> list[dict[str, str | None]]:
        """Return the attributes of each tag of a name."""
        return [attrs for tag, attrs in self.found if tag == name]


def render(source: str, **context: Any) -> str:
    """Render a template that has loaded the tags."""
    return engines["django"].from_string("{% load imagegen %}" + source).render(context).strip()


def rendition(asset: Asset, format: str, width: int) -> Rendition:  # noqa: A002 - the word of the tables
    """Return one rendition."""
    found: Any = asset.renditions.get(format=format, width=width)
    return found  # type: ignore[no-any-return]  # the related manager is typed by its base


def make_product(number: int = 1, *, image: str = "products/mug.png") -> Product:
    """Make a product whose image field holds a name."""
    shelf, _ = Category.objects.get_or_create(slug="mugs", defaults={"name": "Mugs"})
    return Product.objects.create(
        category=shelf,
        name=f"Mug {number}",
        slug=f"mug-{number}",
        sku=f"MUG-{number}",
        price=9,
        image=image,
    )


def place(asset: Asset, product: Product) -> None:
    """Remember an asset as standing in the product's image field."""
    placement.record_placement(actor=ACTOR, asset=asset, target=product, field="image")


def test_an_image_offers_modern_formats_by_width_and_a_fallback() -> None:
    asset = make_asset(widths=(32, 16))

    tags = Tags(render('{% imagegen_picture asset sizes="50vw" %}', asset=asset))

    def srcset(format: str) -> str:  # noqa: A002 - the word of the tables
        return ", ".join(
            f"{delivery.public_url(rendition(asset, format, width))} {width}w" for width in (16, 32)
        )

    assert tags.named("source") == [
        {"type": "image/avif", "srcset": srcset("avif"), "sizes": "50vw"},
        {"type": "image/webp", "srcset": srcset("webp"), "sizes": "50vw"},
    ]
    (image,) = tags.named("img")
    assert image["src"] == delivery.public_url(rendition(asset, "jpeg", 32))
    assert image["srcset"] == srcset("jpeg")
    assert (image["width"], image["height"]) == ("64", "48")
    assert image["alt"] == "A mug on a table"


def test_an_asset_without_renditions_shows_its_master() -> None:
    asset = make_asset(formats=())

    tags = Tags(render("{% imagegen_picture asset %}", asset=asset))

    assert tags.named("source") == []
    (image,) = tags.named("img")
    assert image["src"] == delivery.public_url(asset)
    assert "srcset" not in image


def test_an_image_is_lazy_unless_loaded_immediately() -> None:
    asset = make_asset()

    (lazy,) = Tags(render("{% imagegen_picture asset %}", asset=asset)).named("img")
    (first,) = Tags(render("{% imagegen_picture asset lazy=False %}", asset=asset)).named("img")

    assert (lazy.get("loading"), lazy.get("fetchpriority")) == ("lazy", None)
    assert (first.get("loading"), first.get("fetchpriority")) == (None, "high")


@pytest.mark.parametrize(
    ("fields", "given", "shown"),
    [
        ({"alt_text": "A mug"}, "", "A mug"),
        ({"alt_text": "A mug"}, 'alt="Another"', "Another"),
        ({"alt_text": "A mug"}, 'alt=""', ""),
        ({"alt_text": "", "is_decorative": True}, "", ""),
        ({"alt_text": "Kept", "is_decorative": True}, "", ""),
        ({"alt_text": "", "is_decorative": True}, 'alt="Here it tells"', "Here it tells"),
    ],
)
def test_the_alternative_text_is_the_pages_or_the_assets(
    fields: dict[str, Any], given: str, shown: str
) -> None:
    asset = make_asset(**fields)

    (image,) = Tags(render(f"{{% imagegen_picture asset {given} %}}", asset=asset)).named("img")

    assert image["alt"] == shown


@pytest.mark.parametrize("state", HIDDEN)
def test_an_unapproved_asset_is_not_shown(state: ReviewState) -> None:
    asset = make_asset(review_state=state)

    assert render("{% imagegen_picture asset %}", asset=asset) == ""
    assert render("{% imagegen_url asset %}", asset=asset) == ""


@pytest.mark.parametrize("state", HIDDEN)
def test_a_placeholder_reveals_nothing_about_its_asset(state: ReviewState) -> None:
    asset = make_asset(review_state=state)

    html = render("{% imagegen_picture asset placeholder=True %}", asset=asset)

    assert Tags(html).found == [("span", {"class": "imagegen-placeholder", "aria-hidden": "true"})]
    assert asset.sha256 not in html


def test_a_withdrawn_asset_leaves_the_page() -> None:
    asset = make_asset()
    assert render("{% imagegen_picture asset %}", asset=asset)

    review.withdraw(actor=ACTOR, asset=asset)

    assert render("{% imagegen_picture asset %}", asset=Asset.objects.get(pk=asset.pk)) == ""


@pytest.mark.parametrize("nothing", [None, "", 3, "text"])
def test_a_value_that_is_not_an_asset_shows_nothing(nothing: Any) -> None:
    for tag in ("imagegen_picture", "imagegen_url", "imagegen_label"):
        assert render(f"{{% {tag} asset %}}", asset=nothing) == ""


def test_texts_that_people_wrote_are_escaped() -> None:
    asset = make_asset(alt_text=EVIL)

    html = render(
        "{% imagegen_picture asset sizes=evil css_class=evil %}{% imagegen_label asset css_class=evil %}",
        asset=asset,
        evil=EVIL,
    )

    tags = Tags(html)
    assert tags.named("script") == []
    (image,) = tags.named("img")
    assert image["alt"] == EVIL
    assert image["sizes"] == EVIL
    assert not [name for _tag, attrs in tags.found for name in attrs if name.startswith("on")]


def test_an_image_needs_one_query_and_none_if_prefetched(django_assert_num_queries: Any) -> None:
    one = make_asset()
    make_asset()

    with django_assert_num_queries(1):
        render("{% imagegen_picture asset %}", asset=one)
    assets = list(Asset.objects.prefetch_related("renditions"))
    with django_assert_num_queries(0):
        html = render(
            "{% for a in assets %}{% imagegen_picture a %}{% imagegen_label a %}"
            "{% imagegen_url a %}{% endfor %}",
            assets=assets,
        )
    assert html.count("<picture") == 2


def test_a_preview_is_signed_and_shows_what_is_not_approved() -> None:
    asset = make_asset(review_state="pending")

    (image,) = Tags(render("{% imagegen_picture asset preview=True %}", asset=asset)).named("img")

    assert "/files/signed/" in (image["src"] or "")
    assert "/files/signed/" in (image["srcset"] or "")


def test_a_url_is_that_of_the_fitting_rendition() -> None:
    asset = make_asset()

    url = render('{% imagegen_url asset width=20 format="webp" %}', asset=asset)

    assert url == delivery.public_url(rendition(asset, "webp", 32))


def test_a_url_without_a_fitting_format_is_the_masters() -> None:
    asset = make_asset(formats=("webp",))

    assert render("{% imagegen_url asset %}", asset=asset) == delivery.public_url(asset)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (source_types.GENERATED, "AI generated"),
        (source_types.COMPOSITE, "AI modified"),
        (source_types.ENHANCED, "AI modified"),
    ],
)
def test_the_label_says_how_ai_took_part(source: str, words: str) -> None:
    asset = make_asset(digital_source_type=source)

    html = render("{% imagegen_label asset %}", asset=asset)

    assert f"</span>{words}</span>" in html
    # Plain text on the page, with a subject for those who hear it: no tooltip, no hover.
    assert '<span class="imagegen-unseen">This image: </span>' in html
    assert [set(attrs) for _tag, attrs in Tags(html).found] == [{"class"}, {"class"}]


def test_the_label_is_translatable(monkeypatch: pytest.MonkeyPatch) -> None:
    asset = make_asset()

    german = {"AI generated": "KI-generiert", "This image:": "Dieses Bild:"}
    monkeypatch.setattr(
        "django.utils.translation._trans.gettext", lambda text: german.get(text, text)
    )

    html = render("{% imagegen_label asset %}", asset=asset)

    assert '<span class="imagegen-unseen">Dieses Bild: </span>KI-generiert</span>' in html


def test_the_asset_behind_a_field_is_found() -> None:
    asset, product = make_asset(), make_product()
    place(asset, product)

    html = render(
        '{% imagegen_asset_for product "image" as found %}{{ found.pk }}', product=product
    )

    assert html == str(asset.pk)


def test_a_field_that_now_has_another_file_has_no_asset() -> None:
    asset, product = make_asset(), make_product()
    place(asset, product)
    product.image = "products/photo-by-a-person.jpg"

    assert render('{% imagegen_label_for product "image" %}', product=product) == ""


def test_a_cleared_field_has_no_asset(django_assert_num_queries: Any) -> None:
    asset, product = make_asset(), make_product()
    place(asset, product)
    product.image = ""

    with django_assert_num_queries(0):
        assert render('{% imagegen_label_for product "image" %}', product=product) == ""


def test_a_field_with_a_removed_placement_has_no_asset() -> None:
    asset, product = make_asset(), make_product()
    place(asset, product)
    placement.remove_all_from(actor=ACTOR, target=product)

    assert render('{% imagegen_label_for product "image" %}', product=product) == ""


@pytest.mark.parametrize("state", [ReviewState.APPROVED, *HIDDEN])
def test_a_copy_keeps_its_label_whatever_became_of_the_asset(state: ReviewState) -> None:
    # The field holds a copy that stays visible; without its label it would pass for a photograph.
    asset, product = make_asset(review_state=state), make_product()
    place(asset, product)

    assert "AI generated" in render('{% imagegen_label_for product "image" %}', product=product)


def test_a_relation_to_an_asset_is_found_like_a_file() -> None:
    parent, child = make_asset(), make_asset()
    link = Lineage(pk=7, child=child, parent=parent, relationship="parentOf")
    placement.record_placement(actor=ACTOR, asset=parent, target=link, field="parent")

    assert "AI generated" in render('{% imagegen_label_for link "parent" %}', link=link)
    assert render('{% imagegen_label_for link "child" %}', link=link) == ""


def test_a_field_misspelt_is_an_error_and_not_a_missing_label() -> None:
    with pytest.raises(FieldDoesNotExist):
        render('{% imagegen_label_for product "imgae" %}', product=make_product())


def test_the_labels_of_a_list_cost_one_query(django_assert_num_queries: Any) -> None:
    products = [make_product(number, image=f"products/{number}.png") for number in range(4)]
    for product in products[:3]:
        place(make_asset(formats=()), product)
    render('{% imagegen_label_for p "image" %}', p=products[0])  # content types are known now

    with django_assert_num_queries(1):
        html = render(
            '{% for p in products %}[{% imagegen_label_for p "image" among=products %}]{% endfor %}',
            products=products,
        )

    assert html.count("AI generated") == 3
    assert html.rpartition("[")[2].split() == ["]"]


def test_an_object_outside_of_the_list_is_labelled_all_the_same() -> None:
    listed, other = make_product(1), make_product(2, image="products/2.png")
    place(make_asset(), other)

    html = render('{% imagegen_label_for p "image" among=list %}', p=other, list=[listed])

    assert "AI generated" in html


def test_lists_that_come_and_go_are_not_mistaken_for_each_other() -> None:
    product = make_product()
    # The same key in two tables: only the lists tell them apart.
    shelf = Category(pk=product.pk, name="Mugs")
    placement.record_placement(
        actor=ACTOR, asset=make_asset(formats=()), target=product, field="name"
    )

    class Row:
        """A row that makes its list anew each time, as a related manager does."""

        def __init__(self, thing: Any) -> None:
            self.thing = thing

        def all(self) -> list[Any]:
            return [self.thing]

    html = render(
        '{% for r in rows %}{% imagegen_label_for r.thing "name" among=r.all %}{% endfor %}',
        rows=[Row(thing) for thing in (product, shelf) * 8],
    )

    assert html.count("AI generated") == 8


def test_the_list_may_be_empty() -> None:
    assert render('{% imagegen_label_for p "image" among=list %}', p=None, list=[]) == ""


@pytest.mark.parametrize("state", HIDDEN)
def test_a_tag_that_shows_nothing_says_why_to_developers_only(
    state: ReviewState, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    asset = make_asset(review_state=state.value)
    source = "{% imagegen_picture asset %}|{% imagegen_url asset %}"
    why = f"asset {asset.pk} is not approved, but {state.value}"

    settings.DEBUG = True
    with caplog.at_level("DEBUG", logger="imagegen.templates"):
        told = render(source, asset=asset).replace("\n", "")
    settings.DEBUG = False

    assert told == f"<!-- imagegen_picture shows nothing: {why} -->|"
    assert caplog.messages == [
        f"imagegen_picture shows nothing: {why}",
        f"imagegen_url shows nothing: {why}",
    ]
    assert render(source, asset=asset).split() == ["|"]
    assert render(source, asset=None).split() == ["|"]


def test_a_value_that_is_no_asset_is_named_by_its_type(settings: Any) -> None:
    settings.DEBUG = True

    told = render("{% imagegen_picture asset %}", asset="-->photo.jpg")

    assert told == "<!-- imagegen_picture shows nothing: the value is no Asset, but str -->"
