// Save and restore what was typed into a form, so that it survives a new sign-in.

const NOT_TYPED = new Set(["csrfmiddlewaretoken", "nonce", "shown_version", "shown_model"]);

// Takes FormData's entries; files cannot be stored.
export function draftOf(entries) {
  const draft = {};
  for (const [name, value] of entries) {
    if (typeof value !== "string" || NOT_TYPED.has(name)) continue;
    // Of boxes with one name, all that are checked.
    draft[name] = name in draft ? [draft[name], value].flat() : value;
  }
  return draft;
}

// Puts a draft back into the form's fields.
export function fill(form, draft) {
  for (const box of form.querySelectorAll("input[type=checkbox]")) {
    box.checked = [draft[box.name] ?? []].flat().includes(box.value);
  }
  for (const [name, value] of Object.entries(draft)) {
    const field = form.elements.namedItem(name);
    if (!field || name === "shown_template" || name === "template") continue;
    if (field.type !== "checkbox" && field.type !== "file") field.value = value;
  }
}
