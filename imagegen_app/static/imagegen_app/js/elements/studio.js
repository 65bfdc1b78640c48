// Custom elements of the studio. Without script the page works with plain forms and links.

import { debounce } from "../lib/timing.js";
import { inWords } from "../lib/clock.js";
import { draftOf, fill } from "../lib/draft.js";

const DRAFT = "imagegen-draft";

// <imagegen-recipe quote="…">: keeps the price on the button up to date while the form is filled in.
class Recipe extends HTMLElement {
  connectedCallback() {
    this.form = this.querySelector("form");
    this.classList.add("is-live");
    const updateQuote = debounce(() => this.updateQuote(), 350);
    this.form.addEventListener("input", updateQuote);
    this.form.addEventListener("change", (event) => {
      if (event.target.name === "template") {
        this.form.submit();
      } else if (event.target.type === "file") {
        this.checkSize(event.target);
      } else {
        updateQuote();
      }
    });
    this.form.addEventListener("submit", (event) => this.send(event));
    // A page restored from the back/forward cache may be submitted again.
    window.addEventListener("pageshow", () => this.form.removeAttribute("aria-busy"));
    // The template was chosen before this script ran, or restored by the browser.
    const shown = this.form.elements.namedItem("shown_template").value;
    if (this.form.elements.namedItem("template").value !== shown) {
      this.form.submit();
    } else {
      this.restore();
    }
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
    if (!text || this.hasAttribute("kept")) return;
    const draft = JSON.parse(text);
    if (draft.shown_template !== this.form.elements.namedItem("shown_template").value) {
      sessionStorage.setItem(DRAFT, text);
      const url = new URL(window.location.href);
      if (url.searchParams.get("template") === draft.shown_template) {
        sessionStorage.removeItem(DRAFT);
        return;
      }
      url.searchParams.set("template", draft.shown_template);
      window.location.replace(url);
      return;
    }
    fill(this.form, draft);
    this.showNotice(this.dataset.restored);
    this.updateQuote();
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

  // Reports a file that is too large before it is uploaded.
  checkSize(input) {
    const maxBytes = Number(input.dataset.mostBytes);
    const tooLarge = [...input.files].find((file) => file.size > maxBytes);
    this.querySelector("[data-start-fault]").textContent = tooLarge
      ? input.dataset.tooLarge.replace("{name}", tooLarge.name)
      : "";
    if (tooLarge) input.value = "";
  }

  async updateQuote() {
    this.pending?.abort();
    this.pending = new AbortController();
    const focused = this.contains(document.activeElement) && document.activeElement.name === "generate";
    const body = new FormData(this.form);
    // The price does not depend on uploads.
    body.delete("starts");
    try {
      const response = await fetch(this.getAttribute("quote"), {
        method: "POST",
        body,
        credentials: "same-origin",
        signal: this.pending.signal,
      });
      if (response.redirected || response.status === 403) {
        this.showNotice(this.dataset.signedOut);
        return;
      }
      if (!response.ok) return;
      const fresh = new DOMParser().parseFromString(await response.text(), "text/html").body;
      this.querySelector("[data-quote]").replaceChildren(...fresh.childNodes);
      if (focused) this.querySelector("[name=generate]")?.focus();
    } catch {
      // The next change requests the price again.
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

// <imagegen-chosen token="…">: sends the selected image to the form that opened the studio.
class Chosen extends HTMLElement {
  connectedCallback() {
    if (window.parent === window) return;
    const pick = { type: "imagegen.chosen" };
    for (const name of ["field", "token", "asset", "preview", "alt", "review"]) {
      pick[name] = this.getAttribute(name) || "";
    }
    window.parent.postMessage(pick, window.location.origin);
  }
}

// On every other page of the studio the request has been submitted.
if (!document.querySelector("imagegen-recipe")) sessionStorage.removeItem(DRAFT);

customElements.define("imagegen-recipe", Recipe);
customElements.define("imagegen-clock", Clock);
customElements.define("imagegen-chosen", Chosen);
