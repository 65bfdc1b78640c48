// <imagegen-mask name="mask" width="…" height="…">: paint what of an image is to be changed.
// The truth is a list of operations; pixels are made of it for the screen, and in the image's own size when
// the form is sent. Numbers and check boxes stand beside it; without script the server draws these.

import { define } from "../lib/define.js";
import { sentence } from "../lib/html.js";
import { keepArea, keptArea } from "../lib/mask/kept.js";
import { fromText, History, rectOf, toText } from "../lib/mask/ops.js";
import { share, strips } from "../lib/mask/raster.js";
import { greyPng } from "../lib/png.js";
import { Board } from "./mask-board.js";
import { listenForKeys } from "./mask-keys.js";
import { canvasOf, keepLook, LOOKS, lookOf } from "./mask-looks.js";
import { listenForPointers } from "./mask-pointers.js";

const SAY_AFTER_MS = 300;

class Mask extends HTMLElement {
  static formAssociated = true;

  constructor() {
    super();
    this.internals = this.attachInternals();
  }

  connectedCallback() {
    this.ending = new AbortController();
    const { signal } = this.ending;
    this.image = { width: Number(this.getAttribute("width")), height: Number(this.getAttribute("height")) };
    this.find();
    this.history = new History(fromText(this.operations.value));
    this.tool = "brush";
    this.look = this.lookField.value = lookOf();
    this.radius = Math.max(4, Math.round(this.image.width / 24));
    this.cursor = { x: this.image.width / 2, y: this.image.height / 2 };
    this.stroke = null;
    this.corner = null;
    this.board = new Board(this, {
      stage: this.stage,
      small: this.querySelector("[data-small]"),
      isOpen: () => this.dialog.open,
      sigma: () => Number(this.feather.value) || 0,
    });
    for (const one of this.querySelectorAll("[data-needs-script]")) one.hidden = false;
    this.sizeRange.max = String(Math.round(Math.max(this.image.width, this.image.height) / 2));
    this.sizeRange.value = String(2 * this.radius);
    this.featherRange.value = this.feather.value || "0";
    this.board.dress();
    this.classList.add("is-live");
    this.addEventListener("click", (event) => this.press(event), { signal });
    this.addEventListener("input", (event) => this.input(event), { signal });
    this.dialog.addEventListener("close", () => this.closed(), { signal });
    listenForKeys(this, signal);
    listenForPointers(this, signal);
    // Before the form's own listener, which would take the second submit for a double press.
    this.internals.form?.addEventListener("submit", (event) => this.send(event), { signal, capture: true });
    this.changed({ isTold: false });
  }

  disconnectedCallback() {
    this.ending.abort();
    clearTimeout(this.telling);
    if (this.dialog.open) this.dialog.close();
    this.board.end();
  }

  find() {
    this.dialog = this.querySelector("dialog");
    this.stage = this.querySelector("[data-stage]");
    this.operations = this.querySelector("[name=mask_operations]");
    this.drawn = this.querySelector("[name=mask_drawn]");
    this.feather = this.querySelector("[name=mask_feather]");
    this.sizeRange = this.querySelector("[data-size]");
    this.featherRange = this.querySelector("[data-feather]");
    this.lookField = this.querySelector("[data-look-choice]");
  }

  open() {
    this.reload();
    this.dialog.showModal();
    this.board.fit();
    this.stage.focus();
  }

  // A draft may have filled in the list of operations after this element was there.
  reload() {
    if (!this.history.ops.length) this.history = new History(fromText(this.operations.value));
  }

  closed() {
    this.lift();
    this.board.measure();
    if (this.history.ops.length) keepArea(this.dataset.image, this.operations.value);
    this.querySelector("[data-act=open]").focus();
  }

  // Puts the brush down, or with `erase` the eraser.
  begin(place, erase = this.tool === "eraser") {
    const stroke = { kind: "stroke", erase, radius: this.radius, points: [place.x, place.y] };
    if (!this.add(stroke)) return;
    this.stroke = stroke;
    this.board.inkedPoints = 0;
    this.board.ink();
    this.board.point();
  }

  // Lifts the brush, and forgets the first corner of a rectangle.
  lift() {
    const wasDown = Boolean(this.stroke);
    this.stroke = this.corner = null;
    if (wasDown) this.changed();
    this.board.point();
  }

  add(op) {
    if (op && this.history.push(op)) return true;
    if (op) this.say(this.dataset.full);
    return false;
  }

  // Sets one corner of a rectangle, then the other.
  setCorner() {
    if (!this.corner) {
      this.corner = { ...this.cursor };
      this.say(this.dataset.corner);
      return;
    }
    this.rectangleTo(this.cursor);
  }

  rectangleTo(place) {
    this.add(rectOf(this.corner, place, this.image, false));
    this.corner = null;
    this.board.redraw();
    this.changed();
  }

  press(event) {
    const button = event.target.closest("[data-act]");
    if (!button) return;
    event.preventDefault();
    this.act(button.dataset.act);
  }

  input(event) {
    const { target } = event;
    if (target === this.lookField) this.show(target.value);
    if (target === this.sizeRange) this.radius = target.valueAsNumber / 2;
    if (target === this.featherRange) this.feather.value = target.value;
    if (target === this.feather) this.featherRange.value = target.value;
    this.board.soften();
    this.board.point();
  }

