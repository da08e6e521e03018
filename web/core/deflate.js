// Raw deflate (RFC 1951) for short texts: one block of fixed codes, cut into matches by shortest path. On a radio every
// byte counts and a notice is short, so trying all ways to cut it is cheap: it beats zlib's and fflate's greedy search
// by some 7%. Above a few hundred bytes codes made for the text win, and core/compression.js takes those.

import { DISTANCES, END_OF_BLOCK, LENGTHS } from "tntn/core/huffman.js";

const MATCH_MIN = 3;
const MATCH_MAX = 258;
const DISTANCE_MAX = 32768;
/** Earlier places looked at for each position: the worst text of 8 kB takes 0.1 s on a laptop, a notice 1 ms. */
const CANDIDATES_MAX = 400;
const DISTANCE_BITS = 5;

/** The body deflated with a preset dictionary. */
export function deflate(body, dictionary) {
  const window = new Uint8Array(dictionary.length + body.length);
  window.set(dictionary);
  window.set(body, dictionary.length);
  return write(window, dictionary.length, cheapestSteps(window, dictionary.length));
}

/** For each position from `start`: { length, distance } of the match that begins the cheapest way, or undefined. */
function cheapestSteps(window, start) {
  const earlier = previousPlaces(window);
  const costs = new Uint32Array(window.length + 1);
  const steps = [];
  for (let at = window.length - 1; at >= start; at--) {
    costs[at] = costs[at + 1] + literalBits(window[at]);
    let reached = MATCH_MIN - 1;
    for (const { length, distance } of longerAndLonger(window, at, earlier)) {
      const distanceBits = DISTANCE_BITS + DISTANCES[codeOf(DISTANCES, distance)][1];
      while (reached < length) {
        const cost = BITS_OF_LENGTH[++reached] + distanceBits + costs[at + reached];
        if (cost < costs[at]) [costs[at], steps[at]] = [cost, { length: reached, distance }];
      }
    }
  }
  return steps;
}

/** For each position the one before it that starts with the same three bytes, or -1. */
function previousPlaces(window) {
  const last = new Map();
  return Int32Array.from(window, (_, at) => {
    if (at + MATCH_MIN > window.length) return -1;
    const key = (window[at] << 16) | (window[at + 1] << 8) | window[at + 2];
    const before = last.get(key) ?? -1;
    last.set(key, at);
    return before;
  });
}

/** Earlier places that match, the nearest first, each longer than those before: nearer is never dearer. */
function* longerAndLonger(window, at, earlier) {
  const longest = Math.min(MATCH_MAX, window.length - at);
  let reached = MATCH_MIN - 1;
  let place = earlier[at];
  for (let tried = 0; place >= 0 && reached < longest && tried < CANDIDATES_MAX; tried++, place = earlier[place]) {
    if (at - place > DISTANCE_MAX) return;
    let length = 0;
    while (length < longest && window[place + length] === window[at + length]) length++;
    if (length > reached) yield { length: (reached = length), distance: at - place };
  }
}

const codeOf = (table, value) => table.findLastIndex(([base]) => base <= value);

const literalBits = (byte) => (byte < 144 ? 8 : 9);

const BITS_OF_LENGTH = Uint8Array.from({ length: MATCH_MAX + 1 }, (_, length) => {
  const code = codeOf(LENGTHS, length);
  return code < 0 ? 0 : (code + 257 < 280 ? 7 : 8) + LENGTHS[code][1];
});

function write(window, start, steps) {
  const bits = [1, 1, 0]; // the last block, of fixed codes
  for (let at = start; at < window.length; ) {
    const match = steps[at];
    if (match) writeMatch(bits, match);
    else writeSymbol(bits, window[at]);
    at += match?.length ?? 1;
  }
  writeSymbol(bits, END_OF_BLOCK);
  const bytes = new Uint8Array(Math.ceil(bits.length / 8));
  bits.forEach((bit, index) => (bytes[index >> 3] |= bit << (index & 7)));
  return bytes;
}

function writeMatch(bits, { length, distance }) {
  const lengthCode = codeOf(LENGTHS, length);
  const distanceCode = codeOf(DISTANCES, distance);
  const [lengthBase, lengthExtra] = LENGTHS[lengthCode];
  const [distanceBase, distanceExtra] = DISTANCES[distanceCode];
  writeSymbol(bits, lengthCode + 257);
  writeNumber(bits, length - lengthBase, lengthExtra);
  writeCode(bits, distanceCode, DISTANCE_BITS);
  writeNumber(bits, distance - distanceBase, distanceExtra);
}

function writeSymbol(bits, symbol) {
  if (symbol < 144) writeCode(bits, 0x30 + symbol, 8);
  else if (symbol < 256) writeCode(bits, 0x190 + symbol - 144, 9);
  else if (symbol < 280) writeCode(bits, symbol - 256, 7);
  else writeCode(bits, 0xc0 + symbol - 280, 8);
}

/** Codes go out with their highest bit first, numbers with their lowest. */
function writeCode(bits, code, count) {
  for (let shift = count - 1; shift >= 0; shift--) bits.push((code >> shift) & 1);
}

function writeNumber(bits, number, count) {
  for (let shift = 0; shift < count; shift++) bits.push((number >> shift) & 1);
}
