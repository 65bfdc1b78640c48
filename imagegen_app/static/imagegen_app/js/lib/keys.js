// Recognise keys by a short description: "k", "shift+k", "mod+Enter" (mod is Ctrl, or Command on a Mac).

export function matches(event, description) {
  const parts = description.split("+");
  const key = parts.pop();
  const wanted = new Set(parts);
  const isMod = Boolean(event.ctrlKey || event.metaKey);
  return (
    event.key.toLowerCase() === key.toLowerCase() &&
    isMod === wanted.has("mod") &&
    Boolean(event.altKey) === wanted.has("alt") &&
    // Signs such as "?" need Shift on some keyboards and not on others.
    (key.length === 1 && !/[a-z0-9]/i.test(key) ? true : Boolean(event.shiftKey) === wanted.has("shift"))
  );
}

// Returns whether a person is typing: single keys are no commands then.
export function isTyping(event) {
  if (event.isComposing || event.keyCode === 229) return true;
  const target = event.target;
  if (target.isContentEditable || target.localName === "textarea" || target.localName === "select") return true;
  return target.localName === "input" && !["button", "checkbox", "radio", "range", "submit"].includes(target.type);
}
