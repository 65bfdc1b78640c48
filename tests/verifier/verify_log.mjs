// Verify an export of the audit log from its two files alone, with nothing of the project:
//   node verify_log.mjs events.jsonl events.proofs.jsonl VKEY
// VKEY is a key of the log that the auditor got elsewhere, possibly years ago: the handovers in the
// export lead from it to the others. Written from RFC 6962/9162 and the C2SP texts.
import { createHash, createPublicKey, verify } from "node:crypto";
import { readFileSync } from "node:fs";

const sha256 = (...parts) => {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest();
};
const leafHash = (body) => sha256(Buffer.of(0), body);
const nodeHash = (left, right) => sha256(Buffer.of(1), left, right);
const fail = (why) => {
  throw new Error(why);
};
const bytes = (hex) => {
  if (!/^[0-9a-f]{64}$/.test(hex)) fail("a hash of a proof is malformed");
  return Buffer.from(hex, "hex");
};

function readKey(line) {
  const [name, id, ...rest] = line.split("+");
  const data = Buffer.from(rest.join("+"), "base64");
  if (data.length !== 33 || data[0] !== 1) fail("a verifier key is malformed");
  const keyId = sha256(Buffer.from(`${name}\n`), data).subarray(0, 4);
  if (keyId.toString("hex") !== id) fail("a verifier key's id belongs to another key");
  const jwk = { kty: "OKP", crv: "Ed25519", x: data.subarray(1).toString("base64url") };
  return { line, name, keyId, publicKey: createPublicKey({ key: jwk, format: "jwk" }) };
}

function readNote(note) {
  const end = note.lastIndexOf("\n\n");
  if (end < 0 || !note.endsWith("\n")) fail("a note is malformed");
  const text = note.slice(0, end + 1);
  const signatures = note.slice(end + 2, -1).split("\n").map((line) => {
    const found = /^\u2014 (\S+) (\S+)$/.exec(line) ?? fail("a signature line is malformed");
    const data = Buffer.from(found[2], "base64");
    return { name: found[1], keyId: data.subarray(0, 4), signature: data.subarray(4) };
  });
  const [origin, size, root, ...more] = text.slice(0, -1).split("\n");
  if (!/^(0|[1-9][0-9]{0,15})$/.test(size)) fail("a checkpoint's size is malformed");
  return { text, signatures, origin, size: Number(size), root: Buffer.from(root, "base64"), more };
}

function isSignedBy(note, key) {
  const own = note.signatures.filter((s) => s.name === key.name && s.keyId.equals(key.keyId));
  const data = Buffer.from(note.text);
  return own.length > 0 && own.every((s) => verify(null, data, key.publicKey, s.signature));
}

// The keys that follow from the trusted one, each with the sizes that it signs for.
function followKeys(trusted, handovers) {
  const links = handovers.map((text) => {
    const note = readNote(text);
    const [from, to] = ["key-handover-from ", "key-handover-to "].map((start, index) => {
      const line = note.more[index] ?? "";
      return line.startsWith(start) ? readKey(line.slice(start.length)) : fail("a handover is malformed");
    });
    for (const key of [from, to])
      if (key.name !== note.origin || !isSignedBy(note, key)) fail("a handover is not signed by both keys");
    return { from, to, size: note.size };
  });
  const chain = [];
  for (let key = trusted, link; (link = links.find((l) => l.to.line === key)); key = link.from.line) {
    if (chain.includes(link)) break;
    chain.unshift(link);
  }
  for (let key = trusted, link; (link = links.find((l) => l.from.line === key)); key = link.to.line) {
    if (chain.includes(link)) break;
    chain.push(link);
  }
  const keys = chain.length ? [chain[0].from, ...chain.map((l) => l.to)] : [readKey(trusted)];
  return keys.map((key, index) => ({
    ...key,
    first: index ? chain[index - 1].size : 0,
    last: index < chain.length ? chain[index].size : Infinity,
  }));
}

function readCheckpoint(text, keys) {
  const note = readNote(text);
  const signer = keys.find(
    (key) => key.name === note.origin && key.first <= note.size && note.size <= key.last && isSignedBy(note, key),
  );
  if (!signer) fail(`the checkpoint of ${note.size} entries is not signed by a key of this log`);
  if (note.root.length !== 32) fail("a checkpoint's root is malformed");
  return note;
}

