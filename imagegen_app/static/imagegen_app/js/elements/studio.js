// The studio's small elements. Without them the page works by plain forms and links.

import { debounce } from "../lib/timing.js";
import { inWords } from "../lib/clock.js";
import { draftOf, fill } from "../lib/draft.js";

const DRAFT = "imagegen-draft";

// <imagegen-recipe quote="…">: keeps the price on the button up to date while the form is filled in.
class Recipe extends HTMLElement {
  connectedCallback() {
    this.form = this.querySelector("form");
    this.classList.add("is-live");
    const ask = debounce(() => this.ask(), 350);
    this.form.addEventListener("input", ask);
    this.form.addEventListener("change", (event) => {
      if (event.target.name === "template") {
        this.form.submit();
      } else if (event.target.type === "file") {
        this.weigh(event.target);
      } else {
        ask();
      }
    });
    this.form.addEventListener("submit", (event) => this.send(event));
    // A page that comes back out of the browser's memory may be sent again.
    window.addEventListener("pageshow", () => this.form.removeAttribute("aria-busy"));
    // Chosen before this script ran, or put back by the browser.
    const shown = this.form.elements.namedItem("shown_template").value;
    if (this.form.elements.namedItem("template").value !== shown) {
      this.form.submit();
    } else {
      this.restore();
    }
  }

  // A second press while the first is under way sends nothing.
  send(event) {
    if (this.form.getAttribute("aria-busy") === "true") {
      event.preventDefault();
      return;
    }
    this.form.setAttribute("aria-busy", "true");
    sessionStorage.setItem(DRAFT, JSON.stringify(draftOf(new FormData(this.form))));
  }

  // A draft that is still here when the empty form is shown again was stopped by a sign-in.
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
    this.tell(this.dataset.restored);
    this.ask();
  }

  tell(text) {
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

  // Says at once that a file is too large, before it travels.
  weigh(input) {
    const most = Number(input.dataset.mostBytes);
    const heavy = [...input.files].find((file) => file.size > most);
    this.querySelector("[data-start-fault]").textContent = heavy
      ? input.dataset.tooLarge.replace("{name}", heavy.name)
      : "";
    if (heavy) input.value = "";
  }

  async ask() {
    this.asked?.abort();
    this.asked = new AbortController();
    const focused = this.contains(document.activeElement) && document.activeElement.name === "generate";
    const body = new FormData(this.form);
    // The price needs no uploads.
    body.delete("starts");
    try {
      const response = await fetch(this.getAttribute("quote"), {
        method: "POST",
        body,
        credentials: "same-origin",
        signal: this.asked.signal,
      });
      if (response.redirected || response.status === 403) {
        this.tell(this.dataset.signedOut);
        return;
      }
      if (!response.ok) return;
      const fresh = new DOMParser().parseFromString(await response.text(), "text/html").body;
      this.querySelector("[data-quote]").replaceChildren(...fresh.childNodes);
      if (focused) this.querySelector("[name=generate]")?.focus();
    } catch {
      // The price is asked again with the next change.
    }
  }
}

// <imagegen-clock seconds="12">: counts on by itself, so that the page need not be told.
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

// <imagegen-chosen token="…">: hands the pick to the form that opened the studio.
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

// Whatever else of the studio is shown, the request arrived.
if (!document.querySelector("imagegen-recipe")) sessionStorage.removeItem(DRAFT);

customElements.define("imagegen-recipe", Recipe);
customElements.define("imagegen-clock", Clock);
customElements.define("imagegen-chosen", Chosen);
