// <imagegen-seed>: draws a new seed, and copies the one that is there.

import { define } from "../lib/define.js";
import { sentence } from "../lib/html.js";

const LARGEST = 2 ** 31 - 1;

class Seed extends HTMLElement {
  connectedCallback() {
    this.stop = new AbortController();
    this.field = this.querySelector("input");
    for (const one of this.querySelectorAll("[data-needs-script]")) one.hidden = this.field.disabled;
    this.addEventListener("click", (event) => this.press(event), { signal: this.stop.signal });
  }

  disconnectedCallback() {
    this.stop.abort();
  }

  async press(event) {
    const act = event.target.closest("[data-act]")?.dataset.act;
    if (act === "draw") {
      this.field.value = String(crypto.getRandomValues(new Uint32Array(1))[0] % LARGEST);
      this.field.dispatchEvent(new Event("input", { bubbles: true }));
      this.tell(sentence(this.dataset.drawn, { seed: this.field.value }));
    } else if (act === "copy" && this.field.value) {
      await this.copy();
      this.tell(this.dataset.copied);
    }
  }

  // The clipboard is there on secure pages alone; a selection can always be copied.
  async copy() {
    try {
      await navigator.clipboard.writeText(this.field.value);
    } catch {
      this.field.select();
    }
  }

  tell(text) {
    this.querySelector("[data-told]").textContent = text;
  }
}

define("imagegen-seed", Seed);
