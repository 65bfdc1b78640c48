// <imagegen-editor lint="…">: marks the texts of a template behind their fields, and keeps the check and
// the preview up to date while somebody types. Without script the fields are plain, and a button checks.

import { debounce } from "../lib/timing.js";
import { define } from "../lib/define.js";
import { parse } from "../lib/html.js";
import { matchChildren } from "../lib/morph.js";
import { marks, offsetOf } from "../lib/template-marks.js";

const WAIT = 350;
const SAY_AFTER = 1000;
const CONDITIONS = new Set(["if", "elif", "else", "endif"]);

class Editor extends HTMLElement {
  connectedCallback() {
    this.form = this.closest("form");
    this.listeners = new AbortController();
    const { signal } = this.listeners;
    this.classList.add("is-live");
    const check = debounce(() => this.check(), WAIT);
    this.addEventListener(
      "input",
      (event) => {
        if (event.target.matches("[data-name]") || event.target.closest('[prefix="shots"]')) this.paintAll();
        else this.paint(event.target.closest("[data-source]"));
        check();
      },
      { signal },
    );
    this.addEventListener("change", check, { signal });
    this.addEventListener("click", (event) => this.onClick(event), { signal });
    this.addEventListener("imagegen:rows", () => {
      this.paintAll();
      check();
    }, { signal });
    this.form.addEventListener("reset", () => setTimeout(() => this.paintAll()), { signal });
    for (const area of this.querySelectorAll("[data-source] textarea")) {
      area.addEventListener("scroll", () => this.follow(area), { signal });
    }
    // Zoom, another width or a dragged corner: the mirror is as wide as the lines of the field.
    this.sizes = new ResizeObserver((entries) => entries.forEach((one) => this.follow(one.target)));
    for (const area of this.querySelectorAll("[data-source] textarea")) this.sizes.observe(area);
    this.paintAll();
  }

  disconnectedCallback() {
    this.listeners?.abort();
    this.sizes?.disconnect();
    clearTimeout(this.speech);
  }

  names() {
    const found = this.inputs("variables", "[data-name]").map((one) => one.value.trim());
    // A template with shots has one name more.
    const hasShots = this.inputs("shots", "textarea").some((one) => one.value.trim());
    return new Set(hasShots ? [...found, "shot"] : found);
  }

  // The inputs of the rows of one kind, without those of the row that is copied.
  inputs(prefix, which) {
    return [...this.querySelectorAll(`imagegen-rows[prefix="${prefix}"] [data-list] ${which}`)];
  }

  paintAll() {
    for (const box of this.querySelectorAll("[data-source]")) this.paint(box);
  }

  // The text again, transparent, with a mark behind each part of the language.
  paint(box) {
    if (!box) return;
    const area = box.querySelector("textarea");
    const known = this.names();
    const filters = new Set((this.dataset.filters || "").split(" "));
    const text = area.value;
    const parts = [];
    let at = 0;
    for (const one of marks(text)) {
      if (one.from > at) parts.push(text.slice(at, one.from));
      const mark = document.createElement("mark");
      mark.dataset.kind = one.kind;
      const isUnknown =
        (one.kind === "variable" && !known.has(one.name)) ||
        (one.kind === "filter" && !filters.has(one.name)) ||
        (one.kind === "condition" && !CONDITIONS.has(one.name)) ||
        one.kind === "other";
      if (isUnknown) mark.dataset.unknown = "";
      mark.textContent = text.slice(one.from, one.to);
      parts.push(mark);
      at = one.to;
    }
    // A last line that is empty has no height of its own.
    parts.push(`${text.slice(at)}\n`);
    box.querySelector("[data-mirror]").replaceChildren(...parts);
    this.follow(area);
  }

  follow(area) {
    const mirror = area.closest("[data-source]").querySelector("[data-mirror]");
    // The field decides by its text which way that runs, and on which side its scroll bar is.
    mirror.dir = getComputedStyle(area).direction;
    mirror.style.setProperty("left", `${area.offsetLeft + area.clientLeft}px`);
    mirror.style.setProperty("top", `${area.offsetTop + area.clientTop}px`);
    mirror.style.setProperty("width", `${area.clientWidth}px`);
    mirror.style.setProperty("height", `${area.clientHeight}px`);
    mirror.scrollTop = area.scrollTop;
    mirror.scrollLeft = area.scrollLeft;
  }

  onClick(event) {
    const place = event.target.closest("[data-part]");
    if (place) {
      event.preventDefault();
      this.goTo(place.dataset);
      return;
    }
    const add = event.target.closest("[data-add-name]");
    if (add) {
      event.preventDefault();
      this.querySelector('imagegen-rows[prefix="variables"]')?.add(add.dataset.addName);
      return;
    }
    if (event.target.closest("[data-check-button]")) {
      event.preventDefault();
      this.check();
    }
  }

  // Puts the caret where a problem is, or the focus into the variable that it is about.
  goTo({ part, line, column, name }) {
    if (part === "variables") {
      const inputs = this.inputs(part, "[data-name]");
      (inputs.find((one) => one.value.trim() === name) || inputs[0])?.focus();
      return;
    }
    if (part === "shots") {
      const texts = this.inputs(part, "textarea");
      const keys = this.inputs(part, "[data-key]").map((one) => one.value.trim());
      const text = texts[Math.max(0, keys.indexOf(name))];
      const section = text?.closest("details");
      if (section) section.open = true;
      text?.focus();
      return;
    }
    const area = this.form.elements.namedItem(part);
    if (!area) return;
    area.focus();
    if (Number(line) > 0) {
      const at = offsetOf(area.value, Number(line), Number(column));
      area.setSelectionRange(at, at);
    }
    area.scrollIntoView({ block: "nearest" });
  }

  async check() {
    this.asked?.abort();
    this.asked = new AbortController();
    const { signal } = this.asked;
    const box = this.querySelector("[data-check]");
    box.setAttribute("aria-busy", "true");
    try {
      const answer = await fetch(this.getAttribute("lint"), {
        method: "POST",
        body: new FormData(this.form),
        credentials: "same-origin",
        signal,
      });
      if (answer.redirected || answer.status === 401 || answer.status === 403) this.tell(this.dataset.signedOut);
      else if (!answer.ok) this.tell(this.dataset.stale);
      else {
        const fresh = parse(await answer.text());
        // Before the morph, which leaves the content of templates where it is.
        const summary = fresh.querySelector("template[data-say]")?.content.textContent || "";
        matchChildren(box, fresh);
        this.tell("");
        this.querySelector("[data-summary]").textContent = summary;
        this.say(summary);
        this.dispatchEvent(new CustomEvent("imagegen:linted", { bubbles: true }));
      }
    } catch (error) {
      if (error.name === "AbortError") return;
      this.tell(this.dataset.stale);
    }
    box.removeAttribute("aria-busy");
  }

  tell(text) {
    const problem = this.querySelector("[data-problem]");
    problem.hidden = !text;
    if (problem.textContent !== text) problem.textContent = text;
  }

  // Spoken once nothing has changed for a second, and only what is new.
  say(text) {
    clearTimeout(this.speech);
    const said = this.querySelector(".imagegen-editor-check > [data-said]");
    if (said.textContent === text) return;
    this.speech = setTimeout(() => {
      said.textContent = text;
    }, SAY_AFTER);
  }
}

define("imagegen-editor", Editor);
