// A hint that goes away at once when it is dismissed; without script, its form loads the page anew.

import { define } from "../lib/define.js";

class Hint extends HTMLElement {
  #connection;

  connectedCallback() {
    this.#connection = new AbortController();
    this.addEventListener("submit", this, { signal: this.#connection.signal });
  }

  disconnectedCallback() {
    this.#connection.abort();
  }

  async handleEvent(event) {
    const form = event.target;
    const body = new FormData(form, event.submitter);
    event.preventDefault();
    // The answer is a redirect to this page: its cookie counts, its content is here already.
    const answer = await fetch(form.action, { method: "POST", body, redirect: "manual" }).catch(() => null);
    if (!answer || (answer.type !== "opaqueredirect" && !answer.ok)) {
      form.submit();
      return;
    }
    const heading = document.querySelector("h1") || document.querySelector("main, #content");
    this.remove();
    if (!heading) return;
    heading.tabIndex = -1;
    heading.focus();
  }
}

define("imagegen-hint", Hint);
