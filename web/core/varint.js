// Unsigned LEB128, shortest form only.

import { DecodeError } from "tntn/core/errors.js";

export function encodeVarint(value) {
  const bytes = [];
  while (value > 0x7f) {
    bytes.push((value & 0x7f) | 0x80);
    value >>>= 7;
  }
  return Uint8Array.of(...bytes, value);
}

/** [value, next offset]; DecodeError when cut off, too long or not the shortest form. */
export function decodeVarint(data, offset, bytesMax = 3) {
  let value = 0;
  for (let index = 0; index < bytesMax; index++) {
    if (offset + index >= data.length) throw new DecodeError("truncated", "The record ends inside a number.");
    const byte = data[offset + index];
    value |= (byte & 0x7f) << (7 * index);
    if (byte < 0x80) {
      if (byte === 0 && index > 0) throw new DecodeError("varint", "A number is not in its shortest form.");
      return [value, offset + index + 1];
    }
  }
  throw new DecodeError("varint", `A number is longer than ${bytesMax} bytes.`);
}