  act(what) {
    const acts = {
      open: () => this.open(),
      done: () => this.dialog.close(),
      brush: () => this.choose("brush"),
      eraser: () => this.choose("eraser"),
      rectangle: () => this.choose("rectangle"),
      smaller: () => this.resize(this.radius / 1.25),
      larger: () => this.resize(this.radius * 1.25),
      in: () => this.board.zoom(1.25),
      out: () => this.board.zoom(0.8),
      fit: () => this.board.fit(),
      invert: () => this.change({ kind: "invert" }),
      clear: () => this.change({ kind: "all", erase: true }),
      look: () => this.show(LOOKS[(LOOKS.indexOf(this.look) + 1) % LOOKS.length]),
      continue: () => this.change(null, () => (this.history = new History(fromText(keptArea(this.dataset.image))))),
      undo: () => this.change(null, () => this.history.undo()),
      redo: () => this.change(null, () => this.history.redo()),
      add: () => this.typed(false),
      remove: () => this.typed(true),
    };
    acts[what]?.();
  }

  choose(tool) {
    this.lift();
    this.tool = tool;
    for (const one of this.querySelectorAll("[data-tool]")) {
      one.setAttribute("aria-pressed", String(one.dataset.act === tool));
    }
    this.board.point();
  }

  // Shows the area in another way.
  show(look) {
    this.look = this.lookField.value = look;
    keepLook(look);
    this.board.dress();
  }

  resize(radius) {
    this.radius = Math.max(2, Math.min(radius, Number(this.sizeRange.max) / 2));
    this.sizeRange.value = String(2 * this.radius);
    this.board.point();
  }

  change(op, call = () => this.add(op)) {
    this.stroke = this.corner = null;
    call();
    this.board.redraw();
    this.changed();
  }

  // Takes over the numbers and the parts that are chosen, which then are free for the next ones.
  typed(erase) {
    const number = (name) => Number(this.querySelector(`[name=mask_${name}]`).value) || 0;
    const from = { x: number("left"), y: number("top") };
    const to = { x: from.x + number("width"), y: from.y + number("height") };
    const boxes = [...this.querySelectorAll("[name=mask_cells]:checked")];
    const [across, down] = [this.image.width / 3, this.image.height / 3];
    this.add(rectOf(from, to, this.image, erase));
    for (const box of boxes) {
      const [x, y] = [(box.value % 3) * across, Math.floor(box.value / 3) * down];
      this.add(rectOf({ x, y }, { x: x + across, y: y + down }, this.image, erase));
      box.checked = false;
    }
    const inverted = this.querySelector("[name=mask_inverted]");
    if (inverted.checked) this.add({ kind: "invert" });
    inverted.checked = false;
    for (const name of ["width", "height"]) this.querySelector(`[name=mask_${name}]`).value = "";
    this.board.redraw();
    this.changed();
  }

  // Tells the form that there is a mask, and people how much of the image it covers.
  changed({ isTold = true } = {}) {
    const { ops } = this.history;
    const isEmpty = !ops.length;
    this.operations.value = isEmpty ? "" : toText(ops);
    this.drawn.value = isEmpty ? "" : "1";
    this.querySelector("[data-act=continue]").hidden = !isEmpty || !keptArea(this.dataset.image);
    this.file = null;
    const promise = new FormData();
    promise.set("chosen_mask", "1");
    this.internals.setFormValue(isEmpty ? null : promise);
    for (const [name, list] of [["undo", ops], ["redo", this.history.undone]]) {
      for (const one of this.querySelectorAll(`[data-act=${name}]`)) {
        one.setAttribute("aria-disabled", String(!list.length));
      }
    }
    clearTimeout(this.telling);
    if (isTold || !isEmpty) this.telling = setTimeout(() => this.tell(), SAY_AFTER_MS);
  }

  tell() {
    const part = share(this.history.ops, this.image, canvasOf);
    const percent = part > 0 && part < 0.01 ? "<1" : String(Math.round(100 * part));
    const text = this.history.ops.length ? sentence(this.dataset.covered, { percent }) : this.dataset.empty;
    this.say(text);
    this.querySelector("[data-summary]").textContent = text;
    // The form prices what has changed.
    this.dispatchEvent(new Event("input", { bubbles: true }));
    this.dispatchEvent(new CustomEvent("imagegen:masked", { bubbles: true, detail: { share: part } }));
  }

  say(text) {
    this.querySelector("[data-said]").textContent = text;
  }

  async send(event) {
    this.reload();
    if (this.file || !this.history.ops.length || event.submitter?.name !== "generate") return;
    event.preventDefault();
    event.stopImmediatePropagation();
    if (this.isExporting) return;
    this.isExporting = true;
    this.querySelector("[data-summary]").textContent = this.dataset.preparing;
    const pause = () => new Promise((done) => setTimeout(done));
    const rows = strips(this.history.ops, this.image, canvasOf);
    const png = await greyPng(this.image.width, this.image.height, rows, pause);
    this.isExporting = false;
    if (!this.isConnected) return;
    this.file = new File([png], "mask.png", { type: "image/png" });
    const value = new FormData();
    value.set(this.getAttribute("name"), this.file);
    this.internals.setFormValue(value);
    // The button may have been replaced by a newer price meanwhile.
    const button = this.internals.form.elements.namedItem("generate");
    this.internals.form.requestSubmit(event.submitter.isConnected ? event.submitter : button);
  }
}

define("imagegen-mask", Mask);
