// Keep the focus where a person expects it.

// Makes one of several items the stop of the tab key; arrow keys lead to the others.
export function rove(items, current) {
  for (const item of items) item.tabIndex = item === current ? 0 : -1;
}

// Focuses the first field with an error, or the summary of errors; returns whether there was one.
export function focusFirstFault(form) {
  const fault = form.querySelector("[aria-invalid=true], [role=alert]");
  if (!fault) return false;
  if (!fault.matches("input, select, textarea, button, a[href]")) fault.tabIndex = -1;
  fault.focus();
  return true;
}

// Returns what to focus instead of an item that goes away: the next one, else the one before.
export function heir(items, item) {
  const index = items.indexOf(item);
  return items[index + 1] || items[index - 1] || null;
}
