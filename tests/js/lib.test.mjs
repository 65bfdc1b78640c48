import assert from "node:assert/strict";
import { test } from "node:test";

import { nextDelay, retryAfter, spread } from "../../imagegen_app/static/imagegen_app/js/lib/backoff.js";
import { inWords } from "../../imagegen_app/static/imagegen_app/js/lib/clock.js";
import { normalCode } from "../../imagegen_app/static/imagegen_app/js/lib/colour-codes.js";
import { draftOf } from "../../imagegen_app/static/imagegen_app/js/lib/draft.js";
import { read, write } from "../../imagegen_app/static/imagegen_app/js/lib/grid-draft.js";
import { neighbour } from "../../imagegen_app/static/imagegen_app/js/lib/grid.js";
import { sentence } from "../../imagegen_app/static/imagegen_app/js/lib/html.js";
import { isTyping, matches } from "../../imagegen_app/static/imagegen_app/js/lib/keys.js";
import { isPick } from "../../imagegen_app/static/imagegen_app/js/lib/pick.js";
import { changedSince, withoutFiles } from "../../imagegen_app/static/imagegen_app/js/lib/sent.js";
import { offsetOf } from "../../imagegen_app/static/imagegen_app/js/lib/template-marks.js";
import { layout, near, step, tooFar } from "../../imagegen_app/static/imagegen_app/js/lib/window.js";

test("polls grow slower and are quick again after news", () => {
  let delay = nextDelay(0, false);
  const delays = [delay];
  for (let i = 0; i < 8; i += 1) delays.push((delay = nextDelay(delay, false)));
  assert.equal(delays[0], 700);
  assert.equal(delays.at(-1), 3000);
  assert.equal(nextDelay(3000, true), 700);
});

test("seconds are written as minutes and seconds", () => {
  assert.equal(inWords(0), "0:00");
  assert.equal(inWords(75.9), "1:15");
  assert.equal(inWords(-3), "0:00");
});

const boxes = [0, 1, 2, 3, 4].map((i) => ({ left: (i % 3) * 100, top: Math.floor(i / 3) * 100, width: 90 }));

test("arrows lead to the neighbour in each direction", () => {
  assert.equal(neighbour(boxes, 0, "ArrowRight"), 1);
  assert.equal(neighbour(boxes, 0, "ArrowRight", true), 0);
  assert.equal(neighbour(boxes, 1, "ArrowDown"), 4);
  assert.equal(neighbour(boxes, 4, "ArrowUp"), 1);
  assert.equal(neighbour(boxes, 4, "next"), 4);
});

const pick = { type: "imagegen.chosen", field: "image", token: "t", asset: "a", preview: "/imagegen/x", alt: "", review: "approved" };

test("only a whole pick of this site is taken over", () => {
  assert.ok(isPick(pick));
  for (const wrong of [null, "x", { ...pick, type: "x" }, { ...pick, token: 1 }, { ...pick, preview: "javascript:alert(1)" }, { ...pick, preview: "//evil.test/x" }]) {
    assert.ok(!isPick(wrong));
  }
});

function form(entries) {
  const made = new FormData();
  for (const [name, value, file] of entries) {
    if (file === undefined) made.append(name, value);
    else made.append(name, value, file);
  }
  return made;
}

test("files do not travel, but how many were chosen is told", () => {
  const sent = withoutFiles(
    form([
      ["prompt", "A mug"],
      ["starts", new Blob(["a"]), "a.png"],
      ["starts", new Blob(["b"]), "b.png"],
      // What a browser sends of a field in which nothing was chosen.
      ["mask", new Blob([]), ""],
    ]),
  );
  assert.deepEqual([...sent], [["prompt", "A mug"], ["chosen_starts", "2"]]);
});

test("what was typed while the answer was under way is told apart", () => {
  const sent = form([["seed", ""], ["size", "1:1"]]);
  const now = form([["seed", "7"], ["size", "1:1"], ["starts", new Blob(["a"]), "a.png"]]);
  assert.deepEqual(changedSince(sent, now), { seed: "7" });
  assert.deepEqual(changedSince(sent, sent), {});
});

test("a draft holds what was typed, not what the page says of itself", () => {
  const draft = draftOf([
    ["prompt", "A mug"],
    ["image_model", "2"],
    ["shown_template", ""],
    ["shown_model", "1"],
    ["nonce", "n"],
    ["starts", new Blob(["a"])],
  ]);
  assert.deepEqual(draft, { prompt: "A mug", image_model: "2", shown_template: "" });
});

test("polls grow rare after two minutes without news, are spread, and heed the server", () => {
  assert.equal(nextDelay(3000, false, 120000), 4200);
  assert.equal(nextDelay(9000, false, 500000), 10000);
  assert.equal(spread(1000, 0), 900);
  assert.equal(spread(1000, 1), 1100);
  assert.equal(retryAfter("7"), 7000);
  assert.equal(retryAfter("99999"), 600000);
  for (const none of [null, "", "Wed, 21 Oct 2026 07:28:00 GMT", "-3"]) assert.equal(retryAfter(none), 0);
});

