// Draw the operations of a mask on a canvas: opaque where it is masked, clear elsewhere.

import { rowsOf } from "./ops.js";

// `view` says where the image stands on the canvas, in pixels of the canvas.
export function drawOps(context, ops, view, paint, image) {
  clipped(context, view, image, () => {
    for (const op of ops) drawOp(context, op, view, paint, image);
  });
}

// Calls `draw` while nothing outside the image can be drawn on.
export function clipped(context, view, image, draw) {
  context.save();
  context.beginPath();
  context.rect(view.x, view.y, image.width * view.scale, image.height * view.scale);
  context.clip();
  draw();
  context.restore();
}

function drawOp(context, op, view, paint, image) {
  context.fillStyle = paint;
  context.globalCompositeOperation = op.erase ? "destination-out" : "source-over";
  if (op.kind === "stroke") {
    drawStroke(context, op, view, paint);
    return;
  }
  if (op.kind === "invert") context.globalCompositeOperation = "xor";
  const box = op.kind === "rect" ? op : { x: 0, y: 0, width: image.width, height: image.height };
  const { scale } = view;
  context.fillRect(box.x * scale + view.x, box.y * scale + view.y, box.width * scale, box.height * scale);
}

// Draws a stroke and of its points those behind the number `first` in the list: of a live one, what is new.
export function drawStroke(context, op, view, paint, first = 0) {
  const { points } = op;
  const at = (i) => [points[i] * view.scale + view.x, points[i + 1] * view.scale + view.y];
  const start = Math.max(0, first - 2);
  context.strokeStyle = paint;
  context.globalCompositeOperation = op.erase ? "destination-out" : "source-over";
  context.lineCap = context.lineJoin = "round";
  context.lineWidth = Math.max(1, 2 * op.radius * view.scale);
  context.beginPath();
  context.moveTo(...at(start));
  // A single point is a line to itself, whose round ends are a dot.
  for (let i = Math.min(start + 2, points.length - 2); i < points.length; i += 2) context.lineTo(...at(i));
  context.stroke();
}

// Yields the mask in the image's own size as rows of grey, a strip at a time: { grey, height }.
export function* strips(ops, image, make, rows = 256) {
  const canvas = make(image.width, Math.min(rows, image.height));
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const touched = ops.map(rowsOf);
  for (let top = 0; top < image.height; top += rows) {
    const height = Math.min(rows, image.height - top);
    context.globalCompositeOperation = "source-over";
    context.clearRect(0, 0, canvas.width, canvas.height);
    const near = ops.filter((op, i) => touched[i][0] < top + height && touched[i][1] > top);
    drawOps(context, near, { scale: 1, x: 0, y: -top }, "white", image);
    const { data } = context.getImageData(0, 0, image.width, height);
    const grey = new Uint8Array(image.width * height);
    for (let i = 0; i < grey.length; i += 1) grey[i] = data[4 * i + 3];
    yield { grey, height };
  }
  // Some browsers keep canvases for a while; an empty one costs nothing.
  canvas.width = canvas.height = 1;
}

// Which part of the image is masked, from 0 to 1, by a small drawing of it.
export function share(ops, image, make, side = 96) {
  const scale = side / Math.max(image.width, image.height);
  const canvas = make(Math.max(1, Math.ceil(image.width * scale)), Math.max(1, Math.ceil(image.height * scale)));
  const context = canvas.getContext("2d", { willReadFrequently: true });
  drawOps(context, ops, { scale, x: 0, y: 0 }, "white", image);
  const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
  let sum = 0;
  for (let i = 3; i < data.length; i += 4) sum += data[i];
  canvas.width = canvas.height = 1;
  return Math.min(1, sum / 255 / (image.width * image.height * scale * scale));
}
