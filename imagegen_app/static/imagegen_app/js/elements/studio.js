// Custom elements of the studio. Without script the page works with plain forms and links.

import { debounce } from "../lib/timing.js";
import { define } from "../lib/define.js";
import { focusFirstFault } from "../lib/focus.js";
import { TABLES } from "../lib/key-tables.js";
import { actOf } from "../lib/keys.js";
import { parse, sentence } from "../lib/html.js";
import { inWords } from "../lib/clock.js";
import { draftOf, fill } from "../lib/draft.js";
import { changedSince, withoutFiles } from "../lib/sent.js";

const DRAFT = "imagegen-draft";

// The choices that decide which fields there are.
const DECIDES_OPTIONS = new Set(["image_model", "operation"]);

// An image of the library, its role, or the list of them after one was removed.
const isReference = (target) => /^taken_\d+(_role)?$/.test(target.name) || target.matches("[data-rows]");

// <imagegen-recipe quote="…" options="…">: keeps the price on the button, and the options of the chosen
// model, up to date while the form is filled in.
class Recipe extends HTMLElement {
  connectedCallback() {
    this.form = this.querySelector("form");
    this.classList.add("is-live");
    const updateQuote = debounce(() => this.updateQuote(), 350);
    this.form.addEventListener("input", (event) => {
      if (event.target.name === "prompt") this.showLength();
      updateQuote();
    });
    this.form.addEventListener("change", (event) => {
      if (event.target.name === "template") {
        this.form.submit();
      } else if (event.target.type === "file") {
        const isTaken = this.checkSize(event.target);
        this.noticeSource();
        if (isTaken) this.updateOptions();
      } else if (DECIDES_OPTIONS.has(event.target.name) || isReference(event.target)) {
        this.noticeSource();
        this.updateOptions();
      } else {
        updateQuote();
      }
    });
    this.form.addEventListener("click", (event) => this.showRefused(event));
    this.form.addEventListener("submit", (event) => this.send(event));
    this.form.addEventListener("keydown", (event) => this.onKey(event));
    if (this.hasAttribute("kept")) focusFirstFault(this.form);
    this.noteSent();
    this.showLength();
    // A browser may have restored chosen files with the page.
    this.noticeSource();
    // A page restored from the back/forward cache may be submitted again.
    window.addEventListener("pageshow", () => this.form.removeAttribute("aria-busy"));
    // The template was chosen before this script ran, or restored by the browser.
    const shown = this.form.elements.namedItem("shown_template").value;
    if (this.form.elements.namedItem("template").value !== shown) {
      this.form.submit();
      return;
    }
    const draft = this.restore();
    const model = this.form.elements.namedItem("image_model");
    if (model && model.value !== this.form.elements.namedItem("shown_model").value) {
      // The draft was for another model, whose fields are not there yet.
      this.updateOptions().then(() => draft && fill(this.form, draft));
    }
  }

  // Models that may not be used come on demand, with their reasons.
  async showRefused(event) {
    if (!event.target.closest("[data-show-refused]")) return;
    event.preventDefault();
    const sent = withoutFiles(new FormData(this.form));
    sent.set("load", "refused");
    const fresh = await this.get("quote", sent);
    const list = fresh?.querySelector("template[data-refused-models]");
    if (!list) return;
    const place = this.querySelector("[data-refused]");
    place.replaceChildren(list.content);
    place.querySelector("[tabindex]")?.focus();
  }

  // From a text of several lines, too, where Enter begins a new one.
  onKey(event) {
    if (actOf(event, TABLES.studio) !== "generate") return;
    event.preventDefault();
    this.form.requestSubmit(this.querySelector("[name=generate]"));
  }

  // The request arrived: what was typed is no draft any more. The address says so once.
  noteSent() {
    const url = new URL(window.location.href);
    if (!url.searchParams.has("sent")) return;
    const draft = sessionStorage.getItem(DRAFT);
    sessionStorage.removeItem(DRAFT);
    // The alternatives and the sides of a grid are in no job: they stay as they were typed.
    if (draft && url.searchParams.get("sent") === "set") {
      fill(this.form, JSON.parse(draft));
      this.updateOptions();
    }
    url.searchParams.delete("sent");
    window.history.replaceState(window.history.state, "", url);
    document.getElementById("imagegen-stage-title")?.focus({ preventScroll: true });
  }

  // Ignores a second submit while the first one is running.
  send(event) {
    if (this.form.getAttribute("aria-busy") === "true") {
      event.preventDefault();
      return;
    }
    this.form.setAttribute("aria-busy", "true");
    sessionStorage.setItem(DRAFT, JSON.stringify(draftOf(new FormData(this.form))));
  }

  // A draft that still exists when the empty form is shown again was interrupted by a sign-in.
  restore() {
    const text = sessionStorage.getItem(DRAFT);
    sessionStorage.removeItem(DRAFT);
    if (!text || this.hasAttribute("kept")) return null;
    const draft = JSON.parse(text);
    if (draft.shown_template !== this.form.elements.namedItem("shown_template").value) {
      sessionStorage.setItem(DRAFT, text);
      const url = new URL(window.location.href);
      if (url.searchParams.get("template") === draft.shown_template) {
        sessionStorage.removeItem(DRAFT);
        return null;
      }
      url.searchParams.set("template", draft.shown_template);
      window.location.replace(url);
      return null;
    }
    fill(this.form, draft);
    this.showNotice(this.dataset.restored);
    this.updateQuote();
    return draft;
  }

  showNotice(text) {
    let notice = this.querySelector("[data-notice]");
    if (!notice) {
      notice = document.createElement("p");
      notice.className = "imagegen-obstacle";
      notice.dataset.notice = "";
      notice.setAttribute("role", "status");
      this.form.prepend(notice);
    }
    notice.textContent = text;
  }

