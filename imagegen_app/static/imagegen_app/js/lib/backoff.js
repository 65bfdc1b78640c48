// How long to wait before the next poll, in milliseconds: short after a change, then longer.

const MIN_DELAY = 700;
const MAX_DELAY = 3000;
const IDLE_DELAY = 10000;
const IDLE_AFTER = 120000;

// `idle` is how long nothing has changed.
export function nextDelay(last, changed, idle = 0) {
  if (changed || !last) return MIN_DELAY;
  const most = idle >= IDLE_AFTER ? IDLE_DELAY : MAX_DELAY;
  return Math.min(most, Math.round(last * 1.4));
}

// Spreads polls that began together, by a tenth at most; `random` is between 0 and 1.
export function spread(delay, random) {
  return Math.round(delay * (0.9 + 0.2 * random));
}

// Returns the milliseconds of a Retry-After header in seconds; 0 if there is none.
export function retryAfter(header) {
  const seconds = Number(header);
  return header && Number.isFinite(seconds) ? Math.min(Math.max(0, seconds), 600) * 1000 : 0;
}
