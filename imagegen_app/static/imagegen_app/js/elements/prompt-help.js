// <imagegen-prompt-help src="…">: has a prompt suggested without leaving the page, and takes it over.
//
// Without script the same buttons send the whole form.

import { define } from "../lib/define.js";
import { parse } from "../lib/html.js";
import { withoutFiles } from "../lib/sent.js";

class PromptHelp extends HTMLElement {
  connectedCallback() {
    this.stop = new AbortController();
    const { signal } = this.stop;
    this.addEventListener("click", (event) => this.press(event), { signal });
    this.addEventListener("keydown", (event) => {
      // Else Enter would press the form's first button.
      if (event.key !== "Enter" || event.target.name !== "wish" || event.isComposing) return;
      event.preventDefault();
      this.ask("improve_prompt");
    }, { signal });
  }

  disconnectedCallback() {
    this.stop.abort();
  }

  press(event) {
    const button = event.target.closest("button");
    if (!button) return;
    event.preventDefault();
    if (button.name === "take_prompt") this.take();
    else if (button.dataset.act === "drop") this.drop();
    else this.ask(button.name);
  }

  async ask(name) {
    if (this.getAttribute("aria-busy") === "true") return;
    this.setAttribute("aria-busy", "true");
    const body = withoutFiles(new FormData(this.closest("form")));
    body.set(name, "1");
    try {
      const response = await fetch(this.getAttribute("src"), { method: "POST", body, signal: this.stop.signal });
      if (response.redirected) this.tell(this.dataset.signedOut);
      else if (!response.ok) this.tell(this.dataset.failed);
      else this.show(parse(await response.text()));
    } catch (error) {
      if (error.name !== "AbortError") this.tell(this.dataset.failed);
    } finally {
      this.removeAttribute("aria-busy");
    }
  }

  show(answer) {
    this.replaceChildren(...answer.childNodes);
    const suggested = this.querySelector("[data-suggested]");
    (suggested || this.querySelector("[name=wish]")).focus();
  }

  // The prompt's own field tells the draft and the price of it.
  take() {
    const prompt = this.closest("form").elements.namedItem("prompt");
    prompt.value = this.querySelector("[name=suggested_prompt]").value;
    this.querySelector("[data-suggested]").remove();
    prompt.dispatchEvent(new Event("input", { bubbles: true }));
    prompt.focus();
  }

  drop() {
    this.querySelector("[data-suggested]").remove();
    this.closest("form").elements.namedItem("prompt").focus();
  }

  tell(text) {
    const told = this.querySelector("[data-told]");
    told.classList.replace("imagegen-hidden", "imagegen-error");
    told.textContent = text;
  }
}

define("imagegen-prompt-help", PromptHelp);
