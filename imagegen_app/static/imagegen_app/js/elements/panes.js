// <imagegen-panes>: shows one of a page's parts at a time where there is no room for all of them.
//
// Its links (".imagegen-pane-tabs a") lead to the parts by their ids; which one is shown is the page's address
// (#stage), so that Back works. Without script all parts are there, one below the other.

import { define } from "../lib/define.js";

class Panes extends HTMLElement {
  connectedCallback() {
    this.listeners = new AbortController();
    const { signal } = this.listeners;
    window.addEventListener("hashchange", () => this.show(), { signal });
    // What has to be corrected must be seen.
    this.addEventListener("invalid", (event) => this.reveal(event.target), { signal, capture: true });
    this.show();
  }

  disconnectedCallback() {
    this.listeners.abort();
  }

  get links() {
    return [...this.querySelectorAll(".imagegen-pane-tabs a")];
  }

  show() {
    const [first] = this.links;
    const current = this.links.find((link) => link.hash === window.location.hash) || first;
    for (const link of this.links) {
      if (link === current) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    }
    this.dataset.shown = current.hash.slice(1);
  }

  reveal(field) {
    const part = field.closest("[data-pane-part]");
    if (part && part.dataset.panePart !== this.dataset.shown) window.location.hash = part.id;
  }
}

define("imagegen-panes", Panes);
