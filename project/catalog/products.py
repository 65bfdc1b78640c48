"""The shop's stock: what `project.seed` puts on the shelves."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Shelf:
    """One category; its slug also names its drawing in `site/shapes.svg`."""

    slug: str
    name: str
    code: str
    items: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class Item:
    """One product as the buyer wrote it down; the price is in euros."""

    name: str
    colour: str
    material: str
    price: str
    description: str


SHELVES: tuple[Shelf, ...] = (
    Shelf(
        "mugs",
        "Mugs & bowls",
        "MUG",
        (
            Item(
                "Morgen mug",
                "oat",
                "stoneware",
                "24.00",
                "Holds a generous morning coffee and sits warm in both hands. Thrown in Westerwald, glazed inside, raw clay at the foot.",
            ),
            Item(
                "Flint espresso cup",
                "charcoal",
                "stoneware",
                "16.50",
                "Two gulps and a thick wall that keeps them hot. Stacks five high without a wobble.",
            ),
            Item(
                "Halde breakfast bowl",
                "sage",
                "stoneware",
                "29.00",
                "Deep enough for porridge, wide enough for soup. The glaze breaks to brown along the rim.",
            ),
            Item(
                "Nebel tea cup",
                "mist blue",
                "porcelain",
                "27.00",
                "Fine porcelain without a handle; the double rim stays cool while the tea does not.",
            ),
            Item(
                "Krume enamel mug",
                "cream",
                "enamelled steel",
                "14.00",
                "The one that may fall off the picnic bench. Light, chip-resistant, happy on a camp stove.",
            ),
        ),
    ),
    Shelf(
        "lamps",
        "Lamps",
        "LMP",
        (
            Item(
                "Lichtung table lamp",
                "sand",
                "linen and oak",
                "139.00",
                "A linen shade on a turned oak foot, with a dimmer in the cable where your hand finds it.",
            ),
            Item(
                "Kiesel bedside lamp",
                "clay",
                "ceramic",
                "89.00",
                "A pebble with a light in it. Low, warm and impossible to knock over in the dark.",
            ),
            Item(
                "Birke floor lamp",
                "natural",
                "birch plywood",
                "219.00",
                "Three slender legs and one quiet joint. The head tilts for reading and turns to the wall for company.",
            ),
            Item(
                "Dachs desk lamp",
                "forest green",
                "powder-coated steel",
                "119.00",
                "A counterweighted arm that stays where you leave it, and a shade that never blinds the person opposite.",
            ),
            Item(
                "Mond paper pendant",
                "ivory",
                "washi paper",
                "64.00",
                "A hand-pasted paper globe, sixty centimetres across, that makes even a corridor kind.",
            ),
        ),
    ),
    Shelf(
        "chairs",
        "Chairs & stools",
        "CHR",
        (
            Item(
                "Wiese dining chair",
                "natural",
                "oak and paper cord",
                "289.00",
                "A seat woven from 120 metres of paper cord. Sits firm at first and better each year.",
            ),
            Item(
                "Spross stool",
                "moss",
                "painted beech",
                "98.00",
                "Stool, side table, step to the top shelf. Three legs, so it never rocks on old floors.",
            ),
            Item(
                "Ufer lounge chair",
                "rust",
                "oak and wool",
                "749.00",
                "Low arms, a deep seat and a wool cover that zips off. For the second half of a long book.",
            ),
            Item(
                "Giebel bench",
                "dark brown",
                "walnut",
                "429.00",
                "Room for two by the door, with a rail beneath for shoes. Wedged joints and no screws.",
            ),
            Item(
                "Linse garden chair",
                "mist blue",
                "aluminium",
                "169.00",
                "Weighs under three kilos, stacks, and does not mind a winter outside.",
            ),
        ),
    ),
    Shelf(
        "bags",
        "Bags & baskets",
        "BAG",
        (
            Item(
                "Markt tote",
                "ecru",
                "organic canvas",
                "39.00",
                "Heavy canvas with a flat base, so bottles stand and bread stays whole.",
            ),
            Item(
                "Pendel backpack",
                "charcoal",
                "waxed cotton",
                "148.00",
                "For the train at 7:12: laptop against the back, lunch upright, rain on the outside.",
            ),
            Item(
                "Hamster harvest basket",
                "honey",
                "willow",
                "56.00",
                "Woven in Upper Franconia from unpeeled willow. Carries apples, logs or a week of laundry.",
            ),
            Item(
                "Falter pouch",
                "terracotta",
                "felted wool",
                "22.00",
                "One piece of felt, folded twice and closed with a leather tab. For cables, pencils or tea.",
            ),
            Item(
                "Fernweh weekender",
                "cognac",
                "vegetable-tanned leather",
                "289.00",
                "Three days of clothes and one pair of shoes. The leather darkens with every trip.",
            ),
        ),
    ),
    Shelf(
        "bottles",
        "Bottles & carafes",
        "BTL",
        (
            Item(
                "Quelle carafe",
                "clear",
                "borosilicate glass",
                "34.00",
                "A litre of tap water, made to look like an occasion. The stopper doubles as a glass.",
            ),
            Item(
                "Rinnsal bottle",
                "sage",
                "stainless steel",
                "32.00",
                "Half a litre, hot for twelve hours. The lid opens with one thumb and shuts with a click.",
            ),
            Item(
                "Tropfen oil bottle",
                "olive",
                "stoneware",
                "28.00",
                "Keeps oil in the dark where it belongs. A steel spout pours a thread, and stops.",
            ),
            Item(
                "Bernstein decanter",
                "amber",
                "mouth-blown glass",
                "72.00",
                "Blown without a mould in the Bavarian Forest, so each stands a little differently.",
            ),
            Item(
                "Vorrat storage jar",
                "clear",
                "glass and cork",
                "19.50",
                "Flour, beans, coffee. The cork is cut on a taper and still fits after years.",
            ),
        ),
    ),
    Shelf(
        "textiles",
        "Blankets & linen",
        "TEX",
        (
            Item(
                "Wolke throw",
                "ivory",
                "lambswool",
                "129.00",
                "Woven loosely and brushed twice. Covers one person completely or two of them grudgingly.",
            ),
            Item(
                "Acker linen tablecloth",
                "flax",
                "washed linen",
                "94.00",
                "Stone-washed until no one thinks of ironing it. Seats six, forgives red wine.",
            ),
            Item(
                "Moos cushion",
                "moss",
                "wool velvet",
                "58.00",
                "A feather cushion in a velvet that looks different from every side of the room.",
            ),
            Item(
                "Ziegel kitchen towel",
                "brick",
                "linen and cotton",
                "17.00",
                "Half linen, half cotton: one dries the glasses, the other the hands.",
            ),
            Item(
                "Dämmer bed linen",
                "dusk grey",
                "cotton percale",
                "119.00",
                "Cool, crisp, with hidden buttons. The grey is the one the sky has just before the lamps go on.",
            ),
        ),
    ),
    Shelf(
        "vases",
        "Vases & pots",
        "VAS",
        (
            Item(
                "Halm bud vase",
                "white",
                "porcelain",
                "26.00",
                "For a single stem and no more. Matt outside, so fingerprints stay away.",
            ),
            Item(
                "Lehm floor vase",
                "terracotta",
                "earthenware",
                "139.00",
                "Knee-high, unglazed, heavy. Dry grasses stand in it as though they had grown there.",
            ),
            Item(
                "Garten plant pot",
                "olive",
                "recycled terracotta",
                "36.00",
                "Fired from the potter's own broken ware. Breathes, as roots like it, and brings its saucer.",
            ),
            Item(
                "Welle vase",
                "mist blue",
                "mouth-blown glass",
                "68.00",
                "A soft fold in the glass turns tulips the way they want to lean anyway.",
            ),
            Item(
                "Kontor pen pot",
                "charcoal",
                "cast iron",
                "31.00",
                "A kilo of iron for eleven pencils. It will be on the desk after you are.",
            ),
        ),
    ),
    Shelf(
        "tables",
        "Tables & shelves",
        "TBL",
        (
            Item(
                "Tafel dining table",
                "natural",
                "oak",
                "1290.00",
                "Two metres of solid oak on a frame that leaves every knee alone. Oiled, so it can be mended.",
            ),
            Item(
                "Tablett side table",
                "forest green",
                "powder-coated steel",
                "149.00",
                "The top lifts off and goes to the kitchen with the cups still on it.",
            ),
            Item(
                "Leiter wall shelf",
                "pale",
                "birch plywood",
                "179.00",
                "Five boards between two rails; they hang at any height, without tools.",
            ),
            Item(
                "Schatten console",
                "dark brown",
                "walnut",
                "549.00",
                "Twenty-eight centimetres deep, for the hallways that have no room. One drawer for the keys.",
            ),
            Item(
                "Würfel nesting boxes",
                "honey",
                "pine",
                "84.00",
                "Three boxes that stack into a shelf, or travel inside each other when you move.",
            ),
        ),
    ),
)
