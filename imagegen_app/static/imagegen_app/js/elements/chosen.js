import { define } from "../lib/define.js";

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

define("imagegen-chosen", Chosen);
