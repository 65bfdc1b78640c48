// Where an image stands on its stage: { scale, x, y }; a place on the stage is image × scale + (x, y), in
// CSS pixels. Nothing else converts between the two.

const MAX_SCALE = 8;

// The whole image in the middle of the stage; a small one is not enlarged.
export function fit(image, stage, pad = 12) {
  const room = { width: Math.max(1, stage.width - 2 * pad), height: Math.max(1, stage.height - 2 * pad) };
  const scale = Math.min(room.width / image.width, room.height / image.height, 1);
  return centred(image, stage, scale);
}

// One pixel of the image for each of the stage, in the middle.
export function whole(image, stage) {
  return centred(image, stage, 1);
}

function centred(image, stage, scale) {
  return { scale, x: (stage.width - image.width * scale) / 2, y: (stage.height - image.height * scale) / 2 };
}

export function toImage(view, point) {
  return { x: (point.x - view.x) / view.scale, y: (point.y - view.y) / view.scale };
}

export function toStage(view, point) {
  return { x: point.x * view.scale + view.x, y: point.y * view.scale + view.y };
}

// Larger or smaller round a place of the stage, which stays where it is.
export function zoomAt(view, factor, at, least) {
  const scale = Math.max(least, Math.min(MAX_SCALE, view.scale * factor));
  const grown = scale / view.scale;
  return { scale, x: at.x - (at.x - view.x) * grown, y: at.y - (at.y - view.y) * grown };
}

// Two fingers went from their places `before` to those `after`: what was under them stays under them.
export function pinch(view, before, after, least) {
  const [was, now] = [before, after].map(([a, b]) => ({
    x: (a.x + b.x) / 2,
    y: (a.y + b.y) / 2,
    apart: Math.hypot(a.x - b.x, a.y - b.y) || 1,
  }));
  const zoomed = zoomAt(view, now.apart / was.apart, was, least);
  return { ...zoomed, x: zoomed.x + now.x - was.x, y: zoomed.y + now.y - was.y };
}

// Some of the image always stays on the stage.
export function keepIn(view, image, stage, margin = 48) {
  const within = (place, length, room) => Math.min(room - margin, Math.max(margin - length, place));
  return {
    scale: view.scale,
    x: within(view.x, image.width * view.scale, stage.width),
    y: within(view.y, image.height * view.scale, stage.height),
  };
}
