// Codes of colours as people write them.

/** Return a colour's code as `#1c4b8f`, or an empty text where it is none. */
export function normalCode(text) {
  const code = text.trim().toLowerCase().replace(/^#?/, "#");
  if (/^#[0-9a-f]{6}$/.test(code)) return code;
  const short = /^#([0-9a-f])([0-9a-f])([0-9a-f])$/.exec(code);
  return short ? `#${short[1]}${short[1]}${short[2]}${short[2]}${short[3]}${short[3]}` : "";
}
