// <imagegen-frame width="…" height="…" step="…" anchors="…">: drag the sides of the new image, or move them
// with the arrow keys. The number fields hold what is added; without script they are all there is.

import { define } from "../lib/define.js";
import { sentence } from "../lib/html.js";
import { TABLES } from "../lib/key-tables.js";
import { actOf } from "../lib/keys.js";
import { drag, forRatio, grown } from "../lib/box.js";

const SIDES = ["left", "top", "right", "bottom"];
const OPPOSITE = { left: "right", right: "left", top: "bottom", bottom: "top" };
const OF_HANDLE = { w: "left", n: "top", e: "right", s: "bottom" };
const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const FAR = 8;
// Room for the new image, in parts of what it is now.
const LARGEST = 8192;

class Frame extends HTMLElement {
  connectedCallback() {
    this.ending = new AbortController();
    const { signal } = this.ending;
    const number = (name) => Number(this.getAttribute(name));
    this.image = { width: number("width"), height: number("height") };
    this.step = number("step") || 1;
    this.anchors = this.getAttribute("anchors").split(" ");
    this.room = this.querySelector("[data-room]");
    this.box = this.querySelector("[data-box]");
    for (const one of this.querySelectorAll("[data-needs-script]")) one.hidden = false;
    this.addEventListener("input", () => this.show(), { signal });
    this.addEventListener("click", (event) => this.choose(event), { signal });
    this.box.addEventListener("keydown", (event) => this.press(event), { signal });
    this.box.addEventListener("pointerdown", (event) => this.take(event), { signal });
    this.box.addEventListener("pointermove", (event) => this.drag(event), { signal });
    for (const type of ["pointerup", "pointercancel"]) {
      this.box.addEventListener(type, () => this.release(), { signal });
    }
    this.sizes = new ResizeObserver(() => this.show());
    this.sizes.observe(this.room);
    this.show();
  }

  disconnectedCallback() {
    this.ending.abort();
    this.sizes.disconnect();
  }

  field(side) {
    return this.querySelector(`[name=frame_${side}]`);
  }

  get added() {
    return Object.fromEntries(SIDES.map((side) => [side, Math.max(0, Number(this.field(side).value) || 0)]));
  }

  // Writes what is added into the fields, as far as the model can do it.
  set(added, handle = "") {
    // A corner moves two sides, one after the other.
    const next = [...handle].reduce((sides, letter) => this.possible(sides, OF_HANDLE[letter]), added);
    for (const side of SIDES) this.field(side).value = String(next[side]);
    this.field("left").dispatchEvent(new Event("input", { bubbles: true }));
    this.dispatchEvent(new CustomEvent("imagegen:framed", { bubbles: true, detail: next }));
  }

  // A model that knows where the image stays may extend one side alone, while the other direction is
  // extended evenly; other models extend both sides alike.
  possible(added, moved) {
    const opposite = OPPOSITE[moved];
    const [before, after] = ["top", "bottom"].includes(moved) ? ["left", "right"] : ["top", "bottom"];
    const isEvenAcross = added[before] === added[after];
    const isOneSided = isEvenAcross && this.anchors.includes(opposite) && added[opposite] === 0;
    return { ...added, [opposite]: isOneSided ? 0 : added[moved] };
  }

  show() {
    const { added } = this;
    const size = grown(this.image, added, this.step);
    const least = Math.max(size.width, size.height, 1.2 * Math.max(this.image.width, this.image.height));
    const scale = this.held?.scale ?? Math.min(this.room.clientWidth, this.room.clientHeight) / least;
    this.scale = scale;
    const set = (name, value) => this.box.style.setProperty(`--${name}`, `${value * scale}px`);
    set("width", size.width);
    set("height", size.height);
    set("left", added.left);
    set("top", added.top);
    set("image", this.image.width);
    this.querySelector("[data-size]").textContent = sentence(this.dataset.sizeText, size);
  }

  choose(event) {
    const button = event.target.closest("[data-ratio]");
    if (!button) return;
    const [across, down] = button.dataset.ratio.split(":").map(Number);
    this.set(forRatio(this.image, across / down, this.step));
  }

  press(event) {
    const { handle } = event.target.dataset;
    const act = handle && actOf(event, TABLES.frame);
    if (!act) return;
    event.preventDefault();
    const move = MOVES[event.key];
    const by = this.step * (act === "far" ? FAR : 1) * (this.step < FAR ? FAR : 1);
    this.set(this.dragged(this.added, handle, move[0] * by, move[1] * by), handle);
  }

  dragged(from, handle, dx, dy) {
    return drag(from, handle, dx, dy, { step: this.step, most: LARGEST });
  }

  take(event) {
    const { handle } = event.target.dataset;
    if (!handle || event.button !== 0) return;
    event.target.setPointerCapture(event.pointerId);
    this.held = { handle, x: event.clientX, y: event.clientY, added: this.added, scale: this.scale };
  }

  drag(event) {
    if (!this.held) return;
    const { handle, x, y, added, scale } = this.held;
    const next = this.dragged(added, handle, (event.clientX - x) / scale, (event.clientY - y) / scale);
    this.set(next, handle);
  }

  release() {
    this.held = null;
    this.show();
  }
}

define("imagegen-frame", Frame);
