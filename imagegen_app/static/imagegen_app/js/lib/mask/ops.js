// A mask as what was done, in pixels of the image; the list is the truth, and pixels are made from it.
//   { kind: "stroke", erase, radius, points: [x, y, x, y, …] }
//   { kind: "rect", erase, x, y, width, height }, { kind: "all", erase }, { kind: "invert" }

const MOST_OPS = 500;
const MOST_POINTS = 200_000;

export class History {
  constructor(ops = []) {
    this.ops = ops;
    this.undone = [];
  }

  // Adds an operation; returns whether there was room for it.
  push(op) {
    if (this.isFull) return false;
    this.ops.push(op);
    this.undone = [];
    return true;
  }

  // Takes the last operation back, to be redone.
  undo() {
    const op = this.ops.pop();
    if (op) this.undone.push(op);
    return op ?? null;
  }

  redo() {
    const op = this.undone.pop();
    if (op) this.ops.push(op);
    return op ?? null;
  }

  // Takes the last operation back as if it had never been.
  drop() {
    return this.ops.pop() ?? null;
  }

  get isFull() {
    const points = this.ops.reduce((sum, op) => sum + (op.points?.length ?? 0) / 2, 0);
    return this.ops.length >= MOST_OPS || points >= MOST_POINTS;
  }
}

// Returns whether a further point of a stroke says more than its last one.
export function isFar(points, point, least) {
  const n = points.length;
  return n < 2 || Math.hypot(points[n - 2] - point.x, points[n - 1] - point.y) >= least;
}

// How far apart, in image pixels, the points of a stroke of this radius are at least.
export function spacing(radius, scale) {
  return Math.max(1, Math.min(radius / 6, 1.5 / scale));
}

// The rectangle between two corners, in whole pixels and within the image; null for one without area.
export function rectOf(a, b, image, erase) {
  const [left, right] = [a.x, b.x].sort((one, other) => one - other);
  const [top, bottom] = [a.y, b.y].sort((one, other) => one - other);
  const x = Math.max(0, Math.round(left));
  const y = Math.max(0, Math.round(top));
  const width = Math.min(image.width, Math.round(right)) - x;
  const height = Math.min(image.height, Math.round(bottom)) - y;
  return width > 0 && height > 0 ? { kind: "rect", erase, x, y, width, height } : null;
}

// The rows of pixels that an operation touches: [from, to).
export function rowsOf(op) {
  if (op.kind === "rect") return [op.y, op.y + op.height];
  if (op.kind !== "stroke") return [-Infinity, Infinity];
  let [from, to] = [Infinity, -Infinity];
  for (let i = 1; i < op.points.length; i += 2) {
    from = Math.min(from, op.points[i]);
    to = Math.max(to, op.points[i]);
  }
  return [from - op.radius, to + op.radius];
}

// The operations as text for the form, and back; null for what is none.
export function toText(ops) {
  return JSON.stringify(ops, (key, value) => (typeof value === "number" ? Math.round(value * 10) / 10 : value));
}

export function fromText(text) {
  let found;
  try {
    found = JSON.parse(text || "[]");
  } catch {
    return [];
  }
  return Array.isArray(found) ? found.filter(isOperation).slice(0, MOST_OPS) : [];
}

function isOperation(op) {
  const numbers = (...values) => values.every((value) => Number.isFinite(value));
  if (op?.kind === "stroke") return numbers(op.radius) && Array.isArray(op.points) && numbers(...op.points);
  if (op?.kind === "rect") return numbers(op.x, op.y, op.width, op.height);
  return op?.kind === "all" || op?.kind === "invert";
}
