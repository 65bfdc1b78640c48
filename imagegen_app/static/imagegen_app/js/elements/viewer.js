// <imagegen-viewer>: shows the image of a page large in a dialog, and its neighbours by the arrow keys.
// Without script the image is a link to its file.

import { define } from "../lib/define.js";
import { sentence } from "../lib/html.js";
import { TABLES } from "../lib/key-tables.js";
import { actOf } from "../lib/keys.js";
import { movable } from "../lib/stage.js";
import { fit, keepIn, whole, zoomAt } from "../lib/view.js";

const STEP = 64;
const ARROWS = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

class Viewer extends HTMLElement {
  connectedCallback() {
    this.ending = new AbortController();
    const { signal } = this.ending;
    this.opener = this.querySelector("[data-open]");
    this.dialog = this.querySelector("dialog");
    this.stage = this.querySelector("[data-stage]");
    this.picture = this.querySelector("[data-picture]");
    this.images = [...this.querySelectorAll("[data-images] > li")];
    this.opener.addEventListener("click", (event) => this.open(event), { signal });
    this.opener.addEventListener("keydown", (event) => actOf(event, TABLES.result) === "large" && this.open(event), { signal });
    const act = (event) => this.act(event.target.closest("[data-act]")?.dataset.act);
    this.dialog.addEventListener("click", act, { signal });
    this.dialog.addEventListener("keydown", (event) => this.press(event), { signal });
    this.dialog.addEventListener("close", () => this.closed(), { signal });
    this.stage.addEventListener("dblclick", () => this.act(this.isFitted ? "whole" : "fit"), { signal });
    this.sizes = new ResizeObserver(() => this.dialog.open && this.measure());
    this.sizes.observe(this.stage);
    const getView = () => ({ view: this.view, image: this.image, stage: this.room, least: this.least });
    movable(this.stage, { getView, show: (view) => this.show(view), signal });
  }

  disconnectedCallback() {
    this.ending.abort();
    this.sizes.disconnect();
    if (this.dialog.open) this.dialog.close();
  }

  open(event) {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    this.index = Math.max(0, this.images.findIndex((one) => one.dataset.key === this.opener.dataset.key));
    this.load(this.opener);
    this.dialog.showModal();
    this.measure();
    this.stage.focus();
  }

  load(one) {
    const { large, width, height } = one.dataset;
    this.image = { width: Number(width), height: Number(height) };
    this.picture.src = large;
    this.picture.width = this.image.width;
    this.picture.height = this.image.height;
  }

  // Goes to another image of the turn: the page follows when the dialog closes.
  go(by) {
    if (this.images.length < 2) return;
    this.index = (this.index + by + this.images.length) % this.images.length;
    const one = this.images[this.index];
    this.load(one);
    this.measure();
    this.querySelector("[data-said]").textContent = one.dataset.alt;
  }

  closed() {
    const one = this.images[this.index];
    if (one && one.dataset.key !== this.opener.dataset.key) window.location.assign(one.dataset.page);
    else this.opener.focus();
    this.dispatchEvent(new CustomEvent("imagegen:closed", { bubbles: true }));
  }

  measure() {
    this.room = { width: this.stage.clientWidth, height: this.stage.clientHeight };
    const fitted = fit(this.image, this.room);
    this.least = Math.min(fitted.scale, 1) / 2;
    this.show(fitted);
    this.isFitted = true;
  }

  show(view) {
    this.view = view;
    this.isFitted = false;
    const { style } = this.stage;
    style.setProperty("--scale", String(view.scale));
    style.setProperty("--x", `${view.x}px`);
    style.setProperty("--y", `${view.y}px`);
    const percent = Math.round(100 * view.scale);
    this.querySelector("[data-scale]").textContent = sentence(this.dataset.scaleText, { percent });
  }

  act(what) {
    const middle = { x: this.room?.width / 2, y: this.room?.height / 2 };
    const zoom = (factor) => this.show(keepIn(zoomAt(this.view, factor, middle, this.least), this.image, this.room));
    const acts = {
      in: () => zoom(1.25),
      out: () => zoom(0.8),
      fit: () => this.measure(),
      whole: () => this.show(whole(this.image, this.room)),
      next: () => this.go(1),
      previous: () => this.go(-1),
      close: () => this.dialog.close(),
    };
    acts[what]?.();
  }

  press(event) {
    const act = actOf(event, TABLES.viewer);
    if (!act || (event.key === " " && event.target.closest("button"))) return;
    event.preventDefault();
    if (act === "on") this.arrow(event.key, ARROWS[event.key]);
    else this.act(act);
  }

  // Arrows lead on while the whole image is seen, and move it when it is larger.
  arrow(key, [dx, dy]) {
    if (!this.isFitted) {
      const view = { ...this.view, x: this.view.x + dx * STEP, y: this.view.y + dy * STEP };
      this.show(keepIn(view, this.image, this.room));
      return;
    }
    const isMirrored = getComputedStyle(this).direction === "rtl";
    if (dx) this.go((key === "ArrowRight") === isMirrored ? -1 : 1);
  }
}

define("imagegen-viewer", Viewer);
