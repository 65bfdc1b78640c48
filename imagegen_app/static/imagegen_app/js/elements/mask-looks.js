// How the area is shown while it is painted: a hatch of two tones, which is seen on any image by any eye; one
// colour; or dark, so that only what stays is seen. The choice is kept in this browser.

const NAME = "imagegen-area-look";
export const LOOKS = ["hatch", "colour", "kept"];
const [DARK, LIGHT] = ["#12306b", "#ffe04d"];
const PLAIN = { colour: "#d6006c", kept: "#000" };

export function canvasOf(width, height) {
  return Object.assign(document.createElement("canvas"), { width, height });
}

export function lookOf() {
  try {
    const look = localStorage.getItem(NAME);
    return LOOKS.includes(look) ? look : LOOKS[0];
  } catch {
    return LOOKS[0];
  }
}

export function keepLook(look) {
  try {
    localStorage.setItem(NAME, look);
  } catch {
    // Not allowed: it holds for this page.
  }
}

// Returns what a look is painted with, on a canvas of so many pixels to one of the screen.
export function paintOf(look, context, dense) {
  return PLAIN[look] ?? hatch(context, dense);
}

function hatch(context, dense) {
  const side = Math.max(4, Math.round(12 * dense));
  const tile = canvasOf(side, side);
  const pen = tile.getContext("2d");
  pen.scale(side / 12, side / 12);
  pen.fillStyle = DARK;
  pen.fillRect(0, 0, 12, 12);
  pen.strokeStyle = LIGHT;
  pen.lineWidth = 4;
  pen.beginPath();
  for (const from of [-12, 0, 12]) {
    pen.moveTo(from - 2, 14);
    pen.lineTo(from + 14, -2);
  }
  pen.stroke();
  return context.createPattern(tile, "repeat");
}
