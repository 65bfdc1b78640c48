// The stage of the mask editor, and the small picture beside the form: image, mask, and the ring of the brush.

import { clipped, drawOps, drawStroke } from "../lib/mask/raster.js";
import { fit, keepIn, toStage, zoomAt } from "../lib/view.js";
import { canvasOf, paintOf } from "./mask-looks.js";

const MOST_PIXELS = 4_000_000;

// Draws what an editor holds: its image, history, stroke, tool, radius and cursor.
export class Board {
  constructor(editor, { stage, small, isOpen, sigma }) {
    Object.assign(this, { editor, stage, small, isOpen, sigma });
    this.canvas = canvasOf(1, 1);
    this.smallCanvas = canvasOf(1, 1);
    this.ring = document.createElement("span");
    this.ring.className = "imagegen-mask-ring";
    for (const one of [this.canvas, this.smallCanvas, this.ring]) one.setAttribute("aria-hidden", "true");
    stage.append(this.canvas, this.ring);
    small.append(this.smallCanvas);
    this.context = this.canvas.getContext("2d");
    this.sizes = new ResizeObserver(() => this.measure());
    this.sizes.observe(stage);
    this.sizes.observe(small);
  }

  end() {
    this.sizes.disconnect();
    cancelAnimationFrame(this.drawing);
    // Some browsers keep canvases for a while; an empty one costs nothing.
    for (const canvas of [this.canvas, this.smallCanvas]) {
      canvas.width = canvas.height = 1;
      canvas.remove();
    }
    this.ring.remove();
  }

  measure() {
    const { clientWidth: width, clientHeight: height } = this.stage;
    if (width && height) {
      this.room = { width, height };
      this.dense = Math.min(window.devicePixelRatio || 1, Math.sqrt(MOST_PIXELS / (width * height)));
      this.canvas.width = Math.round(width * this.dense);
      this.canvas.height = Math.round(height * this.dense);
      this.paint = paintOf(this.editor.look, this.context, this.dense);
      this.least = Math.min(fit(this.editor.image, this.room).scale, 1) / 2;
      this.show(this.view && this.isMoved ? this.view : fit(this.editor.image, this.room));
    }
    this.redraw();
  }

  // Takes over in which way the area is shown.
  dress() {
    this.stage.dataset.look = this.small.dataset.look = this.editor.look;
    this.paint = paintOf(this.editor.look, this.context, this.dense ?? 1);
    this.redraw();
  }

  show(view) {
    this.view = keepIn(view, this.editor.image, this.room);
    const { style } = this.stage;
    style.setProperty("--scale", String(this.view.scale));
    style.setProperty("--x", `${this.view.x}px`);
    style.setProperty("--y", `${this.view.y}px`);
    this.soften();
    this.redraw();
    this.point();
  }

  // As `show`, by a person: the view then stays where the stage changes its size.
  move(view) {
    this.isMoved = true;
    this.show(view);
  }

  fit() {
    this.isMoved = false;
    this.measure();
  }

  zoom(factor) {
    const middle = { x: this.room.width / 2, y: this.room.height / 2 };
    this.move(zoomAt(this.view, factor, middle, this.least));
  }

  soften() {
    const sigma = this.sigma();
    this.canvas.style.setProperty("--blur", `${sigma * (this.view?.scale ?? 0)}px`);
    this.smallCanvas.style.setProperty("--blur", `${(sigma * this.small.clientWidth) / this.editor.image.width}px`);
  }

  get inked() {
    return { scale: this.view.scale * this.dense, x: this.view.x * this.dense, y: this.view.y * this.dense };
  }

  redraw() {
    cancelAnimationFrame(this.drawing);
    this.drawing = requestAnimationFrame(() => {
      this.inking = false;
      if (this.room && this.isOpen()) {
        this.context.globalCompositeOperation = "source-over";
        this.context.clearRect(0, 0, this.canvas.width, this.canvas.height);
        drawOps(this.context, this.editor.history.ops, this.inked, this.paint, this.editor.image);
        this.inkedPoints = this.editor.stroke?.points.length ?? 0;
      }
      this.drawSmall();
    });
  }

  drawSmall() {
    const { clientWidth: width, clientHeight: height } = this.small;
    if (!width || this.isOpen()) return;
    Object.assign(this.smallCanvas, { width, height });
    const context = this.smallCanvas.getContext("2d");
    const view = { scale: width / this.editor.image.width, x: 0, y: 0 };
    drawOps(context, this.editor.history.ops, view, paintOf(this.editor.look, context, 1), this.editor.image);
  }

  // Draws what is new of the live stroke, once a frame.
  ink() {
    if (this.inking) return;
    this.inking = true;
    this.drawing = requestAnimationFrame(() => {
      this.inking = false;
      if (!this.editor.stroke || this.inkedPoints >= this.editor.stroke.points.length) return;
      clipped(this.context, this.inked, this.editor.image, () => {
        drawStroke(this.context, this.editor.stroke, this.inked, this.paint, this.inkedPoints);
      });
      this.inkedPoints = this.editor.stroke.points.length;
    });
  }

  // Shows the brush where it is.
  point() {
    if (!this.view) return;
    const at = toStage(this.view, this.editor.cursor);
    const { style } = this.ring;
    style.setProperty("--x", `${at.x}px`);
    style.setProperty("--y", `${at.y}px`);
    style.setProperty("--size", `${Math.max(6, 2 * this.editor.radius * this.view.scale)}px`);
    this.ring.classList.toggle("is-down", Boolean(this.editor.stroke));
    this.ring.classList.toggle("is-corner", this.editor.tool === "rectangle");
  }
}
