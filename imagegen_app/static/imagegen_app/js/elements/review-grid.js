// <imagegen-review-grid>: review by keyboard. Without script, radio buttons and links do the same.

import { define } from "../lib/define.js";
import { neighbour } from "../lib/grid.js";

class ReviewGrid extends HTMLElement {
  connectedCallback() {
    this.addEventListener("keydown", (event) => this.onKey(event));
    this.addEventListener("focusin", (event) => this.onFocus(event));
    this.addEventListener("change", () => this.paint());
    this.paint();
  }

  get tiles() {
    return [...this.querySelectorAll("[data-asset]")];
  }

  onFocus(event) {
    const tile = event.target.closest("[data-asset]");
    if (!tile) return;
    for (const other of this.tiles) other.tabIndex = other === tile ? 0 : -1;
  }

  onKey(event) {
    const tile = event.target.closest("[data-asset]");
    if (!tile || event.altKey || event.metaKey) return;
    if (event.key === "Enter" && event.ctrlKey) {
      event.preventDefault();
      this.closest("form").requestSubmit();
      return;
    }
    // Radio buttons handle arrow keys themselves.
    if (event.target.matches("input")) return;
    const key = event.key.toLowerCase();
    const radio = tile.querySelector(`fieldset:not([disabled]) [data-key="${CSS.escape(key)}"]`);
    if (radio) {
      event.preventDefault();
      radio.checked = true;
      this.paint();
      if (key !== "u") this.go(tile, "next");
    } else if (event.key === " " && event.target === tile) {
      event.preventDefault();
      tile.querySelector("a").click();
    } else if (event.key.startsWith("Arrow")) {
      event.preventDefault();
      this.go(tile, event.key);
    }
  }

  go(tile, direction) {
    const boxes = this.tiles.map((t) => t.getBoundingClientRect());
    const rtl = getComputedStyle(this).direction === "rtl";
    const index = neighbour(boxes, this.tiles.indexOf(tile), direction, rtl);
    this.tiles[index].focus();
  }

  paint() {
    for (const tile of this.tiles) {
      const chosen = tile.querySelector("input:checked");
      tile.dataset.decision = chosen ? chosen.value : "";
    }
  }
}

define("imagegen-review-grid", ReviewGrid);