  // Reports a file that is too large before it is uploaded; returns whether there is none.
  checkSize(input) {
    const maxBytes = Number(input.dataset.mostBytes);
    const tooLarge = [...input.files].find((file) => file.size > maxBytes);
    this.querySelector(`[data-upload-error="${input.name}"]`).textContent = tooLarge
      ? sentence(input.dataset.tooLarge, { name: tooLarge.name })
      : "";
    if (tooLarge) input.value = "";
    return !tooLarge;
  }

  // Offers the size of the source image only while there is one.
  noticeSource() {
    const inputs = [...this.form.querySelectorAll("input[type=file]")];
    const hasTaken = this.form.querySelector("[name^=taken_]") !== null;
    this.classList.toggle("has-source", hasTaken || inputs.some((input) => input.files.length > 0));
  }

  async updateQuote() {
    // The options come with a price; what was typed meanwhile is priced after them.
    if (this.pending?.attribute === "options") {
      this.isPriceStale = true;
      return;
    }
    const fresh = await this.ask("quote", withoutFiles(new FormData(this.form)));
    if (fresh) this.showQuote(fresh);
  }

  // Asks for the fields of the chosen model; what it does not have is told, and nothing typed is lost.
  async updateOptions() {
    const sent = withoutFiles(new FormData(this.form));
    this.isPriceStale = false;
    const fresh = await this.ask("options", sent);
    const options = fresh?.querySelector("[data-options]");
    if (!options) return;
    const typed = changedSince(sent, new FormData(this.form));
    const old = this.querySelector("[data-options]");
    const focused = old.contains(document.activeElement) ? document.activeElement.id : "";
    for (const details of old.querySelectorAll("details[open][data-section]")) {
      options.querySelector(`[data-section="${details.dataset.section}"]`)?.setAttribute("open", "");
    }
    // Only a person can choose files, so the inputs that hold some stay.
    for (const input of old.querySelectorAll("input[type=file]")) {
      if (input.files.length > 0) options.querySelector(`[name="${input.name}"]`)?.replaceWith(input);
    }
    old.replaceChildren(...options.childNodes);
    for (const [name, value] of Object.entries(typed)) {
      const field = old.querySelector(`[name="${name}"]`) && this.form.elements.namedItem(name);
      if (field && name !== "shown_model") field.value = value;
    }
    if (focused) document.getElementById(focused)?.focus();
    const changes = old.querySelector("[data-changes]");
    this.querySelector("[data-said]").textContent = changes ? changes.textContent.trim() : "";
    this.noticeSource();
    this.showLength();
    this.showQuote(fresh.querySelector("[data-quote]"));
    if (this.isPriceStale) this.updateQuote();
  }

  // How long the prompt is, beside what the chosen model takes.
  showLength() {
    const place = this.querySelector("[data-length]");
    const most = Number(this.querySelector("[data-prompt-limit]").dataset.promptLimit);
    if (!place) return;
    const count = this.form.elements.namedItem("prompt").value.trim().length;
    const text = count > most ? place.dataset.over : place.dataset.text;
    place.textContent = sentence(text, { count, most, over: count - most });
    place.classList.toggle("is-over", count > most);
  }

  showQuote(fresh) {
    for (const facts of fresh.querySelectorAll("template[data-facts]")) {
      this.querySelector(`[data-facts-of="${facts.dataset.facts}"]`)?.replaceChildren(facts.content);
      facts.remove();
    }
    const focused = this.contains(document.activeElement) && document.activeElement.name === "generate";
    this.querySelector("[data-quote]").replaceChildren(...fresh.childNodes);
    if (focused) this.querySelector("[name=generate]")?.focus();
  }

  // Sends the form to one of its addresses; resolves to the answer, or nothing if there is none.
  async ask(attribute, body) {
    this.pending?.controller.abort();
    const pending = { attribute, controller: new AbortController() };
    this.pending = pending;
    this.showPending();
    try {
      return await this.get(attribute, body, pending.controller.signal);
    } finally {
      if (this.pending === pending) this.pending = null;
      this.showPending();
    }
  }

  async get(attribute, body, signal) {
    try {
      const response = await fetch(this.getAttribute(attribute), {
        method: "POST",
        body,
        credentials: "same-origin",
        signal,
      });
      if (response.redirected || response.status === 403) {
        this.showNotice(this.dataset.signedOut);
        return null;
      }
      if (!response.ok) return null;
      const text = await response.text();
      return signal?.aborted ? null : parse(text);
    } catch {
      // The next change asks again.
      return null;
    }
  }

  // Says to screen readers which parts are about to change.
  showPending() {
    const isBusy = { options: this.pending?.attribute === "options", quote: Boolean(this.pending) };
    for (const [part, busy] of Object.entries(isBusy)) {
      this.querySelector(`[data-${part}]`)?.setAttribute("aria-busy", String(busy));
    }
  }
}

// <imagegen-clock seconds="12">: counts up by itself, without polling.
class Clock extends HTMLElement {
  connectedCallback() {
    const began = Date.now() - 1000 * Number(this.getAttribute("seconds") || 0);
    const show = () => {
      this.textContent = inWords(Math.floor((Date.now() - began) / 1000));
    };
    show();
    this.timer = setInterval(show, 1000);
  }

  disconnectedCallback() {
    clearInterval(this.timer);
  }
}

// On every other page of the studio the request has been submitted.
if (!document.querySelector("imagegen-recipe")) sessionStorage.removeItem(DRAFT);

define("imagegen-recipe", Recipe);
define("imagegen-clock", Clock);