// The root of a tree from a leaf and its audit path, by recursion over the tree's shape.
function rootFrom(leaf, index, size, path) {
  if (size === 1) return path.length ? fail("an inclusion proof is too long") : leaf;
  if (!path.length) fail("an inclusion proof is too short");
  let left = 1;
  while (left * 2 < size) left *= 2;
  const [sibling, rest] = [path.at(-1), path.slice(0, -1)];
  return index < left
    ? nodeHash(rootFrom(leaf, index, left, rest), sibling)
    : nodeHash(sibling, rootFrom(leaf, index - left, size - left, rest));
}

// The roots of the old and the new tree from a consistency proof, by the same recursion.
function rootsFrom(oldSize, size, path, oldRoot, isWhole) {
  if (oldSize === size) {
    if (isWhole) return path.length ? fail("a consistency proof is too long") : [oldRoot, oldRoot];
    return path.length === 1 ? [path[0], path[0]] : fail("a consistency proof has a wrong length");
  }
  if (!path.length) fail("a consistency proof is too short");
  let left = 1;
  while (left * 2 < size) left *= 2;
  const [sibling, rest] = [path.at(-1), path.slice(0, -1)];
  if (oldSize <= left) {
    const [before, after] = rootsFrom(oldSize, left, rest, oldRoot, isWhole);
    return [before, nodeHash(after, sibling)];
  }
  const [before, after] = rootsFrom(oldSize - left, size - left, rest, oldRoot, false);
  return [nodeHash(sibling, before), nodeHash(sibling, after)];
}

function verifyConsistency(old, current, path) {
  if (old.size > current.size) fail("an earlier checkpoint is of a longer log");
  if (old.size === 0) return path.length || !old.root.equals(sha256()) ? fail("a root differs") : undefined;
  const [before, after] = rootsFrom(old.size, current.size, path, old.root, true);
  if (!before.equals(old.root) || !after.equals(current.root))
    fail(`the log does not continue its checkpoint of ${old.size} entries`);
}

function run([eventsPath, proofsPath, trusted]) {
  const lines = (path) => {
    const data = readFileSync(path);
    const found = [];
    for (let start = 0, end; (end = data.indexOf(10, start)) >= 0; start = end + 1) found.push(data.subarray(start, end));
    return found;
  };
  const bodies = lines(eventsPath);
  const [header, ...proofs] = lines(proofsPath).map((line) => JSON.parse(line));
  if (header.format !== "imagegen-audit-proofs-1") fail("the format is unknown");
  const keys = followKeys(trusted, header.handovers);
  const checkpoint = readCheckpoint(header.checkpoint, keys);
  for (const entry of header.earlier)
    verifyConsistency(readCheckpoint(entry.checkpoint, keys), checkpoint, entry.proof.map(bytes));
  if (bodies.length !== proofs.length) fail("there is not one proof for each event");
  const requireInLog = (leaf, proof) => {
    if (!Number.isInteger(proof.seq) || proof.seq < 0 || proof.seq >= checkpoint.size) fail("an entry lies outside of the log");
    const root = rootFrom(leaf, proof.seq, checkpoint.size, proof.proof.map(bytes));
    if (!root.equals(checkpoint.root)) fail(`entry ${proof.seq} is not in the log`);
  };
  proofs.forEach((proof, index) => {
    const leaf = leafHash(bodies[index]);
    if (leaf.toString("hex") !== proof.leaf) fail(`entry ${proof.seq} is not the one that was sealed`);
    requireInLog(leaf, proof);
  });
  // What was published and lost when the log was restored from a backup, as the log itself says.
  const lost = header.restores.map((entry) => {
    requireInLog(leafHash(Buffer.from(entry.body)), entry);
    const { type, data } = JSON.parse(entry.body);
    if (type !== "log.restore_accepted") fail("the record of a restored backup is none");
    return { kept: data.kept, published: data.size, root: data.root };
  });
  const said = { events: bodies.length, size: checkpoint.size, earlier: header.earlier.length, keys: keys.length };
  return lost.length ? { ...said, lost } : said;
}

try {
  console.log(JSON.stringify(run(process.argv.slice(2))));
} catch (error) {
  console.log(JSON.stringify({ refused: error.message }));
  process.exitCode = 1;
}
