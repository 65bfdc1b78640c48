// The areas that were painted last, by image: this browser keeps them, so that one can go on with them after days.

const NAME = "imagegen-areas";
const MOST = 20;
const MOST_CHARS = 1_000_000;

function all() {
  try {
    const found = JSON.parse(localStorage.getItem(NAME) || "[]");
    return Array.isArray(found) ? found : [];
  } catch {
    return [];
  }
}

// Keeps the operations of an image as text, in front of those of other images; the oldest ones go.
export function keepArea(image, text) {
  const areas = [[image, text], ...all().filter(([other]) => other !== image)].slice(0, MOST);
  while (areas.length > 1 && JSON.stringify(areas).length > MOST_CHARS) areas.pop();
  try {
    localStorage.setItem(NAME, JSON.stringify(areas));
  } catch {
    // No room, or not allowed: then nothing is kept.
  }
}

// Returns the operations of an image as text; empty for none.
export function keptArea(image) {
  const found = all().find(([other]) => other === image)?.[1];
  return typeof found === "string" ? found : "";
}
