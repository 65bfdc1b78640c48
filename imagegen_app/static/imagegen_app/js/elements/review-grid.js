// <imagegen-review-grid>: review by keyboard. Without script, radio buttons and links do the same.

import { define } from "../lib/define.js";
import { neighbour } from "../lib/grid.js";
import { TABLES } from "../lib/key-tables.js";
import { actOf } from "../lib/keys.js";

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
    const act = tile && actOf(event, TABLES.review);
    if (!act) return;
    if (act === "save") {
      event.preventDefault();
      this.closest("form").requestSubmit();
      return;
    }
    // Radio buttons handle arrow keys themselves.
    if (event.target.matches("input")) return;
    const radio = tile.querySelector(`fieldset:not([disabled]) [data-act="${act}"]`);
    if (radio) {
      event.preventDefault();
      radio.checked = true;
      this.paint();
      if (act !== "later") this.go(tile, "next");
    } else if (act === "large" && event.target === tile) {
      event.preventDefault();
      tile.querySelector("a").click();
    } else if (act === "move") {
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
