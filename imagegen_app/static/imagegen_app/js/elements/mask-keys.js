// The keys of the mask editor, while its stage has the focus.

import { TABLES } from "../lib/key-tables.js";
import { actOf } from "../lib/keys.js";

// How far an arrow key moves the brush, in pixels of the image.
const STEPS = { move: 32, fine: 4, far: 128 };
const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export function listenForKeys(editor, signal) {
  editor.stage.addEventListener("keydown", (event) => press(editor, event), { signal });
}

function press(editor, event) {
  const act = actOf(event, TABLES.mask);
  if (!act) return;
  if (STEPS[act]) move(editor, MOVES[event.key], STEPS[act]);
  else if (act === "draw") draw(editor, event);
  // Without anything to lift, Escape closes the dialog.
  else if (act !== "lift") editor.act(act);
  else if (editor.stroke || editor.corner) editor.lift();
  else return;
  event.preventDefault();
}

// The arrows move the brush: in the image, so that they are not mirrored where text runs the other way.
function move(editor, [right, down], step) {
  const within = (value, most) => Math.max(0, Math.min(most, value));
  editor.cursor = {
    x: within(editor.cursor.x + right * step, editor.image.width),
    y: within(editor.cursor.y + down * step, editor.image.height),
  };
  if (editor.stroke) {
    editor.stroke.points.push(editor.cursor.x, editor.cursor.y);
    editor.board.ink();
  }
  editor.board.point();
}

function draw(editor, event) {
  if (event.repeat) return;
  if (editor.tool === "rectangle") editor.setCorner();
  else if (editor.stroke) editor.lift();
  else editor.begin(editor.cursor);
}
