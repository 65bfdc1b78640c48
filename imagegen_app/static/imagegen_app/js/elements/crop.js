// <imagegen-crop>: two ranges hold the focal point; a press on the image sets both, and small crops show
// what stays visible. Without script the ranges and the button are enough.

import { define } from "../lib/define.js";

class Crop extends HTMLElement {
  connectedCallback() {
    this.ending = new AbortController();
    const { signal } = this.ending;
    [this.across, this.down] = ["focal_x", "focal_y"].map((name) => this.querySelector(`[name=${name}]`));
    this.area = this.querySelector("[data-area]");
    this.querySelector("[data-point]").hidden = false;
    this.querySelector("[data-crops]").hidden = false;
    this.classList.add("is-live");
    this.addEventListener("input", () => this.show(), { signal });
    this.area.addEventListener("pointerdown", (event) => this.press(event), { signal });
    this.area.addEventListener("pointermove", (event) => event.buttons && this.set(event), { signal });
    this.show();
  }

  disconnectedCallback() {
    this.ending.abort();
  }

  press(event) {
    if (event.button !== 0) return;
    event.preventDefault();
    this.area.setPointerCapture(event.pointerId);
    this.set(event);
  }

  set(event) {
    const box = this.area.getBoundingClientRect();
    const percent = (part) => String(Math.round(100 * Math.max(0, Math.min(1, part))));
    this.across.value = percent((event.clientX - box.left) / box.width);
    this.down.value = percent((event.clientY - box.top) / box.height);
    this.show();
    const detail = { x: this.across.valueAsNumber, y: this.down.valueAsNumber };
    this.dispatchEvent(new CustomEvent("imagegen:framed", { bubbles: true, detail }));
  }

  show() {
    this.style.setProperty("--x", `${this.across.value}%`);
    this.style.setProperty("--y", `${this.down.value}%`);
  }
}

define("imagegen-crop", Crop);
