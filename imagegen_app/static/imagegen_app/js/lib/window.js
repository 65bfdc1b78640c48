// Calculate a grid whose pages are never measured, and which of them are to be filled.

export const PAGE_SIZE = 60;

// Widths in rem from which there are so many columns: divisors of a page, so that none ends within a row.
const STEPS = [[110, 10], [66, 6], [54, 5], [42, 4], [30, 3], [0, 2]];
const GAP = 0.75;
const CAPTION = 4.5;

// Returns the sizes of a grid in a box of a width, all in pixels; `rem` is the size of the root's font.
export function layout(width, rem) {
  const columns = STEPS.find(([least]) => width >= least * rem)[1];
  const gap = GAP * rem;
  const tile = (width - (columns - 1) * gap) / columns;
  const row = tile + CAPTION * rem;
  return { columns, gap, tile, row, page: (PAGE_SIZE / columns) * (row + gap) };
}

// Returns the first and the last page that are within one screen of the view, counted from the feed's top.
export function near(top, view, page) {
  return [Math.floor((top - view) / page), Math.floor((top + 2 * view) / page)];
}

// Returns which tile a key leads to, among tiles in rows of `columns`; undefined for other keys.
export function step(index, key, columns, rtl = false) {
  const side = rtl ? -1 : 1;
  const ways = {
    ArrowRight: side,
    ArrowLeft: -side,
    ArrowDown: columns,
    ArrowUp: -columns,
    PageDown: 3 * columns,
    PageUp: -3 * columns,
  };
  return Object.hasOwn(ways, key) ? Math.max(0, index + ways[key]) : undefined;
}

// Returns the pages that are too far away to keep what they show, furthest first.
export function tooFar(indexes, middle, kept) {
  const sorted = [...indexes].sort((a, b) => Math.abs(b - middle) - Math.abs(a - middle));
  return sorted.slice(0, Math.max(0, sorted.length - kept));
}
