// <imagegen-rows prefix="…" most="…">: rows of a form that are added, removed and moved without a new page.
// Without script there is one empty row more than filled ones, a button for another, and a box to remove.

import { define } from "../lib/define.js";
import { heir } from "../lib/focus.js";
import { sentence } from "../lib/html.js";

const NUMBER = /__n__/g;

class Rows extends HTMLElement {
  connectedCallback() {
    this.list = this.querySelector("[data-list]");
    this.total = this.querySelector("[data-total]");
    this.listeners = new AbortController();
    const { signal } = this.listeners;
    this.classList.add("is-live");
    this.addEventListener("click", (event) => this.onClick(event), { signal });
    this.addEventListener("input", (event) => this.onInput(event), { signal });
    // The row that is there for people without script.
    const last = this.rows().at(-1);
    if (last && this.rows().length > 1 && this.isEmpty(last)) last.remove();
    this.renumber();
  }

  disconnectedCallback() {
    this.listeners?.abort();
  }

  rows() {
    return [...this.list.children].filter((one) => one.matches("[data-row]"));
  }

  isEmpty(row) {
    return [...row.querySelectorAll("input[type=text], textarea")].every((one) => !one.value.trim());
  }

  onClick(event) {
    const row = event.target.closest("[data-row]");
    if (event.target.closest("[data-add]")) {
      event.preventDefault();
      this.add("");
    } else if (event.target.closest("[data-remove]")) this.remove(row);
    else if (event.target.closest("[data-up]")) this.move(row, -1, "[data-up]");
    else if (event.target.closest("[data-down]")) this.move(row, 1, "[data-down]");
  }

  onInput(event) {
    if (event.target.matches("[data-name]")) this.entitle(event.target.closest("[data-row]"));
  }

  // Adds a row; a row that is empty still is used before a new one.
  add(name) {
    const empty = this.rows().find((row) => this.isEmpty(row));
    if (!empty && this.rows().length >= Number(this.getAttribute("most"))) {
      this.say(this.dataset.full);
      return;
    }
    const row = empty || this.copy();
    const input = row.querySelector("[data-name]");
    if (name) input.value = name;
    this.renumber();
    row.scrollIntoView({ block: "nearest" });
    (name ? row.querySelector("[data-kind]") : input).focus();
    this.say(sentence(this.dataset.added, { number: this.rows().indexOf(row) + 1 }));
    this.changed();
  }

  copy() {
    const number = Number(this.total.value);
    this.total.value = String(number + 1);
    const copy = this.querySelector(":scope > template").content.cloneNode(true);
    for (const one of copy.querySelectorAll("[id], [name], [for]")) {
      for (const attribute of ["id", "name", "for"]) {
        const value = one.getAttribute(attribute);
        if (value) one.setAttribute(attribute, value.replace(NUMBER, String(number)));
      }
    }
    const row = copy.querySelector("[data-row]");
    this.list.append(copy);
    return row;
  }

  remove(row) {
    const next = heir(this.rows(), row);
    row.remove();
    this.renumber();
    const stop = next ? next.querySelector("[data-remove]") : this.querySelector("[data-add]");
    stop.focus();
    this.say(this.dataset.removed);
    this.changed();
  }

  move(row, by, button) {
    const rows = this.rows();
    const to = rows.indexOf(row) + by;
    if (to < 0 || to >= rows.length) return;
    if (by < 0) rows[to].before(row);
    else rows[to].after(row);
    this.renumber();
    const same = row.querySelector(button);
    (same.disabled ? row.querySelector("[data-up]:enabled, [data-down]:enabled") : same)?.focus();
    this.say(sentence(this.dataset.moved, { number: to + 1 }));
    this.changed();
  }

  renumber() {
    const rows = this.rows();
    rows.forEach((row, index) => {
      row.querySelector("[data-order]").value = String(index + 1);
      for (const one of row.querySelectorAll("[data-up], [data-down], [data-remove]")) one.hidden = false;
      row.querySelector("[data-up]").disabled = index === 0;
      row.querySelector("[data-down]").disabled = index === rows.length - 1;
      this.entitle(row);
    });
  }

  entitle(row) {
    const name = row.querySelector("[data-name]").value.trim();
    const number = this.rows().indexOf(row) + 1;
    row.querySelector("legend").textContent = name || sentence(this.dataset.number, { number });
  }

  say(text) {
    this.querySelector(":scope > [data-said]").textContent = text;
  }

  changed() {
    this.dispatchEvent(new CustomEvent("imagegen:rows", { bubbles: true }));
  }
}

define("imagegen-rows", Rows);
