// <imagegen-review-grid data-draft="…" data-failed="…">: review by keyboard, each image enlarged in its place.
// What is chosen and typed is kept over a reload until it is saved. Without script, radio buttons, fields and
// links do the same; the large image opens in a tab.

import { define } from "../lib/define.js";
import { read, write } from "../lib/grid-draft.js";
import { neighbour } from "../lib/grid.js";
import { parse } from "../lib/html.js";
import { TABLES } from "../lib/key-tables.js";
import { actOf, isTyping } from "../lib/keys.js";

class ReviewGrid extends HTMLElement {
  connectedCallback() {
    this.ending = new AbortController();
    const { signal } = this.ending;
    this.form = this.closest("form");
    this.addEventListener("keydown", (event) => this.onKey(event), { signal });
    this.addEventListener("focusin", (event) => this.onFocus(event), { signal });
    this.addEventListener("click", (event) => this.onClick(event), { signal });
    this.addEventListener("change", (event) => this.onChange(event), { signal });
    this.addEventListener("toggle", (event) => this.onToggle(event), { signal, capture: true });
    this.addEventListener("imagegen:updated", () => this.paint(), { signal });
    document.addEventListener("keydown", (event) => this.onFirstKey(event), { signal });
    this.form.addEventListener("submit", (event) => this.onSubmit(event), { signal });
    read(this.dataset.draft, this.form);
    this.paint();
  }

  disconnectedCallback() {
    this.ending?.abort();
  }

  get tiles() {
    return [...this.querySelectorAll("[data-asset]")];
  }

  onFocus(event) {
    const tile = event.target.closest("[data-asset]");
    if (!tile || tile === this.current) return;
    if (this.current) this.current.tabIndex = -1;
    else for (const other of this.tiles) other.tabIndex = -1;
    tile.tabIndex = 0;
    this.current = tile;
  }

  // A key that is pressed before any image has the focus goes to the image that is next.
  onFirstKey(event) {
    const nowhere = event.target === document.body || event.target.matches("main, [role=main]");
    if (!nowhere || !actOf(event, TABLES.review)) return;
    const tile = this.current || this.tiles[0];
    if (!tile) return;
    event.preventDefault();
    tile.focus();
  }

  onKey(event) {
    const tile = event.target.closest("[data-asset]");
    const act = tile && actOf(event, TABLES.review);
    if (!act) return;
    if (act === "save") {
      event.preventDefault();
      this.form.requestSubmit();
      return;
    }
    if (act === "back") {
      this.goBack(event, tile);
      return;
    }
    // Fields take the keys for themselves; radio buttons the arrows.
    if (isTyping(event) || (event.target.matches("input") && act === "move")) return;
    // Buttons, links and summaries are pressed by the space bar.
    if (act === "large" && event.target !== tile) return;
    if (this.carryOut(act, tile, event)) event.preventDefault();
  }

  // Escape: out of a field to its image, and back from the large image.
  goBack(event, tile) {
    if (event.target === tile && !tile.classList.contains("is-large")) return;
    event.preventDefault();
    if (event.target === tile) this.enlarge(tile, false);
    tile.focus();
  }

  // Returns whether the key did something.
  carryOut(act, tile, event) {
    if (act === "move") this.go(tile, event.key);
    else if (act === "large") this.enlarge(tile, !tile.classList.contains("is-large"));
    else if (act === "rate") return this.rate(tile, event.key);
    else if (act === "note" || act === "describe") return this.open(tile, act === "note" ? "[data-note]" : "[data-alt]");
    else if (act === "again") return this.pressAgain(tile);
    else return this.decide(tile, act);
    return true;
  }

  decide(tile, act) {
    const radio = tile.querySelector(`fieldset:not([disabled]) [data-act="${act}"]`);
    if (!radio) return false;
    radio.checked = true;
    this.changed(tile);
    if (act !== "later") this.go(tile, "next");
    return true;
  }

  rate(tile, stars) {
    const field = tile.querySelector("[data-stars]");
    if (!field) return false;
    field.value = stars;
    this.changed(tile);
    this.say(`${stars} ★`);
    return true;
  }

  // Opens the tile's fields and goes to one of them.
  open(tile, selector) {
    const field = tile.querySelector(selector);
    if (!field) return false;
    tile.querySelector("details").open = true;
    field.focus();
    return true;
  }

  pressAgain(tile) {
    const button = tile.querySelector("[data-again]");
    if (!button) return false;
    if (!tile.querySelector("[data-note]").value.trim()) {
      this.say(this.dataset.emptyNote);
      return this.open(tile, "[data-note]");
    }
    this.regenerate(button);
    return true;
  }

