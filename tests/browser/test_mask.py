"""The mask editor by mouse, by fingers and by keys alone: the picture that arrives is what was drawn."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest
from django.urls import reverse
from PIL import Image

from imagegen_app.models import Job, JobInput
from imagegen_app.services.gateways import storage
from imagegen_app.testing.factories import make_asset
from tests.browser.site import barriers

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.browser
SIZE = (1024, 768)
_OPERATIONS = """document.querySelector("imagegen-mask").history.ops.map(
  (op) => op.kind + (op.erase ? ", erasing" : ""))"""
#: The colours of two neighbouring places that are painted.
_PAINTED = """(() => { const canvas = document.querySelector("dialog [data-stage] canvas");
  const at = (by) => [...canvas.getContext("2d").getImageData(canvas.width / 2 + by, canvas.height / 2, 1, 1).data];
  return [at(0), at(6)]; })()"""


@pytest.fixture
def editor(page: Any, live_server: Any, own_job: Job) -> Callable[..., Any]:
    """Open the studio with an image of the editor's own, to retouch an area of it."""
    asset = make_asset(job=own_job, size=SIZE, widths=(512,))

    def opened() -> Any:
        studio = f"{live_server.url}{reverse('admin:imagegen_studio')}"
        page.goto(
            f"{studio}?from={asset.pk}&operation=inpaint&image_model={own_job.image_model_id}"
        )
        page.fill("[name=prompt]", "a red sun")
        return page

    return opened


def stage(page: Any) -> dict[str, float]:
    """Open the dialog to paint in, and return where its image stands on the screen."""
    page.click("[data-act=open]")
    page.locator("dialog [data-stage] canvas").wait_for()
    box: dict[str, float] = page.locator("dialog [data-stage] img").evaluate(
        "e => { const b = e.getBoundingClientRect(); return {x: b.x, y: b.y, scale: b.width / e.width} }"
    )
    return box


def sent(page: Any) -> Image.Image:
    """Send the form, and return the mask as it is kept with the job."""
    before = Job.objects.count()
    page.locator("[data-quote] .imagegen-generate", has_text="USD").click()
    page.wait_for_url(lambda url: "again=" in url)
    job = Job.objects.latest("created_at")
    assert (Job.objects.count(), job.operation) == (before + 1, "inpaint")
    stored = JobInput.objects.get(job=job, role="mask")
    assert page.complaints == []
    return Image.open(io.BytesIO(storage.get(stored.storage_key)))


def said(page: Any, text: str) -> None:
    page.locator("dialog [data-said]", has_text=text).wait_for()


def share(mask: Image.Image) -> float:
    histogram = mask.histogram()
    return sum(value * count for value, count in enumerate(histogram)) / 255 / sum(histogram)


def test_a_rectangle_and_a_stroke_by_mouse(editor: Callable[..., Any]) -> None:
    page = editor()
    at = stage(page)

    page.click("dialog [data-act=rectangle]")
    page.mouse.move(at["x"] + 100 * at["scale"], at["y"] + 100 * at["scale"])
    page.mouse.down()
    page.mouse.move(at["x"] + 356 * at["scale"], at["y"] + 300 * at["scale"])
    page.mouse.up()
    page.click("dialog [data-act=eraser]")
    page.mouse.move(at["x"] + 200 * at["scale"], at["y"] + 50 * at["scale"])
    page.mouse.down()
    page.mouse.move(at["x"] + 200 * at["scale"], at["y"] + 350 * at["scale"], steps=8)
    page.mouse.up()
    said(page, "% of the image is masked")
    faults = barriers(page)
    page.click("[data-act=done]")
    focused = page.evaluate("document.activeElement.dataset.act")
    mask = sent(page)

    assert faults == []
    assert focused == "open"
    assert (mask.format, mask.mode, mask.size) == ("PNG", "L", SIZE)
    assert (mask.getpixel((110, 200)), mask.getpixel((345, 290))) == (255, 255)
    assert (mask.getpixel((200, 200)), mask.getpixel((600, 400))) == (0, 0)


