// What a record costs on the radio: its frame's bytes, and their time on air by Semtech's formula (SX126x data sheet,
// 6.1.4; the same as app/radio/airtime.py, checked against the same vectors).

/** The profile of a community's raw radios where no node has said another: EU868, 869.525 MHz. The largest frame is what
 * the largest packet of the radios we share holds (docs/protocol/radio.md). */
export const PROFILE = { sf: 9, bandwidthKhz: 125, codingRate: 5, preambleSymbols: 8, frameBytesMax: 233 };
const LORA_BYTES_MAX = 255;
const HEADER_BYTES = 4;
/** Nodes with up to 16,383 entries in their log; beyond, one byte more. */
const LOG_NUMBER_BYTES = 2;
const MAC_BYTES = 4;
/** RNode's header byte goes before every frame on the air. */
const ON_AIR_HEADER_BYTES = 1;
const ENVELOPE_OVERHEAD_BYTES = 4 + 16;
/** What a frame of a longer envelope carries beside its share of it (docs/protocol/radio-fragments.md), at most. */
const SYMBOL_OVERHEAD_BYTES = 22;

/**
 * { bytes, ms, frames, repeats } of a signed record on its first way; `signedBytes` counts byte 0, fields and signature.
 * `ms` is our own share; radios that flood by themselves spend it again `repeats` times.
 */
export function radioCost(signedBytes, profile = PROFILE) {
  const envelopeBytes = signedBytes + ENVELOPE_OVERHEAD_BYTES;
  const frameBytes = HEADER_BYTES + LOG_NUMBER_BYTES + envelopeBytes + MAC_BYTES;
  return frameBytes <= profile.frameBytesMax ? costOf(1, frameBytes, profile) : fragmentedCost(envelopeBytes, profile);
}

/** In equal shares, as few as carry it. */
function fragmentedCost(envelopeBytes, profile) {
  const room = profile.frameBytesMax - SYMBOL_OVERHEAD_BYTES;
  const shareBytes = Math.ceil(envelopeBytes / Math.max(2, Math.ceil(envelopeBytes / room)));
  return costOf(Math.ceil(envelopeBytes / shareBytes), shareBytes + SYMBOL_OVERHEAD_BYTES, profile);
}

function costOf(frames, frameBytes, profile) {
  const ms = frames * airtimeMs(profile, onAirBytes(frameBytes, profile));
  return { frames, bytes: frames * frameBytes, ms, repeats: profile.repeats ?? 0 };
}

/** A Meshtastic radio puts more around a frame than the raw ones, and signs what leaves room for it. */
function onAirBytes(frameBytes, { overheadBytes = ON_AIR_HEADER_BYTES, signatureBytes = 0 }) {
  const bytes = frameBytes + overheadBytes;
  return bytes + signatureBytes <= LORA_BYTES_MAX ? bytes + signatureBytes : bytes;
}

export function airtimeMs(
  { sf, bandwidthKhz, codingRate, preambleSymbols, explicitHeader = true, crc = true, optimized },
  payloadBytes,
) {
  const symbolMs = 2 ** sf / bandwidthKhz;
  const lowRate = optimized ?? symbolMs >= 16;
  const shortSpread = sf < 7;
  const bits = 8 * payloadBytes + (crc ? 16 : 0) - 4 * sf + (shortSpread ? 0 : 8) + (explicitHeader ? 20 : 0);
  const blocks = Math.ceil(Math.max(0, bits) / (4 * (sf - (lowRate ? 2 : 0))));
  return (preambleSymbols + (shortSpread ? 6.25 : 4.25) + 8 + blocks * codingRate) * symbolMs;
}
