// Recognise keys by a short description: "k", "shift+k", "mod+Enter" (mod is Ctrl, or Command on a Mac), "Arrows".

export function matches(event, description) {
  const parts = description === "+" ? ["+"] : description.split("+");
  const key = parts.pop();
  const wanted = new Set(parts);
  // Signs such as "?" and "[" need Shift or AltGr on some keyboards and not on others.
  const isSign = key.length === 1 && !/[a-z0-9]/i.test(key);
  const isAltGraph = isSign && Boolean(event.getModifierState?.("AltGraph"));
  const isMod = Boolean(event.ctrlKey || event.metaKey);
  return (
    isKey(event.key, key) &&
    (isAltGraph || (isMod === wanted.has("mod") && Boolean(event.altKey) === wanted.has("alt"))) &&
    (isSign || Boolean(event.shiftKey) === wanted.has("shift"))
  );
}

function isKey(pressed, key) {
  return key === "Arrows" ? pressed.startsWith("Arrow") : pressed.toLowerCase() === key.toLowerCase();
}

// Returns what a pressed key does by a table of lib/key-tables.js; undefined for none of its keys.
export function actOf(event, table) {
  return Object.keys(table).find((act) => table[act].some((key) => matches(event, key)));
}

// Returns whether a person is typing: single keys are no commands then.
export function isTyping(event) {
  if (event.isComposing || event.keyCode === 229) return true;
  const target = event.target;
  if (target.isContentEditable || target.localName === "textarea" || target.localName === "select") return true;
  return target.localName === "input" && !["button", "checkbox", "radio", "range", "submit"].includes(target.type);
}
