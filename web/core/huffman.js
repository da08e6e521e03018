// What reading and writing raw deflate (RFC 1951) share: its tables, its bits, its Huffman codes, read as strictly as
// zlib reads them.

import { DecodeError } from "tntn/core/errors.js";

export const END_OF_BLOCK = 256;

const table = (extraBits, base, length) =>
  Array.from({ length }, (_, index) => {
    const entry = [base, extraBits(index)];
    base += 2 ** entry[1];
    return entry;
  });
/** [base, extra bits] of the length codes from 257 on, and of the distance codes. */
export const LENGTHS = [...table((index) => (index < 8 ? 0 : (index >> 2) - 1), 3, 28), [258, 0]];
export const DISTANCES = table((index) => (index < 4 ? 0 : (index >> 1) - 1), 1, 30);

export const fail = (message = "The text of this record does not unpack.") => {
  throw new DecodeError("deflate", message);
};

/** The next `count` bits of { data, bit }, the lowest first. */
export function bits(state, count) {
  let value = 0;
  for (let index = 0; index < count; index++, state.bit++) {
    const byte = state.data[state.bit >> 3];
    if (byte === undefined) fail("The text of this record ends too early.");
    value |= ((byte >> (state.bit & 7)) & 1) << index;
  }
  return value;
}

/** { counts, symbols }: a canonical Huffman code. zlib takes an incomplete one only as a single one-bit code. */
export function buildCode(lengths, mayBeSingle) {
  const counts = new Uint16Array(16);
  for (const length of lengths) counts[length]++;
  let left = 1;
  for (let length = 1; length < 16; length++) left = left * 2 - counts[length];
  const used = lengths.length - counts[0];
  counts[0] = 0;
  const single = mayBeSingle && (used === 0 || (used === 1 && counts[1] === 1));
  if (left < 0 || (left > 0 && !single)) fail();
  const symbols = [...lengths.keys()].filter((symbol) => lengths[symbol]);
  return { counts, symbols: symbols.sort((one, other) => lengths[one] - lengths[other] || one - other) };
}

/** The next symbol of a code. */
export function readSymbol(state, { counts, symbols }) {
  let code = 0;
  let first = 0;
  let index = 0;
  for (let length = 1; length < 16; length++) {
    code |= bits(state, 1);
    if (code - counts[length] < first) return symbols[index + code - first];
    index += counts[length];
    first = (first + counts[length]) << 1;
    code <<= 1;
  }
  return fail();
}
