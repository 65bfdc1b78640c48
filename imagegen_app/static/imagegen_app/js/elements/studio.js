// The studio's small elements. Without them the page works by plain forms and links.

import { debounce } from "../lib/timing.js";
import { inWords } from "../lib/clock.js";

// <imagegen-recipe quote="…">: keeps the promise on the button true while the form is filled in.
class Recipe extends HTMLElement {
  connectedCallback() {
    this.form = this.querySelector("form");
    this.classList.add("is-live");
    const ask = debounce(() => this.ask(), 350);
    this.form.addEventListener("input", ask);
    this.form.addEventListener("change", (event) => {
      if (event.target.name === "template") {
        this.form.submit();
      } else {
        ask();
      }
    });
    this.form.addEventListener("submit", () => this.form.setAttribute("aria-busy", "true"));
  }

  async ask() {
    this.asked?.abort();
    this.asked = new AbortController();
    const focused = this.contains(document.activeElement) && document.activeElement.name === "generate";
    try {
      const response = await fetch(this.getAttribute("quote"), {
        method: "POST",
        body: new FormData(this.form),
        credentials: "same-origin",
        signal: this.asked.signal,
      });
      if (!response.ok) return;
      const fresh = new DOMParser().parseFromString(await response.text(), "text/html").body;
      this.querySelector("[data-promise]").replaceChildren(...fresh.childNodes);
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

customElements.define("imagegen-recipe", Recipe);
customElements.define("imagegen-clock", Clock);
customElements.define("imagegen-chosen", Chosen);
