// Turn text of the server into nodes, and values into a sentence of the server.

// A site may require trusted types; this is the only place that parses markup.
const policy = globalThis.trustedTypes?.createPolicy("imagegen", { createHTML: (text) => text });

// Returns the body of a fragment; scripts in it never run.
export function parse(text) {
  return new DOMParser().parseFromString(policy ? policy.createHTML(text) : text, "text/html").body;
}

// Fills the placeholders of a sentence such as "{name} is too large"; unknown ones stay.
export function sentence(text, values) {
  return text.replace(/\{(\w+)\}/g, (whole, name) => (Object.hasOwn(values, name) ? String(values[name]) : whole));
}
