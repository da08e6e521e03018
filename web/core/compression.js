// The body on the wire: raw deflate with a preset dictionary, where that is shorter than the plain bytes.
// The dictionary is version 1 of record version 1 and frozen (docs/protocol/record.md, "Compression").

import { deflate } from "tntn/core/deflate.js";
import { inflate } from "tntn/core/inflate.js";

/** Above this codes made for the text can pay for themselves: fflate is loaded and tried too. */
const SHORT_BYTES_MAX = 250;

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

/** { wireBody, compressed }: the smallest of the plain bytes and what deflating makes of them. */
export async function pack(body) {
  const preset = await loadDictionary();
  const deflated = [deflate(body, preset)];
  if (body.length > SHORT_BYTES_MAX) deflated.push(...(await deflateLong(body, preset)));
  const wireBody = deflated.reduce((smallest, other) => (other.length < smallest.length ? other : smallest), body);
  return { wireBody, compressed: wireBody !== body };
}

/** By fflate, where it can be loaded: away from a node that gave it, a long text is a little longer, no more. */
async function deflateLong(body, preset) {
  const fflate = await import("tntn/vendor/fflate.js").catch(() => null);
  return fflate ? [fflate.deflateSync(body, { dictionary: preset, level: 9 })] : [];
}

/** The plain body of a deflated one, at most `limit` bytes. DecodeError for anything but one whole stream. */
export async function unpack(wireBody, limit) {
  return inflate(wireBody, await loadDictionary(), limit);
}
