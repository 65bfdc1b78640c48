"""What the CMS pages of the demo shop say."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PageText:
    """One page: where it stands, and the text of each placeholder."""

    key: str
    title: str
    summary: str
    bodies: dict[str, str]
    template: str = "pages/article.html"
    parent: str = ""
    in_navigation: bool = True
    is_home: bool = False


PAGES: tuple[PageText, ...] = (
    PageText(
        key="home",
        title="Haus & Hain",
        summary="Forty quiet things for the house, made by people we have met.",
        template="pages/home.html",
        in_navigation=False,
        is_home=True,
        bodies={
            "intro": (
                "<h1>Things that are glad to stay</h1>"
                "<p>Mugs, lamps, chairs and blankets from small workshops. Forty things, not four "
                "thousand: each one we use at home before it comes into the shop.</p>"
            ),
            "content": (
                "<h2>A shop by the wood</h2>"
                "<p>Haus &amp; Hain began in 2014 as a shelf in a pottery in the Westerwald. The "
                "shelf became a room, the room became a barn, and the barn has had a parcel "
                "counter since 2019. We still answer the telephone ourselves.</p>"
                "<p>Whatever breaks, we mend or replace the part: handles, cords, lids, feet. "
                "That is why every product page names what the thing is made of.</p>"
            ),
        },
    ),
    PageText(
        key="journal",
        title="Journal",
        summary="Notes from the barn: makers, materials and mending.",
        bodies={
            "content": (
                "<p>Once a month one of us visits somebody who makes our things, or takes apart "
                "something that came back broken. What we learn is written down here.</p>"
            ),
        },
    ),
    PageText(
        key="a-day-at-the-kiln",
        title="A day at the kiln",
        summary="How the Morgen mug gets its rim, and why one in nine never reaches the shop.",
        parent="journal",
        bodies={
            "content": (
                "<p>The kiln is lit at four in the morning, so that it is hot when the birds start "
                "and cool enough to open by dusk. Jule Reuter has done this twice a month for "
                "eighteen years. She still looks through the spyhole every half-hour.</p>"
                "<h2>The rim decides</h2>"
                "<p>A mug is thrown in three minutes and rimmed in one. It is the one that counts: "
                "too thick and it feels like a flower pot, too thin and it chips in the first "
                "week. Jule presses the rim with a strip of chamois until it is as round as a "
                "drop about to fall.</p>"
                "<h2>One in nine</h2>"
                "<p>From 180 mugs, about twenty stay at the pottery. A bubble in the glaze, a foot "
                "that rocks. They are not thrown away; if you pass through Höhr, ask for the low "
                "shelf behind the door.</p>"
            ),
        },
    ),
    PageText(
        key="mending-a-paper-cord-seat",
        title="Mending a paper-cord seat",
        summary="A Wiese chair can be rewoven at the kitchen table in one long evening.",
        parent="journal",
        bodies={
            "content": (
                "<p>Paper cord lasts some thirty years, less with a cat. When it goes, it goes at "
                "the front edge, and the chair is not finished at all: the seat can be rewoven in "
                "one long evening.</p>"
                "<h2>What you need</h2>"
                "<ul><li>120 metres of unbleached cord, three-ply (we send it wound)</li>"
                "<li>a wooden mallet and forty small tacks</li>"
                "<li>somebody who keeps the tension while you pour tea</li></ul>"
                "<h2>How it goes</h2>"
                "<p>Cut the old seat out from below. Start at the back left corner, go over the "
                "front rail, and keep every turn touching the last. Dampen the cord a little; it "
                "tightens while it dries, and the first person to sit on it will hear it creak. "
                "That is how it should be.</p>"
            ),
        },
    ),
    PageText(
        key="about",
        title="About us",
        summary="Seven people, one barn, and a rule about what comes into the shop.",
        bodies={
            "content": (
                "<p>We are seven people in a barn between Koblenz and the wood that gave the shop "
                "the second half of its name. Four of us pack, two choose, one repairs, and "
                "everybody makes coffee.</p>"
                "<h2>What comes into the shop</h2>"
                "<p>A thing is used for three months in one of our kitchens, hallways or gardens. "
                "If nobody misses it when it is taken away, we do not sell it.</p>"
                "<h2>About our pictures</h2>"
                "<p>Some pictures on this site are made with the help of image generators: a mug "
                "on a table it has never stood on, in a light we could not wait for. Each of them "
                "is labelled, was approved by one of us before you saw it, and carries signed "
                "content credentials in its file. The product itself is always described as it "
                "is.</p>"
                "<h2>Come by</h2>"
                "<p>Thursday to Saturday, ten to six. There is a bench outside for whoever would "
                "rather not look at lamps.</p>"
            ),
        },
    ),
)
