// Tell a pick of the studio from any other message.

const PARTS = ["field", "token", "asset", "preview", "alt", "review"];

export function isPick(data) {
  return (
    typeof data === "object" &&
    data !== null &&
    data.type === "imagegen.chosen" &&
    PARTS.every((part) => typeof data[part] === "string") &&
    // A preview is a path of this site, never an address elsewhere or a script.
    /^\/(?!\/)/.test(data.preview)
  );
}
