// Check that a message is the selection of an image in the studio.

const PARTS = ["field", "token", "asset", "preview", "alt", "review"];

export function isPick(data) {
  return (
    typeof data === "object" &&
    data !== null &&
    data.type === "imagegen.chosen" &&
    PARTS.every((part) => typeof data[part] === "string") &&
    // A preview is a path on this site, never a URL of another site or a script.
    /^\/(?!\/)/.test(data.preview)
  );
}
