// The list of a page's keys: "?" opens it and goes there, and again closes it and goes back.

import { define } from "../lib/define.js";
import { isTyping, matches } from "../lib/keys.js";

class KeyList extends HTMLElement {
  #connection;
  #before = null;

  connectedCallback() {
    this.#connection = new AbortController();
    // Within our part of the page: a key without Ctrl acts nowhere else.
    const part = this.closest(".imagegen") || this;
    part.addEventListener("keydown", this, { signal: this.#connection.signal });
  }

  disconnectedCallback() {
    this.#connection.abort();
  }

  handleEvent(event) {
    if (!matches(event, "?") || isTyping(event)) return;
    const list = this.querySelector("details");
    const summary = list.querySelector("summary");
    event.preventDefault();
    if (list.open && document.activeElement === summary) {
      list.open = false;
      if (this.#before?.isConnected) this.#before.focus();
    } else {
      this.#before = document.activeElement;
      list.open = true;
      summary.focus();
    }
  }
}

define("imagegen-key-list", KeyList);
