// <imagegen-stars data-said-text="…" data-failed="…">: saves the stars when they are chosen, and by the keys
// 1 to 5 while the focus is in the page's content. Without script the form has a button.

import { define } from "../lib/define.js";
import { sentence } from "../lib/html.js";
import { TABLES } from "../lib/key-tables.js";
import { actOf, isTyping } from "../lib/keys.js";

class Stars extends HTMLElement {
  connectedCallback() {
    this.ending = new AbortController();
    const { signal } = this.ending;
    this.form = this.querySelector("form");
    this.querySelector("[data-save]").hidden = true;
    this.form.addEventListener("change", () => this.save(), { signal });
    this.form.addEventListener("submit", (event) => this.send(event), { signal });
    const page = this.closest(".imagegen-page") ?? this;
    page.addEventListener("keydown", (event) => this.press(event), { signal });
  }

  disconnectedCallback() {
    this.ending.abort();
  }

  press(event) {
    const isRating = !isTyping(event) && actOf(event, TABLES.result) === "rate";
    const star = isRating && this.querySelector(`[value="${event.key}"]`);
    // In the viewer the key 1 shows each pixel.
    if (!star || event.target.closest("dialog, imagegen-mask")) return;
    event.preventDefault();
    star.checked = true;
    this.save();
  }

  send(event) {
    if (event.submitter?.value !== "0") return;
    event.preventDefault();
    for (const star of this.form.elements.namedItem("stars")) star.checked = false;
    this.form.querySelector("[type=radio]").focus();
    this.save(0);
  }

  async save(stars = Number(this.querySelector(":checked")?.value ?? 0)) {
    const body = new FormData(this.form);
    body.set("stars", String(stars));
    this.pending?.abort();
    this.pending = new AbortController();
    const signal = AbortSignal.any([this.pending.signal, this.ending.signal]);
    let isSaved = false;
    try {
      const answer = await fetch(this.form.action, { method: "POST", body, signal, redirect: "manual" });
      isSaved = answer.type === "opaqueredirect" || answer.ok;
    } catch {
      if (signal.aborted) return;
    }
    this.querySelector("[data-none]").hidden = stars === 0;
    const text = isSaved ? this.dataset.saidText : this.dataset.failed;
    this.querySelector("[data-said]").textContent = sentence(text, { stars });
    this.classList.toggle("is-failed", !isSaved);
    if (isSaved) this.dispatchEvent(new CustomEvent("imagegen:rated", { bubbles: true, detail: { stars } }));
  }
}

define("imagegen-stars", Stars);
