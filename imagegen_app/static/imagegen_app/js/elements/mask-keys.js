// The keys of the mask editor, while its stage has the focus.

import { matches } from "../lib/keys.js";

const [STEP, FINE, FAR] = [32, 4, 128];
const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const ACTS = {
  b: "brush",
  e: "eraser",
  r: "rectangle",
  i: "invert",
  "[": "smaller",
  "]": "larger",
  "+": "in",
  "=": "in",
  "-": "out",
  0: "fit",
};

export function listenForKeys(editor, signal) {
  editor.stage.addEventListener("keydown", (event) => press(editor, event), { signal });
}

function press(editor, event) {
  const isHandled = move(editor, event) || draw(editor, event) || command(editor, event);
  if (isHandled) event.preventDefault();
}

// The arrows move the brush: in the image, so that they are not mirrored where text runs the other way.
function move(editor, event) {
  const direction = MOVES[event.key];
  if (!direction || event.ctrlKey || event.metaKey) return false;
  const step = event.shiftKey ? FINE : event.altKey ? FAR : STEP;
  const within = (value, most) => Math.max(0, Math.min(most, value));
  editor.cursor = {
    x: within(editor.cursor.x + direction[0] * step, editor.image.width),
    y: within(editor.cursor.y + direction[1] * step, editor.image.height),
  };
  if (editor.stroke) {
    editor.stroke.points.push(editor.cursor.x, editor.cursor.y);
    editor.board.ink();
  }
  editor.board.point();
  return true;
}

function draw(editor, event) {
  if (event.key === "Escape") {
    // Without anything to lift, it closes the dialog.
    if (!editor.stroke && !editor.corner) return false;
    editor.lift();
    return true;
  }
  if (event.key !== " " && event.key !== "Enter") return false;
  if (event.repeat) return true;
  if (editor.tool === "rectangle") editor.setCorner();
  else if (editor.stroke) editor.lift();
  else editor.begin(editor.cursor);
  return true;
}

function command(editor, event) {
  if (matches(event, "mod+z")) editor.act("undo");
  else if (matches(event, "mod+shift+z") || matches(event, "mod+y")) editor.act("redo");
  else if (!event.ctrlKey && !event.metaKey && !event.altKey && ACTS[event.key.toLowerCase()]) {
    editor.act(ACTS[event.key.toLowerCase()]);
  } else return false;
  return true;
}