test("placeholders of a sentence are filled, unknown ones and markup stay text", () => {
  assert.equal(sentence("{name}: {size} of {limit}", { name: "<b>", size: 3 }), "<b>: 3 of {limit}");
  assert.equal(sentence("{constructor}", {}), "{constructor}");
});

test("keys are known by their description, whatever the keyboard needs for a sign", () => {
  const key = (values) => ({ ctrlKey: false, metaKey: false, altKey: false, shiftKey: false, ...values });
  assert.ok(matches(key({ key: "K" }), "k"));
  assert.ok(matches(key({ key: "Z", shiftKey: true, metaKey: true }), "mod+shift+z"));
  assert.ok(matches(key({ key: "?", shiftKey: true }), "?"));
  assert.ok(!matches(key({ key: "a", ctrlKey: true }), "a"));
  assert.ok(!matches(key({ key: "a", shiftKey: true }), "a"));
});

test("single keys are no commands while a person types or composes", () => {
  const on = (localName, type) => ({ target: { localName, type, isContentEditable: false }, keyCode: 65 });
  assert.ok(isTyping(on("textarea")));
  assert.ok(isTyping(on("input", "text")));
  assert.ok(!isTyping(on("input", "radio")));
  assert.ok(!isTyping(on("article")));
  assert.ok(isTyping({ ...on("article"), isComposing: true }));
});

test("a grid's columns divide its pages, and its rows have one height for a width", () => {
  const columns = [200, 500, 700, 900, 1100, 1800].map((width) => layout(width, 16).columns);
  assert.deepEqual(columns, [2, 3, 4, 5, 6, 10]);
  const { tile, row, page } = layout(624, 16);
  assert.equal(tile, 200);
  assert.equal(row, 272);
  assert.equal(page, 20 * (272 + 12));
});

test("pages within one screen of the view are near", () => {
  assert.deepEqual(near(0, 900, 3000), [-1, 0]);
  assert.deepEqual(near(7000, 900, 3000), [2, 2]);
  assert.deepEqual(near(5500, 900, 3000), [1, 2]);
});

test("keys lead through the rows of a grid, mirrored from right to left", () => {
  assert.equal(step(7, "ArrowRight", 5), 8);
  assert.equal(step(7, "ArrowRight", 5, true), 6);
  assert.equal(step(7, "ArrowDown", 5), 12);
  assert.equal(step(7, "PageUp", 5), 0);
  assert.equal(step(7, "a", 5), undefined);
});

test("of pages that are kept, the furthest are forgotten first", () => {
  assert.deepEqual(tooFar([0, 1, 2, 3, 9], 2, 3), [9, 0]);
  assert.deepEqual(tooFar([0, 1], 0, 3), []);
});

function formOf(fields) {
  return { elements: Object.assign(fields, { namedItem: (name) => fields.find((one) => one.name === name) }) };
}

function field(name, value, shown = "") {
  return { name, value, defaultValue: shown, type: "textarea" };
}

test("a grid keeps over a reload what differs from the page, and nothing else", () => {
  const stored = new Map();
  globalThis.sessionStorage = {
    getItem: (key) => stored.get(key) ?? null,
    setItem: (key, text) => stored.set(key, text),
    removeItem: (key) => stored.delete(key),
  };
  const stars = { name: "stars-1", value: "4", options: [{ value: "0", defaultSelected: true }, { value: "4" }] };
  const radio = { name: "decision-1", value: "reject", type: "radio", checked: true, defaultChecked: false };
  const typed = [field("note-1", "Brighter"), field("alt-1", "Same", "Same"), field("shown-1", "x"), stars, radio];
  write("b", formOf(typed));
  const fresh = formOf([field("note-1", ""), field("alt-1", "Same", "Same"), field("decision-1", "")]);
  read("b", fresh);
  assert.deepEqual(fresh.elements.map((one) => one.value), ["Brighter", "Same", "reject"]);
  assert.deepEqual(Object.keys(JSON.parse(stored.get("imagegen-grid-b"))).sort(), ["decision-1", "note-1", "stars-1"]);
  write("b", null);
  assert.equal(stored.size, 0);
});

test("a grid's draft that is damaged, or a storage that is forbidden, changes nothing", () => {
  globalThis.sessionStorage = {
    getItem: () => "{",
    setItem: () => {
      throw new Error("full");
    },
    removeItem: () => {},
  };
  const form = formOf([field("note-1", "kept")]);
  read("b", form);
  write("b", form);
  assert.equal(form.elements[0].value, "kept");
});

test("a place of the server is found in a text with characters of two units", () => {
  assert.equal(offsetOf("ab\ncd", 2, 2), 4);
  assert.equal(offsetOf("\u{1F600}x", 1, 2), 2);
  assert.equal(offsetOf("ab", 9, 9), 2);
});

test("the code of a colour is written in full, and what is none is empty", () => {
  assert.equal(normalCode(" 1C4B8F "), "#1c4b8f");
  assert.equal(normalCode("#fA0"), "#ffaa00");
  for (const text of ["", "#12", "black", "#1c4b8g", "##1c4b8f"]) assert.equal(normalCode(text), "");
});
