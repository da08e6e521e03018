// Raw inflate (RFC 1951) with a preset dictionary: strict, bounded and total. It takes one whole stream that ends
// with its last byte, and refuses what zlib refuses, so that a phone and a node read the same records.

import { bits, buildCode, DISTANCES, END_OF_BLOCK, fail, LENGTHS, readSymbol } from "tntn/core/huffman.js";

const CODE_LENGTH_ORDER = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
const LITERALS_MAX = 286;

/** The plain bytes, at most `limit` of them. DecodeError with code "deflate" for anything else. */
export function inflate(data, dictionary, limit) {
  const out = new Uint8Array(dictionary.length + limit);
  out.set(dictionary);
  const state = { data, bit: 0, out, end: dictionary.length };
  for (let last = 0; !last; ) {
    last = bits(state, 1);
    const type = bits(state, 2);
    if (type === 0) copyStored(state);
    else if (type === 1) inflateBlock(state, FIXED);
    else if (type === 2) inflateBlock(state, readCodes(state));
    else fail();
  }
  if ((state.bit + 7) >> 3 !== data.length) fail("Something stands behind the end of this record's text.");
  return out.slice(dictionary.length, state.end);
}

function put(state, byte) {
  if (state.end >= state.out.length) fail("The text of this record unpacks to more than a record may hold.");
  state.out[state.end++] = byte;
}

function copyStored(state) {
  state.bit = (state.bit + 7) & ~7;
  const length = bits(state, 16);
  if (bits(state, 16) !== (length ^ 0xffff)) fail();
  for (let index = 0; index < length; index++) put(state, bits(state, 8));
}

function inflateBlock(state, { literals, distances }) {
  for (;;) {
    const symbol = readSymbol(state, literals);
    if (symbol === END_OF_BLOCK) return;
    if (symbol < END_OF_BLOCK) put(state, symbol);
    else copyMatch(state, symbol, distances);
  }
}

function copyMatch(state, symbol, distances) {
  if (symbol >= LENGTHS.length + 257) fail();
  const [lengthBase, lengthBits] = LENGTHS[symbol - 257];
  const length = lengthBase + bits(state, lengthBits);
  const code = readSymbol(state, distances);
  if (code >= DISTANCES.length) fail();
  const distance = DISTANCES[code][0] + bits(state, DISTANCES[code][1]);
  if (distance > state.end) fail("The text of this record points before its beginning.");
  for (let index = 0; index < length; index++) put(state, state.out[state.end - distance]);
}

function readCodes(state) {
  const literalCount = bits(state, 5) + 257;
  const distanceCount = bits(state, 5) + 1;
  const codeCount = bits(state, 4) + 4;
  if (literalCount > LITERALS_MAX || distanceCount > DISTANCES.length) fail();
  const codeLengths = new Uint8Array(19);
  for (let index = 0; index < codeCount; index++) codeLengths[CODE_LENGTH_ORDER[index]] = bits(state, 3);
  const lengths = readLengths(state, buildCode(codeLengths, false), literalCount + distanceCount);
  if (!lengths[END_OF_BLOCK]) fail("The text of this record has no end.");
  return {
    literals: buildCode(lengths.slice(0, literalCount), true),
    distances: buildCode(lengths.slice(literalCount), true),
  };
}

function readLengths(state, code, count) {
  const lengths = [];
  while (lengths.length < count) {
    const symbol = readSymbol(state, code);
    if (symbol < 16) {
      lengths.push(symbol);
      continue;
    }
    if (symbol === 16 && !lengths.length) fail();
    const [value, repeat] = [
      () => [lengths.at(-1), 3 + bits(state, 2)],
      () => [0, 3 + bits(state, 3)],
      () => [0, 11 + bits(state, 7)],
    ][symbol - 16]();
    if (lengths.length + repeat > count) fail();
    for (let index = 0; index < repeat; index++) lengths.push(value);
  }
  return lengths;
}

const FIXED = {
  literals: buildCode(
    Array.from({ length: 288 }, (_, symbol) => (symbol < 144 ? 8 : symbol < 256 ? 9 : symbol < 280 ? 7 : 8)),
    false,
  ),
  distances: buildCode(new Uint8Array(32).fill(5), false),
};
