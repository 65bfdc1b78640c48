// Mark the language of prompt templates: text, variables, a few filters and conditions.

const OPENS = /\{\{|\{%|\{#/g;
const CLOSES = { "{{": "}}", "{%": "%}", "{#": "#}" };
const TOKEN = /("(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')|([\p{L}_][\p{L}\p{N}_]*)|(\p{N}[\p{N}_.]*)|(\S)/gsu;
const WORDS = new Set(["and", "or", "not", "in", "is", "if", "else"]);
const CONSTANTS = new Set(["true", "false", "none", "True", "False", "None"]);
const CONDITIONS = new Set(["if", "elif", "else", "endif"]);

// Returns spans {kind, from, to, name} in the order of the text, which do not overlap; places are in
// UTF-16 units. Kinds: tag (its signs), variable, filter, condition, word, text, number, comment, other.
export function marks(text) {
  const found = [];
  OPENS.lastIndex = 0;
  let open = OPENS.exec(text);
  while (open) {
    const sign = open[0];
    const from = open.index;
    const close = endOf(text, from, sign);
    if (sign === "{#") {
      found.push({ kind: "comment", from, to: close.to, name: "" });
    } else if (sign === "{%" && isRaw(text, from, close)) {
      found.push({ kind: "tag", from, to: close.to, name: "" });
      close.to = rawEnd(text, close.to);
    } else {
      found.push({ kind: "tag", from, to: close.inner, name: "" });
      inside(text, close.inner, close.end, sign === "{%", found);
      if (close.to > close.end) found.push({ kind: "tag", from: close.end, to: close.to, name: "" });
    }
    OPENS.lastIndex = close.to;
    open = OPENS.exec(text);
  }
  return found;
}

// Returns where a place of the server, counted from 1 in lines and characters, is in UTF-16 units.
export function offsetOf(text, line, column) {
  const lines = text.split("\n");
  const before = lines.slice(0, line - 1).reduce((sum, one) => sum + one.length + 1, 0);
  const inLine = [...(lines[line - 1] || "")].slice(0, column - 1).join("").length;
  return Math.min(text.length, before + inLine);
}

// Where a tag ends: its signs may have a minus, and texts in it may hold what looks like an end.
function endOf(text, from, sign) {
  const closing = CLOSES[sign];
  let inner = from + 2;
  if (text[inner] === "-" || text[inner] === "+") inner += 1;
  if (sign === "{#") {
    const at = text.indexOf(closing, inner);
    return { inner, end: at < 0 ? text.length : at, to: at < 0 ? text.length : at + 2 };
  }
  let quote = "";
  for (let at = inner; at < text.length; at += 1) {
    const letter = text[at];
    if (quote) {
      if (letter === "\\") at += 1;
      else if (letter === quote) quote = "";
    } else if (letter === '"' || letter === "'") {
      quote = letter;
    } else if (text.startsWith(closing, at)) {
      const isMinus = at > inner && (text[at - 1] === "-" || text[at - 1] === "+");
      return { inner, end: isMinus ? at - 1 : at, to: at + 2 };
    }
  }
  return { inner, end: text.length, to: text.length };
}

function isRaw(text, from, close) {
  return text.slice(close.inner, close.end).trim() === "raw";
}

function rawEnd(text, from) {
  const end = /\{%[-+]?\s*endraw\s*[-+]?%\}/g;
  end.lastIndex = from;
  const found = end.exec(text);
  return found ? found.index + found[0].length : text.length;
}

function inside(text, from, to, isBlock, found) {
  const part = text.slice(from, to);
  let before = "";
  let isFirst = isBlock;
  let isOther = false;
  for (const match of part.matchAll(TOKEN)) {
    const [whole, quoted, name, number, sign] = match;
    const at = from + match.index;
    if (quoted) add(found, "text", at, whole);
    else if (number) add(found, "number", at, whole);
    else if (name) {
      let kind = "variable";
      if (isFirst) kind = "condition";
      else if (isOther) kind = "other";
      else if (before === "|") kind = "filter";
      else if (WORDS.has(name) || CONSTANTS.has(name)) kind = "word";
      isOther = isOther || (isFirst && !CONDITIONS.has(name));
      add(found, kind, at, whole);
      isFirst = false;
    }
    before = sign || "";
  }
}

function add(found, kind, at, whole) {
  found.push({ kind, from: at, to: at + whole.length, name: whole });
}
