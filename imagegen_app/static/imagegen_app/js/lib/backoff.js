// How long to wait before the next poll, in milliseconds: short after a change, then longer.

const MIN_DELAY = 700;
const MAX_DELAY = 3000;

export function nextDelay(last, changed) {
  if (changed || !last) return MIN_DELAY;
  return Math.min(MAX_DELAY, Math.round(last * 1.4));
}
