// What a form sends when files are not to travel, and what was typed since it was sent.

// Returns the entries without files; how many files each field has is told as `chosen_NAME`.
export function withoutFiles(entries) {
  const sent = new FormData();
  const counts = new Map();
  for (const [name, value] of entries) {
    if (typeof value === "string") sent.append(name, value);
    else if (value.name) counts.set(name, (counts.get(name) || 0) + 1);
  }
  for (const [name, count] of counts) sent.append(`chosen_${name}`, String(count));
  return sent;
}

// Returns the fields of one value whose value is another one now than when the form was sent.
export function changedSince(sent, now) {
  const changed = {};
  for (const [name, value] of now) {
    if (typeof value === "string" && sent.get(name) !== value) changed[name] = value;
  }
  return changed;
}