def test_by_keys_alone_and_undone(editor: Callable[..., Any]) -> None:
    page = editor()
    keys = page.keyboard
    page.focus("[data-act=open]")
    keys.press("Enter")
    page.locator("dialog [data-stage] canvas").wait_for()
    assert page.evaluate("document.activeElement.dataset.stage") == ""

    for key in ("r", "Enter", "Alt+ArrowRight", "Alt+ArrowDown", "Enter"):
        keys.press(key)
    said(page, "2 % of the image")
    for key in ("b", "[", "Space", "ArrowLeft", "ArrowLeft", "Space"):
        keys.press(key)
    drawn = page.evaluate("document.querySelector('imagegen-mask').history.ops.map((o) => o.kind)")
    for key in ("i", "Control+z", "Control+z", "Control+Shift+z", "Control+z"):
        keys.press(key)
    said(page, "2 % of the image")
    keys.press("Escape")
    page.locator(".imagegen-mask-dialog").wait_for(state="hidden")
    mask = sent(page)

    assert drawn == ["rect", "stroke"]
    assert mask.histogram()[255] == 128 * 128
    assert mask.getpixel((SIZE[0] // 2 + 1, SIZE[1] // 2 + 1)) == 255


def test_two_fingers_pinch_and_one_paints(editor: Callable[..., Any]) -> None:
    page = editor()
    at = stage(page)
    hand = page.context.new_cdp_session(page)
    middle = (at["x"] + 512 * at["scale"], at["y"] + 384 * at["scale"])

    def touch(kind: str, *fingers: tuple[float, float]) -> None:
        points = [
            {"x": middle[0] + x, "y": middle[1] + y, "id": number}
            for number, (x, y) in enumerate(fingers)
        ]
        hand.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    touch("touchStart", (-40, 0))
    touch("touchStart", (-40, 0), (40, 0))
    for step in range(1, 9):
        touch("touchMove", (-40 - 5 * step, 0), (40 + 5 * step, 0))
    touch("touchEnd")
    pinched = page.evaluate(
        "(e => [e.history.ops.length, e.board.view.scale])(document.querySelector('imagegen-mask'))"
    )
    touch("touchStart", (0, 0))
    for step in range(1, 9):
        touch("touchMove", (10 * step, 5 * step))
    touch("touchEnd")
    said(page, "% of the image is masked")
    page.click("[data-act=done]")
    mask = sent(page)

    assert pinched[0] == 0
    assert 1.8 < pinched[1] / at["scale"] < 2.2
    assert mask.getpixel((512, 384)) == 255
    assert 0 < share(mask) < 0.2


def test_numbers_are_added_to_what_is_painted_and_the_edge_is_soft(
    editor: Callable[..., Any],
) -> None:
    page = editor()
    page.click("summary:has-text('In numbers')")

    for name, value in (("left", 0), ("top", 0), ("width", 512), ("height", 768), ("feather", 20)):
        page.fill(f"[name=mask_{name}]", str(value))
    page.click("details [data-act=add]")
    page.locator("[data-summary]", has_text="50 % of the image is masked").wait_for()
    mask = sent(page)

    assert 100 < mask.crop((512, 300, 513, 301)).tobytes()[0] < 156
    assert (mask.getpixel((400, 300)), mask.getpixel((640, 300))) == (255, 0)


def test_a_refused_form_keeps_what_was_painted(editor: Callable[..., Any]) -> None:
    page = editor()
    page.click("summary:has-text('In numbers')")
    page.check("[name=mask_cells][value='4']", force=True)
    page.click("details [data-act=add]")
    page.locator("[data-summary]", has_text="11 % of the image is masked").wait_for()

    page.fill("[name=prompt]", "")
    page.locator("[data-quote] button").click()
    page.wait_for_load_state()
    page.locator("[data-summary]", has_text="11 % of the image is masked").wait_for()
    page.fill("[name=prompt]", "a red sun")
    mask = sent(page)

    assert abs(share(mask) - 1 / 9) < 0.01


def test_it_leaves_nothing_behind_when_it_comes_and_goes(editor: Callable[..., Any]) -> None:
    page = editor()
    measured = page.context.new_cdp_session(page)
    measured.send("Performance.enable")

    def listeners() -> int:
        page.evaluate("window.gc?.()")
        measured.send("HeapProfiler.collectGarbage")
        metrics = measured.send("Performance.getMetrics")["metrics"]
        return next(int(m["value"]) for m in metrics if m["name"] == "JSEventListeners")

    come_and_go = """n => { const mask = document.querySelector('imagegen-mask');
        const next = mask.nextSibling, form = mask.parentNode;
        for (let i = 0; i < n; i++) { mask.remove(); form.insertBefore(mask, next); } }"""
    page.evaluate(come_and_go, 1)
    before = listeners()
    page.evaluate(come_and_go, 30)

    assert listeners() <= before
    assert page.locator("dialog [data-stage] canvas").count() == 1


def test_a_pen_paints_and_the_hand_that_holds_it_does_not(editor: Callable[..., Any]) -> None:
    page = editor()
    at = stage(page)
    hand = page.context.new_cdp_session(page)
    middle = (at["x"] + 512 * at["scale"], at["y"] + 384 * at["scale"])

    def pen(kind: str, x: float, y: float) -> None:
        is_down = kind != "mouseReleased"
        event = {"type": kind, "x": middle[0] + x, "y": middle[1] + y, "pointerType": "pen"}
        held = {"button": "left", "buttons": int(is_down), "clickCount": 1, "force": 0.5}
        hand.send("Input.dispatchMouseEvent", {**event, **held})

    pen("mousePressed", -50, 0)
    for step in range(1, 9):
        pen("mouseMoved", -50 + 12 * step, 0)
    pen("mouseReleased", 46, 0)
    # The palm comes down at once: it moves the view and paints nothing.
    palm = [{"x": middle[0], "y": middle[1] + 60, "id": 1}]
    hand.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": palm})
    palm[0]["y"] += 20
    hand.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": palm})
    hand.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    painted = page.evaluate(_OPERATIONS)
    # A pen's other end: what browsers tell of it, since no protocol plays it.
    page.evaluate(
        """([x, y]) => { const stage = document.querySelector("dialog [data-stage]");
        stage.setPointerCapture = () => {};
        for (const [type, by] of [["pointerdown", 0], ["pointermove", 30], ["pointerup", 30]])
          stage.dispatchEvent(new PointerEvent(type, { pointerId: 9, pointerType: "pen", bubbles: true,
            button: type === "pointermove" ? -1 : 5, buttons: type === "pointerup" ? 0 : 32,
            clientX: x + by, clientY: y })); }""",
        list(middle),
    )

    assert painted == ["stroke"]
    assert page.evaluate(_OPERATIONS) == ["stroke", "stroke, erasing"]


def test_the_area_is_shown_in_several_ways_and_the_choice_is_kept(
    editor: Callable[..., Any],
) -> None:
    page = editor()
    stage(page)
    page.keyboard.press("i")
    colours = []

    for _ in range(3):
        page.evaluate("() => new Promise(requestAnimationFrame)")
        colours.append(page.evaluate(_PAINTED))
        page.keyboard.press("l")
    page.select_option("[data-look-choice]", "colour")
    faults = barriers(page)
    page.reload()
    stage(page)

    assert len({str(colour) for colour in colours}) == 3
    assert page.input_value("[data-look-choice]") == "colour"
    assert faults == []


def test_an_area_is_continued_on_another_day(editor: Callable[..., Any]) -> None:
    page = editor()
    stage(page)
    for key in ("r", "Enter", "Alt+ArrowRight", "Alt+ArrowDown", "Enter"):
        page.keyboard.press(key)
    said(page, "2 % of the image")
    page.click("[data-act=done]")
    page.evaluate("sessionStorage.clear()")

    page = editor()
    offered = page.locator("[data-act=continue]")
    before = page.evaluate(_OPERATIONS)
    offered.click()
    page.locator("[data-summary]", has_text="2 % of the image is masked").wait_for()

    assert before == []
    assert not offered.is_visible()
    assert sent(page).histogram()[255] == 128 * 128


def test_keys_are_listed_over_the_editor(editor: Callable[..., Any]) -> None:
    page = editor()
    stage(page)

    page.keyboard.press("?")
    dialog = page.get_by_role("dialog", name="Keys")
    rows = dialog.locator("section:visible [data-act]")
    shown = dict(
        zip(rows.locator("dt").all_inner_texts(), rows.locator("dd").all_inner_texts(), strict=True)
    )
    faults = barriers(page)
    page.keyboard.press("?")
    dialog.wait_for(state="hidden")

    assert shown["B"] == "Brush"
    assert shown["Shift+Arrow keys"] == "Move it a little"
    assert shown["Ctrl+Shift+Z Ctrl+Y"] == "Redo"
    assert shown["+"] == "Enlarge"
    assert all(shown)
    assert faults == []
    assert page.evaluate("document.activeElement.dataset.stage") == ""
