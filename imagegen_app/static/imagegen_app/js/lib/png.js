// Write a PNG of 8 bits of grey (colour type 0) from rows of bytes that come one strip after the other.

const SIGNATURE = Uint8Array.of(137, 80, 78, 71, 13, 10, 26, 10);
const UP = 2;
const TABLE = new Uint32Array(256).map((_, n) => {
  let value = n;
  for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? 0xedb88320 ^ (value >>> 1) : value >>> 1;
  return value;
});

function crc(bytes) {
  let value = 0xffffffff;
  for (const byte of bytes) value = TABLE[(value ^ byte) & 255] ^ (value >>> 8);
  return (value ^ 0xffffffff) >>> 0;
}

function chunk(type, data) {
  const body = new Uint8Array(4 + data.length);
  body.set([...type].map((letter) => letter.charCodeAt(0)));
  body.set(data, 4);
  const whole = new Uint8Array(8 + body.length);
  const view = new DataView(whole.buffer);
  view.setUint32(0, data.length);
  whole.set(body, 4);
  view.setUint32(4 + body.length, crc(body));
  return whole;
}

// Resolves to the file; `parts` yields { grey, height }, and `pause` lets the page breathe between them.
export async function greyPng(width, height, parts, pause = () => Promise.resolve()) {
  const head = new Uint8Array(13);
  const view = new DataView(head.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  head[8] = 8;
  const packed = [];
  const packer = new CompressionStream("deflate");
  const reading = read(packer.readable, (bytes) => packed.push(chunk("IDAT", bytes)));
  const writer = packer.writable.getWriter();
  let above = new Uint8Array(width);
  for (const { grey, height: rows } of parts) {
    const filtered = new Uint8Array(rows * (width + 1));
    for (let row = 0; row < rows; row += 1) {
      const line = grey.subarray(row * width, (row + 1) * width);
      const to = row * (width + 1);
      // Each byte less the one above it: equal rows become zeros, which pack to nothing.
      filtered[to] = UP;
      for (let i = 0; i < width; i += 1) filtered[to + 1 + i] = line[i] - above[i];
      above = line;
    }
    await writer.write(filtered);
    await pause();
  }
  await writer.close();
  await reading;
  return new Blob([SIGNATURE, chunk("IHDR", head), ...packed, chunk("IEND", new Uint8Array())], {
    type: "image/png",
  });
}

async function read(stream, take) {
  const reader = stream.getReader();
  for (let part = await reader.read(); !part.done; part = await reader.read()) take(part.value);
}
