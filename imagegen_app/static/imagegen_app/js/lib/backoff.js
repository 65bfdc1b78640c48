// How long to wait before the next poll, in milliseconds: short after a change, then longer.

const SHORTEST = 700;
const LONGEST = 3000;

export function nextDelay(last, changed) {
  if (changed || !last) return SHORTEST;
  return Math.min(LONGEST, Math.round(last * 1.4));
}
