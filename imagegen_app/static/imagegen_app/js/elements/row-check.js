// <imagegen-row-check>: has the server check the next rows of a planned batch until all are checked.
//
// The form around it is sent as it was rendered; the answer takes the place of the content. A form that was
// changed since is left alone: its preview is no longer what is shown. Without script a button does the same.

import { define } from "../lib/define.js";
import { parse } from "../lib/html.js";
import { matchChildren } from "../lib/morph.js";

class RowCheck extends HTMLElement {
  connectedCallback() {
    this.listeners = new AbortController();
    const { signal } = this.listeners;
    this.form = this.closest("form");
    if (!this.form) return;
    this.sent = new FormData(this.form);
    this.form.addEventListener("input", () => this.listeners.abort(), { signal });
    this.form.addEventListener("submit", () => this.listeners.abort(), { signal });
    this.continue(signal);
  }

  disconnectedCallback() {
    this.listeners?.abort();
  }

  async continue(signal) {
    while (!signal.aborted && !this.querySelector("[data-done]")) {
      this.sent.set("check", this.querySelector("[name=check]")?.value || "");
      this.sent.set("part", "1");
      const answer = await this.ask(signal);
      if (!answer || signal.aborted) return;
      matchChildren(this, answer);
    }
  }

  // The next part, or null where the server does not answer with one: the button stays.
  async ask(signal) {
    try {
      const response = await fetch(window.location.pathname + window.location.search, {
        method: "POST",
        body: this.sent,
        credentials: "same-origin",
        signal,
      });
      if (!response.ok || response.redirected) return null;
      const body = parse(await response.text());
      return body.querySelector(":scope > [name=check]") ? body : null;
    } catch {
      return null;
    }
  }
}

define("imagegen-row-check", RowCheck);
