// <imagegen-selection data-key="…">: what is selected in a grid, over pages and reloads.
//
// The keys are kept in this browser's session under data-key, the filter of the list, and sent as one field:
// a form takes a limited number of them. Shift selects a range. data-chosen is the sentence with {count},
// data-total the one for all that the filter finds.

import { define } from "../lib/define.js";
import { sentence } from "../lib/html.js";

const MOST = 10_000;

class Selection extends HTMLElement {
  connectedCallback() {
    this.listeners = new AbortController();
    const { signal } = this.listeners;
    this.form = this.closest("form");
    this.name = `imagegen-selection:${this.dataset.key}`;
    this.keys = new Set(stored(this.name));
    this.form.addEventListener("click", (event) => this.click(event), { signal });
    this.form.addEventListener("change", (event) => this.change(event), { signal });
    this.form.addEventListener("imagegen:paged", () => this.show(), { signal });
    this.form.addEventListener("submit", () => this.send(), { signal });
    window.addEventListener("pageshow", () => this.show(), { signal });
    this.show();
  }

  disconnectedCallback() {
    this.listeners?.abort();
  }

  get boxes() {
    return [...this.form.querySelectorAll("[name=pick]")];
  }

  click(event) {
    if (event.target.closest("[data-clear]")) {
      this.keys.clear();
      this.querySelector("[data-all]").checked = false;
      this.keep();
      this.form.querySelector("[data-tile]")?.focus();
      return;
    }
    if (!event.target.matches("[name=pick]")) return;
    const boxes = this.boxes;
    const [from, to] = [boxes.indexOf(this.last), boxes.indexOf(event.target)].sort((a, b) => a - b);
    if (event.shiftKey && from >= 0) {
      for (const box of boxes.slice(from, to + 1)) this.mark(box, event.target.checked);
      this.keep();
    }
    this.last = event.target;
  }

  change(event) {
    if (event.target.matches("[name=pick]")) this.mark(event.target, event.target.checked);
    this.keep();
  }

  mark(box, isChosen) {
    if (!isChosen) this.keys.delete(box.value);
    else if (this.keys.size < MOST) this.keys.add(box.value);
  }

  keep() {
    try {
      sessionStorage.setItem(this.name, JSON.stringify([...this.keys]));
    } catch {
      // The browser keeps nothing: the selection lasts as long as the page.
    }
    this.show();
  }

  show() {
    for (const box of this.boxes) {
      box.checked = this.keys.has(box.value);
      box.closest("[data-tile]").classList.toggle("is-chosen", box.checked);
    }
    const isAll = this.querySelector("[data-all]").checked;
    this.classList.toggle("is-idle", !this.keys.size && !isAll);
    const text = isAll ? this.dataset.total : sentence(this.dataset.chosen, { count: this.keys.size });
    const said = this.querySelector("[data-count]");
    if (said.textContent !== text) said.textContent = text;
    this.querySelector("[data-clear]").hidden = !this.keys.size && !isAll;
    this.classList.add("is-ready");
  }

  send() {
    this.form.querySelector("[data-picked]").value = [...this.keys].join(",");
  }
}

function stored(name) {
  try {
    return JSON.parse(sessionStorage.getItem(name) || "[]");
  } catch {
    return [];
  }
}

define("imagegen-selection", Selection);
