// Deterministic CBOR (RFC 8949, 4.2.1), as much of it as a phone writes: maps with small integer keys, byte strings,
// texts and non-negative integers.

import { concat, utf8 } from "tntn/core/bytes.js";

const MAJOR = { UNSIGNED: 0, BYTES: 2, TEXT: 3, MAP: 5 };

/** The encoding of a Map with integer keys below 24, written in ascending order. */
export function encodeMap(fields) {
  const keys = [...fields.keys()].sort((left, right) => left - right);
  return concat(head(MAJOR.MAP, keys.length), ...keys.flatMap((key) => [encode(key), encode(fields.get(key))]));
}

function encode(value) {
  if (value instanceof Uint8Array) return concat(head(MAJOR.BYTES, value.length), value);
  if (typeof value === "string") return concat(head(MAJOR.TEXT, utf8(value).length), utf8(value));
  if (Number.isInteger(value) && value >= 0) return head(MAJOR.UNSIGNED, value);
  throw new TypeError("only bytes, texts and non-negative integers are written");
}

function head(major, value) {
  if (value < 24) return Uint8Array.of((major << 5) | value);
  if (value < 0x100) return Uint8Array.of((major << 5) | 24, value);
  if (value < 0x10000) return Uint8Array.of((major << 5) | 25, value >> 8, value & 0xff);
  throw new RangeError("longer than anything a record holds");
}