  go(tile, direction) {
    const { tiles } = this;
    const index = tiles.indexOf(tile);
    const to = direction === "next" ? tiles[index + 1] : tiles[this.besides(tiles, index, direction)];
    if (!to) return;
    const isLarge = tile.classList.contains("is-large");
    to.focus({ preventScroll: isLarge });
    if (isLarge) this.enlarge(to, true);
  }

  besides(tiles, index, direction) {
    const boxes = tiles.map((one) => one.getBoundingClientRect());
    return neighbour(boxes, index, direction, getComputedStyle(this).direction === "rtl");
  }

  // One image at a time is large; it stays where it is in the order of the grid.
  enlarge(tile, isLarge) {
    for (const other of this.querySelectorAll(".is-large")) if (other !== tile) this.shrink(other);
    if (!isLarge) {
      this.shrink(tile);
      return;
    }
    tile.classList.add("is-large");
    const picture = tile.querySelector("[data-large]");
    if (picture) picture.src = picture.dataset.large;
    const details = tile.querySelector("details");
    if (details) details.open = true;
    tile.scrollIntoView({ block: "start" });
  }

  shrink(tile) {
    tile.classList.remove("is-large");
    const details = tile.querySelector("details");
    if (details) details.open = false;
  }

  onClick(event) {
    const tile = event.target.closest("[data-asset]");
    if (!tile) return;
    if (event.target.closest("[data-use]")) {
      tile.querySelector("[data-alt]").value = tile.querySelector("[data-suggestion]").textContent;
      this.changed(tile);
      tile.querySelector("[data-alt]").focus();
      return;
    }
    const isPlain = !event.button && !event.metaKey && !event.ctrlKey && !event.shiftKey;
    if (isPlain && event.target.closest(".imagegen-large")) {
      event.preventDefault();
      tile.focus({ preventScroll: true });
      this.enlarge(tile, !tile.classList.contains("is-large"));
    }
  }

  onChange(event) {
    const tile = event.target.closest("[data-asset]");
    if (tile) this.changed(tile);
  }

  // The prompt comes when the fields are opened: who reads that of another person is recorded.
  async onToggle(event) {
    const place = event.target.open && event.target.querySelector?.("[data-prompt]");
    if (!place || place.childElementCount || place.dataset.isAsked) return;
    place.dataset.isAsked = "1";
    try {
      const response = await fetch(place.dataset.prompt, { credentials: "same-origin" });
      if (response.ok && !response.redirected) place.append(...parse(await response.text()).childNodes);
    } catch {
      delete place.dataset.isAsked;
    }
  }

  onSubmit(event) {
    const button = event.submitter;
    if (button?.matches("[data-again]")) {
      event.preventDefault();
      this.regenerate(button);
      return;
    }
    write(this.dataset.draft, null);
  }

  // Asks for a new image; the tile says that it is being made, and shows it when it is there.
  async regenerate(button) {
    const tile = button.closest("[data-asset]");
    if (tile.getAttribute("aria-busy") === "true") return;
    tile.setAttribute("aria-busy", "true");
    const address = new URL(location.href);
    address.searchParams.set("fragment", "1");
    try {
      const body = new FormData();
      for (const name of ["csrfmiddlewaretoken", `note-${button.value}`]) body.set(name, this.form.elements[name].value);
      body.set("regenerate", button.value);
      const response = await fetch(address, { method: "POST", body, credentials: "same-origin" });
      const fresh = parse(await response.text()).querySelector("[data-body]");
      if (response.redirected || !fresh) throw new Error("no tile");
      this.replace(tile, document.importNode(fresh, true));
    } catch {
      this.say(this.dataset.failed);
    } finally {
      tile.removeAttribute("aria-busy");
    }
  }

  replace(tile, body) {
    const isMaking = !body.hasAttribute("data-done");
    const live = isMaking ? document.createElement("imagegen-live") : null;
    live?.setAttribute("src", tile.dataset.tileUrl);
    live?.append(body);
    tile.replaceChildren(live || body);
    this.changed(tile);
    this.say(body.querySelector("[role=alert], [role=status]")?.textContent.trim() || "");
    tile.focus();
  }

  changed(tile) {
    this.mark(tile);
    clearTimeout(this.saving);
    this.saving = setTimeout(() => write(this.dataset.draft, this.form), 300);
  }

  say(text) {
    this.querySelector("[data-said]").textContent = text;
  }

  paint() {
    for (const tile of this.tiles) this.mark(tile);
  }

  mark(tile) {
    tile.dataset.decision = tile.querySelector("input[type=radio]:checked")?.value || "";
    const name = tile.querySelector("[data-stars-given]");
    if (name) name.dataset.starsGiven = tile.querySelector("[data-stars]")?.value || "0";
    for (const button of tile.querySelectorAll("[data-use]")) button.hidden = false;
  }
}

define("imagegen-review-grid", ReviewGrid);
