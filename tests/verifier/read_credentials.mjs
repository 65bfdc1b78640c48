// Read and validate the Content Credentials of files with c2pa-ts, which shares no line with the
// library that signs them. Prints a JSON array: for each file whether it is valid, and what is not.

import { readFile } from 'node:fs/promises';
import { BMFF, JPEG, PNG } from '@trustnxt/c2pa-ts/asset';
import { SuperBox } from '@trustnxt/c2pa-ts/jumbf';
import { ManifestStore, ValidationResult } from '@trustnxt/c2pa-ts/manifest';

async function validated(asset, store) {
  try {
    return await ManifestStore.read(SuperBox.fromBuffer(store)).validate(asset);
  } catch (error) {
    return ValidationResult.fromError(error);
  }
}

async function read(path) {
  const data = await readFile(path);
  const Format = [JPEG, PNG, BMFF].find((one) => one.canRead(data));
  const asset = new Format(data);
  const store = asset.getManifestJUMBF();
  if (!store) {
    return { isValid: false, failures: ['no manifest'] };
  }
  const result = await validated(asset, store);
  const failures = result.statusEntries.filter((entry) => !entry.success);
  return { isValid: result.isValid, failures: failures.map((entry) => entry.code) };
}

const found = [];
for (const path of process.argv.slice(2)) {
  found.push(await read(path));
}
process.stdout.write(JSON.stringify(found));
