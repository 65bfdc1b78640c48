// <imagegen-key-list data-signs="{…}">: the keys of a page. "?" opens the list and closes it, and so does a
// button with data-show-keys. The rows are the server's; their keys come from the tables that the elements act by.

import { define } from "../lib/define.js";
import { TABLES } from "../lib/key-tables.js";
import { isTyping, matches } from "../lib/keys.js";

const ARROW_SIGNS = { ArrowLeft: "←", ArrowRight: "→" };
// The key of "+" without Shift: a second way that nobody has to know.
const UNSHIFTED = "=";

class KeyList extends HTMLElement {
  connectedCallback() {
    this.ending = new AbortController();
    const { signal } = this.ending;
    this.dialog = this.querySelector("dialog");
    this.signs = JSON.parse(this.dataset.signs);
    if (/Mac|iP/.test(navigator.platform)) this.signs.mod = "⌘";
    for (const section of this.querySelectorAll("[data-table]")) this.fill(section);
    // Within our part of the page: a key without Ctrl acts nowhere else.
    const part = this.closest(".imagegen") || this;
    part.addEventListener("keydown", (event) => this.press(event), { signal });
    part.addEventListener("click", (event) => this.click(event), { signal });
  }

  disconnectedCallback() {
    this.ending.abort();
    if (this.dialog.open) this.dialog.close();
  }

  fill(section) {
    const table = TABLES[section.dataset.table];
    for (const row of section.querySelectorAll("[data-act]")) {
      const place = row.querySelector("dt");
      place.replaceChildren();
      for (const key of table[row.dataset.act] ?? []) if (key !== UNSHIFTED) place.append(...this.drawn(key), " ");
    }
  }

  // A key as it is written on a keyboard, with those that are held with it.
  drawn(key) {
    return (key === "+" ? [key] : key.split("+")).flatMap((part, index) => {
      const sign = document.createElement("kbd");
      sign.textContent = this.signOf(part);
      return index ? ["+", sign] : [sign];
    });
  }

  signOf(key) {
    const isMirrored = getComputedStyle(this).direction === "rtl";
    const other = { ArrowLeft: "ArrowRight", ArrowRight: "ArrowLeft" }[key];
    return ARROW_SIGNS[isMirrored && other ? other : key] ?? this.signs[key] ?? key.toUpperCase();
  }

  press(event) {
    if (event.defaultPrevented || isTyping(event) || !matches(event, "?")) return;
    event.preventDefault();
    if (this.dialog.open) this.dialog.close();
    else this.open(event.target);
  }

  click(event) {
    if (event.target.closest("[data-show-keys]")) this.open(event.target);
  }

  // In a dialog of its own keys, the list holds those alone.
  open(from) {
    const near = from.closest("[data-keys]")?.dataset.keys;
    for (const section of this.querySelectorAll("[data-table]")) {
      section.hidden = Boolean(near) && section.dataset.table !== near;
    }
    this.dialog.showModal();
  }
}

define("imagegen-key-list", KeyList);
