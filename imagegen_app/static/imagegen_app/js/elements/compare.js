// <imagegen-compare>: one image over the other with a line between them, beside each other, or subtracted.
// Both are moved and enlarged together. Without script they stand side by side.

import { define } from "../lib/define.js";
import { TABLES } from "../lib/key-tables.js";
import { actOf, isTyping } from "../lib/keys.js";
import { movable } from "../lib/stage.js";
import { zoomAt } from "../lib/view.js";

const FACTORS = { in: 1.25, out: 0.8 };

class Compare extends HTMLElement {
  connectedCallback() {
    this.ending = new AbortController();
    const { signal } = this.ending;
    this.pair = this.querySelector("[data-pair]");
    this.tools = this.querySelector("[data-tools]");
    this.tools.hidden = false;
    this.classList.add("is-live");
    this.addEventListener("input", () => this.show(), { signal });
    this.addEventListener("keydown", (event) => this.press(event), { signal });
    for (const figure of this.pair.querySelectorAll("[data-side]")) {
      const getView = () => this.placed(figure);
      movable(figure, { getView, show: (view) => this.move(view), signal });
    }
    const { width, height } = this.pair.querySelector("img").attributes;
    this.style.setProperty("--ratio", String(width.value / height.value));
    this.view = { scale: 1, x: 0, y: 0 };
    this.show();
  }

  disconnectedCallback() {
    this.ending.abort();
  }

  get mode() {
    return this.tools.querySelector("[name=mode]:checked").value;
  }

  // The view counts from the place where the page puts the image.
  placed(figure) {
    const { offsetWidth: width, offsetHeight: height } = figure.querySelector("img");
    const size = { width, height };
    return { view: this.view, image: size, stage: size, least: 1 };
  }

  move(view) {
    this.view = view.scale <= 1 ? { scale: 1, x: 0, y: 0 } : view;
    this.style.setProperty("--scale", String(this.view.scale));
    this.style.setProperty("--x", `${this.view.x}px`);
    this.style.setProperty("--y", `${this.view.y}px`);
  }

  show() {
    const { mode } = this;
    this.dataset.mode = mode;
    for (const name of ["split", "gain"]) {
      this.style.setProperty(`--${name}`, this.tools.querySelector(`[name=${name}]`).value);
    }
    for (const range of this.tools.querySelectorAll("[data-for]")) range.hidden = range.dataset.for !== mode;
    this.dispatchEvent(new CustomEvent("imagegen:compared", { bubbles: true, detail: { mode } }));
  }

  press(event) {
    const act = isTyping(event) ? undefined : actOf(event, TABLES.compare);
    if (!act) return;
    event.preventDefault();
    if (FACTORS[act]) {
      const { offsetWidth, offsetHeight } = this.pair.querySelector("img");
      this.move(zoomAt(this.view, FACTORS[act], { x: offsetWidth / 2, y: offsetHeight / 2 }, 1));
    } else if (act === "fit") {
      this.move({ scale: 1, x: 0, y: 0 });
    } else {
      this.tools.querySelector(`[value=${act}]`).checked = true;
      this.show();
    }
  }
}

define("imagegen-compare", Compare);
