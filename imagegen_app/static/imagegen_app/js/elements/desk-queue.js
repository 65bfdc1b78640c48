// <imagegen-desk-queue>: arrow keys among the tiles of a view; Enter opens one, Space chooses it.

import { define } from "../lib/define.js";
import { rove } from "../lib/focus.js";
import { neighbour } from "../lib/grid.js";
import { sentence } from "../lib/html.js";
import { TABLES } from "../lib/key-tables.js";
import { actOf } from "../lib/keys.js";

class DeskQueue extends HTMLElement {
  connectedCallback() {
    this.listeners = new AbortController();
    const { signal } = this.listeners;
    this.addEventListener("keydown", (event) => this.onKey(event), { signal });
    this.addEventListener("focusin", (event) => this.links.includes(event.target) && rove(this.links, event.target), {
      signal,
    });
    this.addEventListener("change", () => this.count(), { signal });
    this.count();
    if (this.links.length) rove(this.links, this.links[0]);
  }

  disconnectedCallback() {
    this.listeners?.abort();
  }

  get links() {
    return [...this.querySelectorAll("[data-tile] > a")];
  }

  count() {
    const place = this.querySelector("[data-chosen]");
    const count = this.querySelectorAll("[name=asset]:checked").length;
    if (place && count) place.textContent = sentence(place.dataset.chosen, { count });
  }

  onKey(event) {
    const link = event.target.closest("[data-tile] > a");
    const act = link && actOf(event, TABLES.queue);
    if (act === "choose") {
      const box = link.closest("[data-tile]").querySelector("input[type=checkbox]");
      if (!box) return;
      event.preventDefault();
      box.checked = !box.checked;
      box.dispatchEvent(new Event("change", { bubbles: true }));
    } else if (act === "move") {
      event.preventDefault();
      const boxes = this.links.map((one) => one.getBoundingClientRect());
      const rtl = getComputedStyle(this).direction === "rtl";
      const index = neighbour(boxes, this.links.indexOf(link), event.key, rtl);
      this.links[index].focus();
    }
  }
}

define("imagegen-desk-queue", DeskQueue);
