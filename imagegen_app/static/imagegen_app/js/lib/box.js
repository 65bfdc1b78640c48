// Boxes in pixels of an image: how much is added on each side of one, { left, top, right, bottom }.

const SIDES = { w: "left", n: "top", e: "right", s: "bottom" };

// Returns a number of pixels that is a multiple of `step`, at least 0.
function stepped(value, step) {
  return Math.max(0, Math.round(value / step) * step);
}

// A handle such as "e" or "nw" was moved by (dx, dy) image pixels: what is then added on each side.
export function drag(added, handle, dx, dy, { step = 1, most = Infinity } = {}) {
  const next = { ...added };
  for (const letter of handle) {
    const side = SIDES[letter];
    const by = { left: -dx, right: dx, top: -dy, bottom: dy }[side];
    next[side] = Math.min(stepped(most, step), stepped(added[side] + by, step));
  }
  return next;
}

// The size of the image with what is added, brought up to multiples of `step`.
export function grown(image, added, step = 1) {
  const up = (value) => Math.ceil(value / step) * step;
  return {
    width: up(image.width + added.left + added.right),
    height: up(image.height + added.top + added.bottom),
  };
}

// What a box with these proportions needs on each side, the image in its middle.
export function forRatio(image, ratio, step = 1) {
  const wide = image.width / image.height < ratio;
  const width = wide ? image.height * ratio : image.width;
  const height = wide ? image.height : image.width / ratio;
  const half = (whole, length) => stepped((whole - length) / 2, step);
  const [across, down] = [half(width, image.width), half(height, image.height)];
  return { left: across, right: across, top: down, bottom: down };
}
