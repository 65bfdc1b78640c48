"""Name what a price list can have a price for; loaded by every process of a site."""

from __future__ import annotations

from typing import Final

#: The kinds of tokens that can have a price, with what counts as each of them.
TOKEN_KINDS: dict[str, str] = {
    "input_text": "Prompts.",
    "cached_input_text": "Prompts that the provider has cached; without a price, as other prompts.",
    "input_image": "Images handed in.",
    "cached_input_image": "Such images that the provider has cached; without a price, as others.",
    "output_image": "Images of the answer.",
    "output_text": "Texts of the answer, such as a plan that the model writes before it draws.",
}
#: Further units that can have a price, with what counts as each of them.
UNIT_KINDS: dict[str, str] = {
    "megapixel": "A million pixels of the images made; it is also the estimate.",
    "credit": "The provider's own unit, as it reports them for a call.",
    "second": "A second of computing, as the provider reports them.",
    "step": "A step of drawing one image, as the server reports them.",
}
#: What a monthly allowance can be counted in: images, or a unit that can have a price.
FREE_KINDS: Final = ("image", *UNIT_KINDS)
#: Of which an image can be estimated to take some: its megapixels are known by its size.
ESTIMATED_KINDS: Final = (
    *(name for name in UNIT_KINDS if name != "megapixel"),
    *TOKEN_KINDS,
)
