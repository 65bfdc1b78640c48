// <imagegen-recall src="…">: offers the recipe of a file that is dropped on the studio and was made here.
//
// Only files that carry an image's id in their metadata are sent; the server says what they lead to.

import { define } from "../lib/define.js";
import { parse } from "../lib/html.js";

const MARK = "xmp.did:";
const PART = 1024 * 1024;
const MOST = 3;

class Recall extends HTMLElement {
  connectedCallback() {
    this.stop = new AbortController();
    const { signal } = this.stop;
    this.seen = new Set();
    document.addEventListener("dragover", (event) => {
      // Else the browser would leave the page for the file.
      if (event.dataTransfer?.types.includes("Files")) event.preventDefault();
    }, { signal });
    document.addEventListener("drop", (event) => {
      if (!event.dataTransfer?.files.length) return;
      event.preventDefault();
      this.look([...event.dataTransfer.files]);
    }, { signal });
    document.addEventListener("imagegen:added", (event) => this.look(event.detail.files), { signal });
    this.addEventListener("click", (event) => {
      if (event.target.closest("[data-act=dismiss]")) this.replaceChildren();
    }, { signal });
  }

  disconnectedCallback() {
    this.stop.abort();
  }

  async look(files) {
    for (const file of files.slice(0, MOST)) {
      const name = `${file.name} ${file.size} ${file.lastModified}`;
      if (this.seen.has(name) || !(await isMarked(file))) continue;
      this.seen.add(name);
      const offer = await this.ask(file);
      if (!offer) continue;
      for (const one of offer.querySelectorAll("[data-needs-script]")) one.hidden = false;
      this.replaceChildren(offer);
      this.scrollIntoView({ block: "nearest" });
      return;
    }
  }

  // Resolves to what is offered for a file, or nothing.
  async ask(file) {
    const body = new FormData();
    const token = this.closest("form").elements.namedItem("csrfmiddlewaretoken").value;
    body.set("csrfmiddlewaretoken", token);
    body.set("part", "1");
    body.set("file", file);
    try {
      const response = await fetch(this.getAttribute("src"), { method: "POST", body, signal: this.stop.signal });
      return response.ok && !response.redirected ? parse(await response.text()).querySelector("[data-offer]") : null;
    } catch {
      // Without an answer there is no offer; the file is a reference all the same.
      return null;
    }
  }
}

// Metadata stands at the beginning of a file, or at its end.
async function isMarked(file) {
  const parts = file.size <= 2 * PART ? [file] : [file.slice(0, PART), file.slice(-PART)];
  for (const part of parts) {
    if (new TextDecoder("latin1").decode(await part.arrayBuffer()).includes(MARK)) return true;
  }
  return false;
}

define("imagegen-recall", Recall);
