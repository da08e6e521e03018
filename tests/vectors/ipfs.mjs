// What the reference implementation says: `npm install --no-save multiformats @ipld/car` in the repository, then
// `node tests/vectors/ipfs.mjs cids < LINES` prints the CID of each line's bytes (hex) as a CIDv1 raw sha2-256, and
// `node tests/vectors/ipfs.mjs car FILE` prints the roots and blocks of a CAR file as JSON, each block hashed anew.
// tests/vectors/cid.json was made with the first; tests/sync/test_ipfs.py runs both where node and the packages are.

import { createReadStream, readFileSync } from "node:fs";

import { CarBlockIterator } from "@ipld/car";
import { CID } from "multiformats/cid";
import * as raw from "multiformats/codecs/raw";
import { sha256 } from "multiformats/hashes/sha2";

const named = async (bytes) => CID.createV1(raw.code, await sha256.digest(bytes)).toString();

const cids = async () => {
  const lines = readFileSync(0, "utf8").split("\n").slice(0, -1);
  return Promise.all(lines.map(async (bytes) => ({ bytes, cid: await named(Buffer.from(bytes, "hex")) })));
};

const car = async (path) => {
  const reader = await CarBlockIterator.fromIterable(createReadStream(path));
  const blocks = [];
  for await (const { cid, bytes } of reader) {
    blocks.push({ cid: cid.toString(), hashed: await named(bytes), size: bytes.length });
  }
  return { version: reader.version, roots: (await reader.getRoots()).map(String), blocks };
};

const [verb, path] = process.argv.slice(2);
console.log(JSON.stringify(await (verb === "car" ? car(path) : cids()), null, 1));
