// The body on the wire: raw deflate with a preset dictionary, where that is shorter than the plain bytes.
// The dictionary is version 1 of record version 1 and frozen (docs/protocol/record.md, "Compression").

import { inflate } from "tntn/core/inflate.js";

let dictionary;

async function readDictionary() {
  const response = await fetch(import.meta.resolve("tntn/core/dictionary-1.bin"));
  if (!response.ok) throw new Error("the dictionary is not here");
  return new Uint8Array(await response.arrayBuffer());
}

/** The frozen dictionary; a failed read is tried again at the next call. */
export function loadDictionary() {
  dictionary ??= readDictionary().catch((error) => {
    dictionary = undefined;
    throw error;
  });
  return dictionary;
}

/** { wireBody, compressed }: deflated only when strictly shorter than plain. */
export async function pack(body) {
  const [{ deflateSync }, preset] = await Promise.all([import("tntn/vendor/fflate.js"), loadDictionary()]);
  const deflated = deflateSync(body, { dictionary: preset, level: 9 });
  return deflated.length < body.length
    ? { wireBody: deflated, compressed: true }
    : { wireBody: body, compressed: false };
}

/** The plain body of a deflated one, at most `limit` bytes. DecodeError for anything but one whole stream. */
export async function unpack(wireBody, limit) {
  return inflate(wireBody, await loadDictionary(), limit);
}
