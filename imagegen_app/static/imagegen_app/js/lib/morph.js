// Change shown nodes into those of a newer fragment, and leave alone what is equal already.
//
// Children are matched by `id` or `data-key`, others by their order and element name. What a person holds
// stays: the focus, the caret, scroll positions, changed fields, opened details, and everything inside an
// element with `data-own`. Such an element stays, too, where the fragment has none of its key.

export function matchChildren(shown, fresh) {
  const keyed = new Map();
  for (const child of shown.children) {
    const key = keyOf(child);
    if (key) keyed.set(key, child);
  }
  const placed = new Set();
  const coming = new Set([...fresh.children].map(keyOf).filter(Boolean));
  for (const child of shown.children) if (isOwn(child) && !coming.has(keyOf(child))) placed.add(child);
  let cursor = shown.firstChild;
  for (const wanted of [...fresh.childNodes]) {
    cursor = firstFree(cursor, placed);
    const match = counterpart(wanted, cursor, keyed, placed);
    if (match === null) {
      placed.add(shown.insertBefore(document.importNode(wanted, true), cursor));
      continue;
    }
    placed.add(match);
    if (match === cursor) {
      cursor = cursor.nextSibling;
    } else if (cursor.nodeType === Node.ELEMENT_NODE && cursor.nextElementSibling === match) {
      // One left its place before all others: it alone moves, instead of each that follows.
      place(shown, cursor, null);
      cursor = match.nextSibling;
    } else {
      place(shown, match, cursor);
    }
    update(match, wanted);
  }
  for (const child of [...shown.childNodes]) if (!placed.has(child)) child.remove();
}

function update(match, wanted) {
  if (match.nodeType !== Node.ELEMENT_NODE) {
    if (match.data !== wanted.data) match.data = wanted.data;
  } else if (!isOwn(match) && !match.isEqualNode(wanted)) {
    matchAttributes(match, wanted);
    matchChildren(match, wanted);
  }
}

function keyOf(node) {
  return node.nodeType === Node.ELEMENT_NODE ? node.id || node.dataset?.key || "" : "";
}

function isOwn(element) {
  return element.dataset !== undefined && "own" in element.dataset;
}

function firstFree(node, placed) {
  let free = node;
  while (free && placed.has(free)) free = free.nextSibling;
  return free;
}

function counterpart(wanted, cursor, keyed, placed) {
  const key = keyOf(wanted);
  if (key) {
    const match = keyed.get(key);
    return match && match.localName === wanted.localName && !placed.has(match) ? match : null;
  }
  for (let node = cursor; node; node = node.nextSibling) {
    if (!placed.has(node) && !keyOf(node) && node.nodeName === wanted.nodeName) return node;
  }
  return null;
}

// Moves a child without losing the focus in it; its images and frames are not loaded anew where the browser
// can move nodes.
function place(parent, child, before) {
  if (parent.moveBefore) {
    parent.moveBefore(child, before);
    return;
  }
  const focused = child.contains(document.activeElement) ? document.activeElement : null;
  parent.insertBefore(child, before);
  focused?.focus({ preventScroll: true });
}

function matchAttributes(shown, fresh) {
  for (const { name, value } of fresh.attributes) {
    if (shown.getAttribute(name) !== value && !isHeld(shown, name)) shown.setAttribute(name, value);
  }
  for (const { name } of [...shown.attributes]) {
    if (!fresh.hasAttribute(name) && !isHeld(shown, name)) shown.removeAttribute(name);
  }
}

// Returns whether an attribute is a person's or an element's own, and not the server's.
function isHeld(element, name) {
  if (name === "style" || name === "tabindex") return true;
  if (name === "open") return element.localName === "details";
  if (name !== "value" && name !== "checked") return false;
  // The page's token is valid; that of a later answer is another one.
  return element.name === "csrfmiddlewaretoken" || isChanged(element);
}

function isChanged(field) {
  if (field === document.activeElement) return true;
  if (field.type === "checkbox" || field.type === "radio") return field.checked !== field.defaultChecked;
  // A <progress> has a value and no default: nobody can change it.
  return field.defaultValue !== undefined && field.value !== field.defaultValue;
}
