// Find the tile that an arrow key leads to, from the tiles' boxes ({left, top, width}).

export function neighbour(boxes, index, direction, rtl = false) {
  const last = boxes.length - 1;
  const clamp = (i) => Math.max(0, Math.min(last, i));
  if (direction === "next") return clamp(index + 1);
  if (direction === "ArrowRight") return clamp(index + (rtl ? -1 : 1));
  if (direction === "ArrowLeft") return clamp(index + (rtl ? 1 : -1));
  const here = boxes[index];
  const sign = direction === "ArrowDown" ? 1 : -1;
  const middle = (box) => box.left + box.width / 2;
  let best = index;
  let bestCost = Infinity;
  boxes.forEach((box, i) => {
    const rows = (box.top - here.top) * sign;
    if (rows <= 1) return;
    const cost = rows * 1000 + Math.abs(middle(box) - middle(here));
    if (cost < bestCost) {
      bestCost = cost;
      best = i;
    }
  });
  return best;
}
