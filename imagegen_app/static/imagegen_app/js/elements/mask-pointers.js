// Mouse, fingers and pens on the stage of the mask editor: one paints, two pinch, the wheel enlarges.

import { isFar, spacing } from "../lib/mask/ops.js";
import { pinch, toImage, zoomAt } from "../lib/view.js";

// A stroke that is no longer than this was the first finger of two.
const YOUNG_POINTS = 20;
// For so long after a pen was seen, fingers are the hand that holds it.
const PALM_MS = 800;
const MIDDLE_BUTTON = 1;
const ERASER_BUTTON = 5;
const ERASER_BUTTONS = 32;

export function listenForPointers(editor, signal) {
  const hands = new Hands(editor);
  const on = (type, call, options) => editor.stage.addEventListener(type, call, { signal, ...options });
  on("pointerdown", (event) => hands.down(event));
  on("pointermove", (event) => hands.move(event));
  on("pointerup", (event) => hands.up(event));
  on("pointercancel", (event) => hands.up(event));
  on("wheel", (event) => hands.wheel(event), { passive: false });
  on("contextmenu", (event) => event.preventDefault());
}

class Hands {
  constructor(editor) {
    this.editor = editor;
    this.pointers = new Map();
    this.isPanning = false;
    this.penSeen = -Infinity;
  }

  at(event) {
    const box = this.editor.stage.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  }

  down(event) {
    const { editor } = this;
    if (event.button > MIDDLE_BUTTON && event.button !== ERASER_BUTTON) return;
    editor.stage.setPointerCapture(event.pointerId);
    editor.stage.focus({ preventScroll: true });
    this.pointers.set(event.pointerId, this.at(event));
    if (event.pointerType === "pen") this.penSeen = event.timeStamp;
    if (this.pointers.size > 1) {
      this.becomePinch();
      return;
    }
    const isPalm = event.pointerType === "touch" && event.timeStamp - this.penSeen < PALM_MS;
    if (isPalm || event.button === MIDDLE_BUTTON) {
      this.isPanning = true;
      return;
    }
    editor.cursor = toImage(editor.board.view, this.at(event));
    if (editor.tool === "rectangle") {
      editor.corner = { ...editor.cursor };
      editor.board.point();
    } else if (event.buttons & ERASER_BUTTONS) {
      editor.begin(editor.cursor, true);
    } else {
      editor.begin(editor.cursor);
    }
  }

  // The second finger takes a young stroke back: it was the begin of a pinch.
  becomePinch() {
    const { editor } = this;
    if (!editor.stroke || editor.stroke.points.length / 2 > YOUNG_POINTS) return;
    editor.history.drop();
    editor.stroke = null;
    editor.board.redraw();
  }

  move(event) {
    const { editor } = this;
    const last = this.pointers.get(event.pointerId);
    const here = this.at(event);
    if (last && this.pointers.size > 1 && !editor.stroke) {
      const [, other] = [...this.pointers].find(([id]) => id !== event.pointerId);
      editor.board.move(pinch(editor.board.view, [last, other], [here, other], editor.board.least));
    } else if (last && this.isPanning) {
      const { view } = editor.board;
      editor.board.move({ ...view, x: view.x + here.x - last.x, y: view.y + here.y - last.y });
    } else if (last && editor.stroke && this.pointers.keys().next().value === event.pointerId) {
      this.paint(event);
    }
    if (last) this.pointers.set(event.pointerId, here);
    if (editor.board.view) editor.cursor = toImage(editor.board.view, here);
    editor.board.point();
  }

  paint(event) {
    const { editor } = this;
    const least = spacing(editor.radius, editor.board.view.scale);
    const all = event.getCoalescedEvents?.() ?? [];
    for (const one of all.length ? all : [event]) {
      const place = toImage(editor.board.view, this.at(one));
      if (isFar(editor.stroke.points, place, least)) editor.stroke.points.push(place.x, place.y);
    }
    editor.board.ink();
  }

  up(event) {
    const { editor } = this;
    if (!this.pointers.delete(event.pointerId)) return;
    if (this.pointers.size) return;
    const isCancelled = event.type === "pointercancel";
    if (editor.corner && editor.tool === "rectangle" && !isCancelled) {
      editor.rectangleTo(toImage(editor.board.view, this.at(event)));
    } else {
      editor.lift();
    }
    this.isPanning = false;
  }

  wheel(event) {
    const { editor } = this;
    event.preventDefault();
    editor.board.move(zoomAt(editor.board.view, Math.exp(-event.deltaY / 300), this.at(event), editor.board.least));
  }
}
