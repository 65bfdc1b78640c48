// Keep what was chosen and typed in a grid of images over a reload, until it is saved.

const PREFIX = "imagegen-grid-";
const KEPT = /^(decision|note|reason|alt|stars)-/;

// Returns the values of a form's kept fields that differ from what the page came with, by name.
function differing(fields) {
  const found = {};
  for (const field of fields) {
    if (!KEPT.test(field.name) || field.disabled) continue;
    if (field.type === "radio") {
      if (field.checked && !field.defaultChecked) found[field.name] = field.value;
    } else if (field.value !== initial(field)) {
      found[field.name] = field.value;
    }
  }
  return found;
}

function initial(field) {
  if (!field.options) return field.defaultValue;
  return ([...field.options].find((one) => one.defaultSelected) || field.options[0])?.value;
}

// Stores them for a batch; without a form, forgets them.
export function write(key, form) {
  if (!key) return;
  try {
    const values = form ? differing(form.elements) : {};
    if (Object.keys(values).length) sessionStorage.setItem(PREFIX + key, JSON.stringify(values));
    else sessionStorage.removeItem(PREFIX + key);
  } catch {
    // Storage is full or forbidden: then a reload forgets.
  }
}

// Puts what was stored back into the fields that are still there.
export function read(key, form) {
  let values = {};
  try {
    values = JSON.parse(sessionStorage.getItem(PREFIX + key) || "{}");
  } catch {
    return;
  }
  for (const [name, value] of Object.entries(values)) {
    const field = KEPT.test(name) && form.elements.namedItem(name);
    if (field) field.value = value;
  }
}
