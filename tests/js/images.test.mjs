import assert from "node:assert/strict";
import { test } from "node:test";
import { crc32, inflateSync } from "node:zlib";

const js = "../../imagegen_app/static/imagegen_app/js/lib/";
const { drag, forRatio, grown } = await import(`${js}box.js`);
const { fit, keepIn, pinch, toImage, toStage, whole, zoomAt } = await import(`${js}view.js`);
const ops = await import(`${js}mask/ops.js`);
const { greyPng } = await import(`${js}png.js`);

const image = { width: 4096, height: 2048 };
const stage = { width: 800, height: 600 };

test("a place on the image and on the stage are each other's inverse", () => {
  for (const view of [fit(image, stage), whole(image, stage), { scale: 3.3, x: -17, y: 41 }]) {
    const there = toStage(view, { x: 123.25, y: 77 });
    const back = toImage(view, there);
    assert.ok(Math.abs(back.x - 123.25) < 1e-9 && Math.abs(back.y - 77) < 1e-9);
  }
  assert.ok(fit(image, stage).scale * image.width <= stage.width);
  assert.equal(fit({ width: 10, height: 10 }, stage).scale, 1);
});

test("what is under the pointer or under two fingers stays there", () => {
  const view = fit(image, stage);
  const at = { x: 200, y: 333 };
  const near = toImage(zoomAt(view, 1.7, at, 0.01), at);
  assert.ok(Math.abs(near.x - toImage(view, at).x) < 1e-6);
  const before = [{ x: 100, y: 100 }, { x: 300, y: 100 }];
  const after = [{ x: 50, y: 120 }, { x: 450, y: 120 }];
  const pinched = pinch(view, before, after, 0.01);
  assert.ok(Math.abs(pinched.scale - 2 * view.scale) < 1e-9);
  for (const i of [0, 1]) {
    assert.ok(Math.abs(toImage(pinched, after[i]).x - toImage(view, before[i]).x) < 1e-6);
  }
  const kept = keepIn({ scale: 1, x: 9999, y: -9999 }, image, stage);
  assert.ok(kept.x < stage.width && kept.y > -image.height);
});

test("a mask is a list that is undone and redone", () => {
  const history = new ops.History();
  for (let i = 0; i < 25; i += 1) history.push({ kind: "invert" });
  for (let i = 0; i < 20; i += 1) history.undo();
  assert.deepEqual([history.ops.length, history.undone.length], [5, 20]);
  history.redo();
  assert.equal(history.ops.length, 6);
  history.push({ kind: "all", erase: true });
  assert.equal(history.redo(), null);
  for (let i = 0; i < 600; i += 1) history.push({ kind: "invert" });
  assert.equal(history.ops.length, 500);
  assert.equal(history.push({ kind: "invert" }), false);
});

test("a rectangle is in whole pixels and within the image", () => {
  const rect = ops.rectOf({ x: 5000, y: 10.6 }, { x: 4000.4, y: -3 }, image, false);
  assert.deepEqual(rect, { kind: "rect", erase: false, x: 4000, y: 0, width: 96, height: 11 });
  assert.equal(ops.rectOf({ x: 5, y: 5 }, { x: 5.2, y: 90 }, image, false), null);
});

test("the list goes into a text and comes back, and nothing else does", () => {
  const list = [
    { kind: "stroke", erase: false, radius: 12.345, points: [1.234, 2, 3, 4] },
    { kind: "rect", erase: true, x: 1, y: 2, width: 3, height: 4 },
    { kind: "invert" },
  ];
  const back = ops.fromText(ops.toText(list));
  assert.deepEqual(back[0].points, [1.2, 2, 3, 4]);
  assert.deepEqual(back.slice(1), list.slice(1));
  for (const text of ["", "{", "3", '[{"kind":"stroke","radius":"x","points":[]}]', '[null,{"kind":"x"}]']) {
    assert.deepEqual(ops.fromText(text), []);
  }
  assert.deepEqual(ops.rowsOf(list[0]), [2 - 12.345, 4 + 12.345]);
});

test("a grey PNG holds the rows that were given, over the border of a strip too", async () => {
  const rows = [[0, 0, 255], [0, 255, 255], [7, 0, 0]];
  const strips = [
    { grey: Uint8Array.from(rows.slice(0, 2).flat()), height: 2 },
    { grey: Uint8Array.from(rows[2]), height: 1 },
  ];
  const bytes = new Uint8Array(await (await greyPng(3, 3, strips)).arrayBuffer());
  const text = Buffer.from(bytes).toString("latin1");
  const found = [];
  let at = 8;
  let packed = Buffer.alloc(0);
  while (at < bytes.length) {
    const view = new DataView(bytes.buffer, at);
    const length = view.getUint32(0);
    const type = text.slice(at + 4, at + 8);
    assert.equal(view.getUint32(8 + length), crc32(bytes.subarray(at + 4, at + 8 + length)));
    if (type === "IDAT") packed = Buffer.concat([packed, bytes.subarray(at + 8, at + 8 + length)]);
    found.push(type);
    at += 12 + length;
  }
  const raw = inflateSync(packed);
  let above = [0, 0, 0];
  for (const [i, row] of rows.entries()) {
    assert.equal(raw[4 * i], 2);
    above = above.map((byte, j) => (byte + raw[4 * i + 1 + j]) & 255);
    assert.deepEqual(above, row);
  }
  assert.equal(found[0], "IHDR");
  assert.equal(found.at(-1), "IEND");
});

test("a handle adds on its own sides, in steps and never less than nothing", () => {
  const none = { left: 0, top: 0, right: 0, bottom: 0 };
  assert.deepEqual(drag(none, "e", 100, 50, { step: 8 }), { ...none, right: 104 });
  assert.deepEqual(drag(none, "nw", -30, -20, { step: 8 }), { ...none, left: 32, top: 24 });
  assert.deepEqual(drag({ ...none, right: 8 }, "e", -100, 0), none);
  assert.deepEqual(grown({ width: 60, height: 60 }, { ...none, right: 5 }, 8), { width: 72, height: 64 });
  assert.deepEqual(forRatio({ width: 100, height: 100 }, 2), { left: 50, right: 50, top: 0, bottom: 0 });
});
