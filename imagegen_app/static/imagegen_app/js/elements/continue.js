// <imagegen-continue>: sends the form in it again by itself, for work that is done set by set.
//
// The pause leaves time to read how far it is, and to press what stops it.

import { define } from "../lib/define.js";

const PAUSE = 600;

class Continue extends HTMLElement {
  connectedCallback() {
    const stop = () => clearTimeout(this.timer);
    this.querySelector("a")?.addEventListener("click", stop);
    this.querySelector("form")?.addEventListener("submit", stop);
    this.timer = setTimeout(() => this.querySelector("form")?.requestSubmit(), PAUSE);
  }

  disconnectedCallback() {
    clearTimeout(this.timer);
  }
}

define("imagegen-continue", Continue);
